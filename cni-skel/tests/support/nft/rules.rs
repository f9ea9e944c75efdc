//! Rules of every kind, with the words that `nft` has for them.

use std::net::{IpAddr, SocketAddr};

use cni_skel::net::LinkIndex;
use cni_skel::nft::{CtState, Family, Field, Hook, Rule, Value};
use cni_skel::types::Protocol;
use ipnet::IpNet;

/// Gets each rule: where it can be, its words, and what makes it of an empty one.
pub(crate) type Each<'a> = dyn FnMut(Family, Hook, &str, &dyn Fn(Rule) -> Rule) + 'a;

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn net(text: &str) -> IpNet {
    text.parse().expect("a subnet")
}

pub(crate) fn to(text: &str) -> SocketAddr {
    text.parse().expect("an address and a port")
}

fn ipv4() -> Value {
    Value::nfproto_of(ip("0.0.0.0"))
}

pub(crate) fn addresses(each: &mut Each<'_>) {
    let hook = Hook::Postrouting;
    let inet = Family::Inet;
    each(inet, hook, "ip saddr 10.1.0.7 ip daddr != 10.1.0.0/16 masquerade", &|rule| {
        rule.saddr(ip("10.1.0.7")).not_daddr(net("10.1.0.0/16")).masquerade()
    });
    each(inet, hook, "ip6 saddr fd00::7 ip6 daddr != fd00::/64 masquerade", &|rule| {
        rule.saddr(ip("fd00::7")).not_daddr(net("fd00::/64")).masquerade()
    });
    each(inet, hook, "ip daddr 224.0.0.0/4 return", &|rule| rule.daddr(net("224.0.0.0/4")).return_());
    each(inet, hook, "ip6 daddr ff00::/8 return", &|rule| rule.daddr(net("ff00::/8")).return_());
    each(Family::Ip, hook, "ip saddr != 10.1.2.0/23 accept", &|rule| {
        rule.not_saddr(net("10.1.2.0/23")).accept()
    });
    each(Family::Ip6, hook, "ip6 saddr fd00::/61 drop", &|rule| rule.saddr(net("fd00::/61")).drop());
}

pub(crate) fn ports(each: &mut Each<'_>) {
    let hook = Hook::Prerouting;
    each(Family::Ip, hook, "ip daddr 192.0.2.1 tcp dport 8080 dnat to 10.1.0.7:80", &|rule| {
        rule.daddr(ip("192.0.2.1")).dport(Protocol::Tcp, 8080).dnat_to_port(to("10.1.0.7:80"))
    });
    each(Family::Ip6, hook, "sctp dport 8080 dnat to [fd00::7]:80", &|rule| {
        rule.dport(Protocol::Sctp, 8080).dnat_to_port(to("[fd00::7]:80"))
    });
    each(Family::Inet, hook, "meta nfproto ipv4 udp sport 53 dnat ip to 10.1.0.7:53", &|rule| {
        rule.is(Field::NfProto, ipv4()).sport(Protocol::Udp, 53).dnat_to_port(to("10.1.0.7:53"))
    });
    each(Family::Ip, hook, "dnat to 10.1.0.7", &|rule| rule.dnat_to(ip("10.1.0.7")));
    each(Family::Ip6, Hook::Postrouting, "snat to fd00::1", &|rule| rule.snat_to(ip("fd00::1")));
}

pub(crate) fn packets(each: &mut Each<'_>) {
    let hook = Hook::Prerouting;
    let inet = Family::Inet;
    each(inet, hook, "fib daddr type local counter packets 0 bytes 0 accept", &|rule| {
        rule.to_this_machine().counter().accept()
    });
    each(inet, hook, "iifname \"eth0\" accept", &|rule| rule.iifname("eth0").accept());
    each(inet, Hook::Postrouting, "oifname \"lo\" accept", &|rule| rule.oifname("lo").accept());
    each(inet, hook, "iif \"lo\" accept", &|rule| {
        rule.is(Field::Iif, Value::ifindex(LinkIndex::new(1).expect("not 0"))).accept()
    });
    each(inet, hook, "iifname != \"eth0\" accept", &|rule| {
        rule.is_not(Field::IifName, Value::ifname("eth0").expect("a name")).accept()
    });
    each(inet, hook, "meta mark 0x00002000 accept", &|rule| rule.mark(0x2000, u32::MAX).accept());
    each(inet, hook, "meta mark & 0x00002000 == 0x00002000 accept", &|rule| {
        rule.mark(0x2000, 0x2000).accept()
    });
    each(inet, hook, "ct mark 0x00000007 accept", &|rule| rule.ct_mark(7, u32::MAX).accept());
    each(inet, hook, "ct state established,related accept", &|rule| {
        rule.ct_state(&[CtState::Established, CtState::Related]).accept()
    });
    each(inet, hook, "ct status dnat accept", &|rule| rule.ct_status_dnat().accept());
    each(inet, hook, "meta l4proto udp accept", &|rule| rule.protocol(Protocol::Udp).accept());
    each(inet, hook, "meta mark set 0x00000005", &|rule| rule.set_mark(5, u32::MAX));
    each(inet, hook, "meta mark set meta mark | 0x00002000", &|rule| rule.set_mark(0x2000, 0x2000));
    each(Family::Bridge, hook, "iifname \"veth0\" ether saddr 02:00:00:00:00:01 accept", &|rule| {
        let ether = Value::ether([2, 0, 0, 0, 0, 1]);
        rule.iifname("veth0").is(Field::EtherSaddr, ether).accept()
    });
}
