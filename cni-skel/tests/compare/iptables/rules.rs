//! Each kind of rule, made by us and by the program: it is the same.

use cni_skel::iptables::{Family, Rule};
use cni_skel::types::Protocol;

use crate::support::iptables::rules::{self, add, all, ipv4};
use crate::support::iptables::world::{Kind, World};

fn each(mut test: impl FnMut(&World, Family)) {
    for kind in Kind::BOTH {
        for family in Family::ALL {
            test(&World::new(kind), family);
        }
    }
}

#[test]
fn the_program_sees_our_rules_as_its_own() {
    each(|world, family| {
        add(world, family);
        let saved = world.saved(family);
        for (chain, _, words) in all(family) {
            assert!(saved.contains(&format!("-A {chain} {words}")), "{words} is not in {saved:#?}");
            world.does(family, &format!("-C {chain} {words}"));
        }
        assert_eq!(saved.iter().filter(|line| line.starts_with("-A")).count(), all(family).len());
        for (chain, _, words) in all(family) {
            world.does(family, &format!("-D {chain} {words}"));
        }
        for chain in ["OUT", "IN", "MARKS"] {
            world.does(family, &format!("-X {chain}"));
        }
        assert!(world.saved(family).is_empty());
    });
}

#[test]
fn we_see_the_programs_rules_as_our_own() {
    each(|world, family| {
        for chain in ["OUT", "IN", "MARKS"] {
            world.does(family, &format!("-N {chain}"));
        }
        for (chain, _, words) in all(family) {
            world.does(family, &format!("-A {chain} {words}"));
        }
        for chain in ["OUT", "IN", "MARKS", "PREROUTING", "OUTPUT", "POSTROUTING"] {
            let listed = world.rules(family, chain);
            let wanted: Vec<_> =
                all(family).into_iter().filter(|(of, ..)| *of == chain).map(|(_, rule, _)| rule).collect();
            assert_eq!(listed, wanted, "{:?} {chain}", world.kind());
        }
        let nat = world.nat(family);
        let clear = || {
            nat.transaction(|listing, mut batch| {
                for chain in ["PREROUTING", "OUTPUT", "POSTROUTING", "IN", "OUT", "MARKS"] {
                    for rule in listing.rules(chain)? {
                        batch = batch.delete_rule(&rule);
                    }
                }
                Ok(batch.delete_chain("IN").delete_chain("OUT").delete_chain("MARKS"))
            })
        };
        world.in_netns(clear).unwrap();
        assert!(world.saved(family).is_empty());
    });
}

#[test]
fn what_a_rule_does_not_say_in_our_words_is_listed_and_can_be_deleted() {
    let foreign = [
        "-p icmp -j MASQUERADE",
        "-j MASQUERADE --random",
        "! -p tcp -s 10.0.0.0/8 -j ACCEPT",
        "-p tcp -m tcp --sport 80 -j ACCEPT",
        "-p tcp -m tcp --dport 80:90 -j ACCEPT",
        "-p tcp -m tcp ! --dport 80 -j ACCEPT",
        "-p tcp -m multiport ! --dports 80 -j ACCEPT",
        "-p tcp -m multiport --dports 80:90 -j ACCEPT",
        "-m addrtype ! --dst-type LOCAL -j ACCEPT",
        "-m addrtype --dst-type LOCAL --limit-iface-out -j ACCEPT",
        "-m statistic --mode random --probability 0.5 -j ACCEPT",
        "-m comment --comment c -m conntrack --ctstate NEW -j ACCEPT",
        "-p tcp -j MASQUERADE --to-ports 1000-2000",
        "-j LOG",
    ];
    for kind in Kind::BOTH {
        let world = World::new(kind);
        for words in foreign {
            world.does(Family::Ipv4, &format!("-A POSTROUTING {words}"));
        }
        let ours = ipv4().into_iter().map(|(_, rule, _)| rule);
        let mut ours: Vec<_> = ours.chain([Rule::new().accept(), Rule::new().masquerade()]).collect();
        ours.push(Rule::new().comment("c").accept());
        let listed = world.rules(Family::Ipv4, "POSTROUTING");
        assert_eq!(listed.len(), foreign.len());
        assert!(listed.iter().all(|rule| !ours.contains(rule)), "{kind:?}: {listed:#?}");
        let nat = world.nat(Family::Ipv4);
        let clear = || {
            nat.transaction(|listing, batch| {
                let rules = listing.rules("POSTROUTING")?;
                Ok(rules.iter().fold(batch, |batch, rule| batch.delete_rule(rule)))
            })
        };
        world.in_netns(clear).unwrap();
        assert!(world.saved(Family::Ipv4).is_empty(), "{kind:?}");
    }
}

#[test]
fn conditions_are_read_where_we_have_words_for_them() {
    let words = ["!", "-s", "10.9.0.0/16", "-i", "eth0", "-m", "mark", "!", "--mark", "0x1/0xff"];
    let rule = Rule::new().dport(Protocol::Tcp, 80).conditions(&words).unwrap().accept();
    let shown = "! -s 10.9.0.0/16 -i eth0 -p tcp -m tcp --dport 80 -m mark ! --mark 0x1/0xff -j ACCEPT";
    assert_eq!(rule.to_string(), shown);
    let world = World::new(Kind::Nft);
    let nat = world.nat(Family::Ipv4);
    world.in_netns(|| nat.batch().append_rule("OUTPUT", &rule).send()).unwrap();
    assert_eq!(world.saved(Family::Ipv4), [format!("-A OUTPUT {shown}")]);
}

#[test]
fn conditions_that_only_the_program_knows_are_its_work() {
    each(|world, family| {
        let words = ["-m", "statistic", "--mode", "random", "--probability", "0.5"];
        let rule = Rule::new().conditions(&words).unwrap().comment("then").accept();
        let nat = world.nat(family);
        world.in_netns(|| nat.batch().add_chain("IN").append_rule("IN", &rule).send()).unwrap();
        let saved = world.saved(family);
        assert!(saved[1].starts_with("-A IN -m statistic --mode random --probability 0.5"), "{saved:?}");
        assert!(saved[1].ends_with("-m comment --comment then -j ACCEPT"), "{saved:?}");
    });
}

#[test]
fn what_contradicts_itself_is_refused_and_nothing_is_done() {
    Kind::BOTH.into_iter().for_each(rules::what_contradicts_itself_is_refused_and_nothing_is_done);
}

#[test]
fn no_comment_breaks_out_of_its_quotes() {
    Kind::BOTH.into_iter().for_each(rules::no_comment_breaks_out_of_its_quotes);
}

#[test]
fn whether_a_rule_leads_to_a_chain_is_known_without_a_look_at_all_rules() {
    Kind::BOTH
        .into_iter()
        .for_each(rules::whether_a_rule_leads_to_a_chain_is_known_without_a_look_at_all_rules);
}
