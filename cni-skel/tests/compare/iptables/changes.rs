//! Batches and transactions, with both kinds of iptables.

use cni_skel::iptables::{Family, Rule};

use crate::nft::{nft_does, nft_says};
use crate::support::iptables::changes::{self, comments, rule, send};
use crate::support::iptables::world::{Kind, World};

const V4: Family = Family::Ipv4;

/// What `nft list ruleset` prints, without counts.
#[track_caller]
fn ruleset(world: &World) -> String {
    nft_says(&world.netns, &["--stateless", "list", "ruleset"])
}

fn both(test: impl Fn(&World)) {
    for kind in Kind::BOTH {
        test(&World::new(kind));
    }
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
    assert_eq!(ruleset(&ours), ruleset(&theirs));
}

#[test]
fn the_policy_of_a_chain_that_is_there_stays() {
    let world = World::new(Kind::Nft);
    let chain =
        "add table ip nat; add chain ip nat OUTPUT { type nat hook output priority -100; policy drop; }";
    nft_does(&world.netns, chain);
    send(&world, |batch| batch.append_rule("OUTPUT", &rule("a"))).unwrap();
    assert!(ruleset(&world).contains("hook output priority -100; policy drop;"), "{}", ruleset(&world));
}

#[test]
fn a_chain_is_made_once_kept_reset_flushed_and_deleted() {
    both(changes::a_chain_is_made_once_kept_reset_flushed_and_deleted);
}

#[test]
fn of_equal_rules_as_many_are_deleted_as_are_meant() {
    both(changes::of_equal_rules_as_many_are_deleted_as_are_meant);
}

#[test]
fn a_transaction_that_would_fail_each_time_fails() {
    both(changes::a_transaction_that_would_fail_each_time_fails);
}

#[test]
fn an_empty_batch_does_nothing() {
    both(changes::an_empty_batch_does_nothing);
}
