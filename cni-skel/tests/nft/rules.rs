//! Rules that the kernel gives back as they were, and those that it does not get.

use cni_skel::nft::{DataType, Family, Field, Hook, Rule, Set, Value};

use crate::support::nft::rules::{self, ip, to};
use crate::{chain_of, nat_chain, ruleset, table_and_chain};

#[track_caller]
fn comes_back(family: Family, hook: Hook, text: &str, make: &dyn Fn(Rule) -> Rule) {
    let (_netns, nft) = ruleset();
    let (table, chain) = table_and_chain(family);
    let chain = if family == Family::Bridge { chain } else { nat_chain(&table, hook, -50) };
    let rule = make(Rule::new(&chain));
    nft.batch().add_table(&table).add_chain(&chain).add_rule(&rule).send().expect("the kernel takes it");
    let listed = nft.rules(&chain).expect("list rules");
    let [found] = &listed[..] else { panic!("one rule, not {listed:?}") };
    assert!(found.does_the_same(&rule), "{text} came back as {found:?}, and was {rule:?}");
    assert!(!found.does_the_same(&Rule::new(&chain)), "{text} came back empty");
}

#[test]
fn addresses_come_back_as_they_were() {
    rules::addresses(&mut comes_back);
}

#[test]
fn changes_of_ports_come_back_as_they_were() {
    rules::ports(&mut comes_back);
}

#[test]
fn what_is_known_about_a_packet_comes_back_as_it_was() {
    rules::packets(&mut comes_back);
}

#[test]
fn a_rule_that_contradicts_itself_is_not_sent() {
    let (_netns, nft) = ruleset();
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
    assert_eq!(nft.chains(&table).unwrap(), std::slice::from_ref(&chain));
    assert!(nft.rules(&chain).unwrap().is_empty());
    assert_eq!(nft.sets(&table).unwrap(), []);
}
