//! Batches and transactions, with both kinds of iptables.

use cni_skel::Result;
use std::process::Command;

use cni_skel::iptables::{Batch, Family, Rule};
use cni_skel::types::ErrorCode;

use crate::world::{Kind, World};

const V4: Family = Family::Ipv4;

#[track_caller]
fn send(world: &World, fill: impl for<'a> Fn(Batch<'a>) -> Batch<'a> + Sync) -> Result<()> {
    let nat = world.nat(V4);
    world.in_netns(|| fill(nat.batch()).send())
}

fn both(test: impl Fn(&World)) {
    for kind in Kind::BOTH {
        test(&World::new(kind));
    }
}

/// A rule that is told by its comment.
fn rule(comment: &str) -> Rule {
    Rule::new().comment(comment).return_()
}

/// The comments of a chain's rules.
#[track_caller]
fn comments(world: &World, chain: &str) -> String {
    let rules = world.rules(V4, chain);
    rules.iter().map(|rule| rule.as_comment().unwrap()).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_chain_is_made_once_kept_reset_flushed_and_deleted() {
    both(|world| {
        send(world, |batch| batch.create_chain("C").append_rule("C", &rule("a"))).unwrap();
        let error = send(world, |batch| batch.add_chain("D").create_chain("C")).unwrap_err();
        assert_eq!(error.code(), ErrorCode::INTERNAL);
        assert!(error.details().is_some(), "nobody says why: {error}");
        assert_eq!(world.saved(V4).len(), 2, "what was refused was done in part");

        send(world, |batch| batch.add_chain("C").add_chain("D").append_rule("C", &rule("b"))).unwrap();
        assert_eq!(comments(world, "C"), "a b");
        send(world, |batch| batch.reset_chain("C").reset_chain("E").append_rule("C", &rule("c"))).unwrap();
        assert_eq!(comments(world, "C"), "c");
        send(world, |batch| batch.insert_rule("C", &rule("d")).append_rule("C", &rule("e"))).unwrap();
        assert_eq!(comments(world, "C"), "d c e");
        send(world, |batch| batch.flush_chain("C").append_rule("C", &rule("f"))).unwrap();
        assert_eq!(comments(world, "C"), "f");

        send(world, |batch| batch.append_rule("D", &Rule::new().jump("C"))).unwrap();
        assert!(send(world, |batch| batch.delete_chain("E").delete_chain("C")).is_err(), "D leads there");
        send(world, |batch| batch.delete_chain("D").delete_chain("C").delete_chain("E")).unwrap();
        assert!(world.saved(V4).is_empty());
        for missing in [send(world, |b| b.delete_chain("C")), send(world, |b| b.flush_chain("C"))] {
            assert_eq!(missing.unwrap_err().code(), ErrorCode::INTERNAL);
        }
    });
}

#[test]
fn what_is_not_there_has_nothing_in_it() {
    both(|world| {
        world.look(V4, |listing| {
            assert!(!listing.has_chain("C").unwrap());
            assert!(listing.rules("C").unwrap().is_empty());
            assert!(listing.rules("POSTROUTING").unwrap().is_empty());
        });
        world.does(V4, "-N C");
        world.does(V4, "-N CC");
        world.does(V4, "-A CC -j ACCEPT");
        world.look(V4, |listing| {
            assert!(listing.has_chain("C").unwrap() && !listing.has_chain("X").unwrap());
            // Not those of a chain whose name begins in the same way.
            assert!(listing.rules("C").unwrap().is_empty());
            let mut chains = listing.chains().unwrap();
            chains.retain(|chain| chain.starts_with('C'));
            assert_eq!(chains, ["C", "CC"]);
        });
    });
}

#[test]
fn of_equal_rules_as_many_are_deleted_as_are_meant() {
    both(|world| {
        send(world, |batch| {
            ["a", "b", "a", "b", "a"]
                .iter()
                .fold(batch.create_chain("C"), |b, c| b.append_rule("C", &rule(c)))
        })
        .unwrap();
        let nat = world.nat(V4);
        let delete = || {
            nat.transaction(|listing, batch| {
                let rules = listing.rules("C")?;
                let meant = rules.iter().filter(|found| **found == rule("a"));
                Ok(meant.fold(batch, |batch, rule| batch.delete_rule(rule)))
            })
        };
        world.in_netns(delete).unwrap();
        assert_eq!(comments(world, "C"), "b b");
        assert!(send(world, |batch| batch.delete_rule(&rule("b"))).is_err(), "it was not listed");
    });
}

#[test]
fn a_transaction_starts_anew_when_another_program_was_faster() {
    both(|world| {
        world.does(V4, "-N C");
        world.does(V4, "-A C -m comment --comment a -j RETURN");
        let nat = world.nat(V4);
        let mut rounds = 0;
        let change = || {
            nat.transaction(|listing, batch| {
                let rules = listing.rules("C")?;
                rounds += 1;
                if rounds == 1 {
                    world.does(V4, "-D C 1");
                    world.does(V4, "-A C -m comment --comment b -j RETURN");
                }
                let batch = rules.iter().fold(batch, |batch, rule| batch.delete_rule(rule));
                Ok(batch.append_rule("C", &rule("c")))
            })
        };
        world.in_netns(change).unwrap();
        assert_eq!((rounds, comments(world, "C").as_str()), (2, "c"), "{:?}", world.kind());
    });
}

#[test]
fn a_transaction_that_would_fail_each_time_fails() {
    both(|world| {
        let nat = world.nat(V4);
        let mut rounds = 0;
        let change = || {
            nat.transaction(|listing, batch| {
                rounds += 1;
                assert!(listing.rules("POSTROUTING")?.is_empty());
                Ok(batch.append_rule("POSTROUTING", &Rule::new().jump("MISSING")))
            })
        };
        let error = world.in_netns(change).unwrap_err();
        assert_eq!((rounds, error.code()), (1, ErrorCode::INTERNAL), "{error}");
        assert!(error.details().is_some());
    });
}

#[test]
fn what_iptables_has_by_itself_is_made_as_it_would_make_it() {
    let [ours, theirs] = [World::new(Kind::Nft), World::new(Kind::Nft)];
    for family in Family::ALL {
        let nat = ours.nat(family);
        for chain in ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"] {
            let accept = Rule::new().accept();
            ours.in_netns(|| nat.batch().append_rule(chain, &accept).send()).unwrap();
            theirs.does(family, &format!("-A {chain} -j ACCEPT"));
        }
    }
    assert_eq!(ours.ruleset(), theirs.ruleset());
}

#[test]
fn the_policy_of_a_chain_that_is_there_stays() {
    let world = World::new(Kind::Nft);
    let chain =
        "add table ip nat; add chain ip nat OUTPUT { type nat hook output priority -100; policy drop; }";
    let made = || Command::new("nft").arg(chain).status().unwrap();
    assert!(world.in_netns(made).success());
    send(&world, |batch| batch.append_rule("OUTPUT", &rule("a"))).unwrap();
    assert!(world.ruleset().contains("hook output priority -100; policy drop;"), "{}", world.ruleset());
}

#[test]
fn an_empty_batch_does_nothing() {
    both(|world| {
        assert!(world.nat(V4).batch().is_empty());
        send(world, |batch| batch).unwrap();
        assert_eq!(world.ruleset(), "");
    });
}
