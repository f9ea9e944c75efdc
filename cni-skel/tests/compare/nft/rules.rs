//! What our rules are for `nft`, and what its rules are for us.

use cni_skel::nft::{Family, Field, Hook, Rule, Value};
use cni_skel::types::Protocol;

use super::{listed, nft_does};
use crate::support::nft::rules::{self, ip};
use crate::support::nft::{nat_chain, ruleset, table_and_chain};

/// Says a rule in our way and in `nft`'s: it lists both alike, and for us both do the same.
#[track_caller]
fn same(family: Family, hook: Hook, text: &str, ours: &dyn Fn(Rule) -> Rule) {
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
    rules::addresses(&mut same);
}

#[test]
fn ports_are_rewritten_as_nft_rewrites_them() {
    rules::ports(&mut same);
}

#[test]
fn what_is_known_about_a_packet_is_matched_as_nft_matches_it() {
    rules::packets(&mut same);
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
