//! What our rules are for `nft`, and what its rules are for us.

use std::net::{IpAddr, SocketAddr};

use cni_skel::net::LinkIndex;
use cni_skel::nft::{CtState, DataType, Family, Field, Hook, Rule, Set, Value};
use cni_skel::types::Protocol;
use ipnet::IpNet;

use crate::{chain_of, listed, nat_chain, nft_does, ruleset, table_and_chain};

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn net(text: &str) -> IpNet {
    text.parse().expect("a subnet")
}

fn to(text: &str) -> SocketAddr {
    text.parse().expect("an address and a port")
}

/// Says a rule in our way and in `nft`'s: it lists both alike, and for us both do the same.
#[track_caller]
fn same(family: Family, hook: Hook, text: &str, ours: impl FnOnce(Rule) -> Rule) {
    let (netns, nft) = ruleset();
    let (table, _) = table_and_chain(family);
    let chain =
        if family == Family::Bridge { table_and_chain(family).1 } else { nat_chain(&table, hook, -50) };
    let rule = ours(Rule::new(&chain));
    nft.batch().add_table(&table).add_chain(&chain).add_rule(&rule).send().expect("the kernel takes it");
    let ours_listed = listed(&netns);
    nft_does(&netns, &format!("add rule {} t c {text}", family.as_str()));
    let rules = nft.rules(&chain).expect("list rules");
    let [first, second] = &rules[..] else { panic!("two rules, not {rules:?}") };
    assert!(first.does_the_same(&rule), "it came back as {first:?}, and was {rule:?}");
    assert!(second.does_the_same(&rule), "nft made {second:?}, and we {rule:?}");
    let both = listed(&netns);
    let of_rule = |lines: &[String]| lines.iter().filter(|line| *line == text).count();
    assert_eq!((of_rule(&ours_listed), of_rule(&both)), (1, 2), "{both:#?}");
}

#[test]
fn addresses_are_matched_as_nft_matches_them() {
    let hook = Hook::Postrouting;
    let inet = Family::Inet;
    same(inet, hook, "ip saddr 10.1.0.7 ip daddr != 10.1.0.0/16 masquerade", |rule| {
        rule.saddr(ip("10.1.0.7")).not_daddr(net("10.1.0.0/16")).masquerade()
    });
    same(inet, hook, "ip6 saddr fd00::7 ip6 daddr != fd00::/64 masquerade", |rule| {
        rule.saddr(ip("fd00::7")).not_daddr(net("fd00::/64")).masquerade()
    });
    same(inet, hook, "ip daddr 224.0.0.0/4 return", |rule| rule.daddr(net("224.0.0.0/4")).return_());
    same(inet, hook, "ip6 daddr ff00::/8 return", |rule| rule.daddr(net("ff00::/8")).return_());
    same(Family::Ip, hook, "ip saddr != 10.1.2.0/23 accept", |rule| {
        rule.not_saddr(net("10.1.2.0/23")).accept()
    });
    same(Family::Ip6, hook, "ip6 saddr fd00::/61 drop", |rule| rule.saddr(net("fd00::/61")).drop());
}

#[test]
fn ports_are_rewritten_as_nft_rewrites_them() {
    let hook = Hook::Prerouting;
    same(Family::Ip, hook, "ip daddr 192.0.2.1 tcp dport 8080 dnat to 10.1.0.7:80", |rule| {
        rule.daddr(ip("192.0.2.1")).dport(Protocol::Tcp, 8080).dnat_to_port(to("10.1.0.7:80"))
    });
    same(Family::Ip6, hook, "sctp dport 8080 dnat to [fd00::7]:80", |rule| {
        rule.dport(Protocol::Sctp, 8080).dnat_to_port(to("[fd00::7]:80"))
    });
    same(Family::Inet, hook, "meta nfproto ipv4 udp sport 53 dnat ip to 10.1.0.7:53", |rule| {
        rule.is(Field::NfProto, ipv4()).sport(Protocol::Udp, 53).dnat_to_port(to("10.1.0.7:53"))
    });
    same(Family::Ip, hook, "dnat to 10.1.0.7", |rule| rule.dnat_to(ip("10.1.0.7")));
    same(Family::Ip6, Hook::Postrouting, "snat to fd00::1", |rule| rule.snat_to(ip("fd00::1")));
}

fn ipv4() -> Value {
    Value::nfproto_of(ip("0.0.0.0"))
}

#[test]
fn what_is_known_about_a_packet_is_matched_as_nft_matches_it() {
    let hook = Hook::Prerouting;
    let inet = Family::Inet;
    same(inet, hook, "fib daddr type local counter packets 0 bytes 0 accept", |rule| {
        rule.to_this_machine().counter().accept()
    });
    same(inet, hook, "iifname \"eth0\" accept", |rule| rule.iifname("eth0").accept());
    same(inet, Hook::Postrouting, "oifname \"lo\" accept", |rule| rule.oifname("lo").accept());
    same(inet, hook, "iif \"lo\" accept", |rule| {
        rule.is(Field::Iif, Value::ifindex(LinkIndex::new(1).unwrap())).accept()
    });
    same(inet, hook, "iifname != \"eth0\" accept", |rule| {
        rule.is_not(Field::IifName, Value::ifname("eth0").expect("a name")).accept()
    });
    same(inet, hook, "meta mark 0x00002000 accept", |rule| rule.mark(0x2000, u32::MAX).accept());
    same(inet, hook, "meta mark & 0x00002000 == 0x00002000 accept", |rule| {
        rule.mark(0x2000, 0x2000).accept()
    });
    same(inet, hook, "ct mark 0x00000007 accept", |rule| rule.ct_mark(7, u32::MAX).accept());
    same(inet, hook, "ct state established,related accept", |rule| {
        rule.ct_state(&[CtState::Established, CtState::Related]).accept()
    });
    same(inet, hook, "ct status dnat accept", |rule| rule.ct_status_dnat().accept());
    same(inet, hook, "meta l4proto udp accept", |rule| rule.protocol(Protocol::Udp).accept());
    same(inet, hook, "meta mark set 0x00000005", |rule| rule.set_mark(5, u32::MAX));
    same(inet, hook, "meta mark set meta mark | 0x00002000", |rule| rule.set_mark(0x2000, 0x2000));
    same(Family::Bridge, hook, "iifname \"veth0\" ether saddr 02:00:00:00:00:01 accept", |rule| {
        let ether = Value::ether([2, 0, 0, 0, 0, 1]);
        rule.iifname("veth0").is(Field::EtherSaddr, ether).accept()
    });
}

#[test]
fn a_rule_that_contradicts_itself_is_not_sent() {
    let (netns, nft) = ruleset();
    let (table, chain) = table_and_chain(Family::Inet);
    nft.batch().add_table(&table).add_chain(&chain).send().unwrap();
    let elsewhere = table_and_chain(Family::Ip).1;
    let v4 = Set::new(&table, "s", &[DataType::Ipv4Addr]);
    let rules = [
        (
            Rule::new(&chain).saddr(ip("10.0.0.1")).daddr(ip("fd00::1")),
            "a rule has conditions for both IPv4 and IPv6",
        ),
        (Rule::new(&elsewhere).saddr(ip("fd00::1")), "a rule has conditions for both IPv4 and IPv6"),
        (Rule::new(&chain).dnat_to_port(to("10.0.0.1:80")), "a rule with a port has no protocol"),
        (Rule::new(&chain).is(Field::Dport, Value::port(80)), "a rule with a port has no protocol"),
        (
            Rule::new(&chain).is(Field::Iif, Value::port(80)),
            "a field is compared with a value of another type",
        ),
        (Rule::new(&chain).iifname("sixteen_letters_"), "a rule has an invalid interface name"),
        (Rule::new(&chain).is_in(&[Field::Ip6Saddr], &v4), "fields are looked up in a set of other types"),
        (Rule::new(&chain).jump(&elsewhere), "a rule refers to a chain or set of another table"),
        (Rule::new(&chain).mark(3, 1), "a mark has bits outside of its mask"),
        (
            Rule::new(&chain).comment("a \" quote"),
            "a comment is longer than 128 bytes or has quotes or control characters",
        ),
        (
            Rule::new(&chain).comment("x".repeat(129)),
            "a comment is longer than 128 bytes or has quotes or control characters",
        ),
    ];
    for (rule, why) in rules {
        let failed = nft.batch().add_rule(&rule).send().unwrap_err();
        assert_eq!(chain_of(&failed), format!("cannot change the ruleset: {why}"));
    }
    assert_eq!(listed(&netns), ["table inet t {", "chain c {", "}", "}"]);
}

#[test]
fn what_a_listed_rule_is_about_can_be_read() {
    let (netns, nft) = ruleset();
    let (table, _) = table_and_chain(Family::Ip);
    let chain = nat_chain(&table, Hook::Prerouting, -50);
    nft.batch().add_table(&table).add_chain(&chain).send().unwrap();
    nft_does(
        &netns,
        "add chain ip t other
         add rule ip t c ip daddr 192.0.2.1 tcp dport 8080 dnat to 10.1.0.7:80
         add rule ip t c udp dport 53 ip saddr 10.0.0.0/8 dnat ip addr . port to 10.1.0.8 . 5353
         add rule ip t c tcp dport != 80 jump other",
    );
    let rules = nft.rules(&chain).unwrap();
    let [first, second, third] = &rules[..] else { panic!("three rules, not {rules:?}") };
    assert_eq!(first.required(Field::IpDaddr), Some(ip("192.0.2.1").into()));
    assert_eq!(first.required(Field::L4Proto), Some(Protocol::Tcp.into()));
    assert_eq!(first.required(Field::Dport), Some(Value::port(8080)));
    assert_eq!((first.required(Field::IpSaddr), first.jump_target()), (None, None));
    assert_eq!(first.dnat_address(), Some(ip("10.1.0.7")));
    assert_eq!(second.required(Field::Dport), Some(Value::port(53)));
    // A part of an address is not the address.
    assert_eq!(second.required(Field::IpSaddr), None);
    assert_eq!(second.dnat_address(), Some(ip("10.1.0.8")));
    assert_eq!((third.required(Field::Dport), third.dnat_address()), (None, None));
    assert_eq!(third.jump_target(), Some("other"));
}
