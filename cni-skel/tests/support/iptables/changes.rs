//! Batches and transactions, whatever iptables is.

use cni_skel::Result;
use cni_skel::iptables::{Batch, Family, Rule};
use cni_skel::nft::{self, Nft};
use cni_skel::types::ErrorCode;

use super::world::World;

const V4: Family = Family::Ipv4;

#[track_caller]
pub(crate) fn send(world: &World, fill: impl for<'a> Fn(Batch<'a>) -> Batch<'a> + Sync) -> Result<()> {
    let nat = world.nat(V4);
    world.in_netns(|| fill(nat.batch()).send())
}

/// A rule that is told by its comment.
pub(crate) fn rule(comment: &str) -> Rule {
    Rule::new().comment(comment).return_()
}

/// The comments of a chain's rules.
#[track_caller]
pub(crate) fn comments(world: &World, chain: &str) -> String {
    let rules = world.rules(V4, chain);
    rules.iter().map(|rule| rule.as_comment().unwrap()).collect::<Vec<_>>().join(" ")
}

pub(crate) fn a_chain_is_made_once_kept_reset_flushed_and_deleted(world: &World) {
    send(world, |batch| batch.create_chain("C").append_rule("C", &rule("a"))).unwrap();
    let error = send(world, |batch| batch.add_chain("D").create_chain("C")).unwrap_err();
    assert_eq!(error.code(), ErrorCode::INTERNAL);
    assert!(error.details().is_some(), "nobody says why: {error}");
    assert_eq!(world.count(V4), (1, 1), "what was refused was done in part");

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
    assert_eq!(world.count(V4), (0, 0));
    for missing in [send(world, |b| b.delete_chain("C")), send(world, |b| b.flush_chain("C"))] {
        assert_eq!(missing.unwrap_err().code(), ErrorCode::INTERNAL);
    }
}

pub(crate) fn of_equal_rules_as_many_are_deleted_as_are_meant(world: &World) {
    send(world, |batch| {
        ["a", "b", "a", "b", "a"].iter().fold(batch.create_chain("C"), |b, c| b.append_rule("C", &rule(c)))
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
}

pub(crate) fn a_transaction_that_would_fail_each_time_fails(world: &World) {
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
}

pub(crate) fn an_empty_batch_does_nothing(world: &World) {
    assert!(world.nat(V4).batch().is_empty());
    send(world, |batch| batch).unwrap();
    assert_eq!(Nft::open_in(&world.netns).unwrap().tables(nft::Family::Ip).unwrap(), []);
}

/// Another program, with a handle of its own, changes the rules between a look and the change that is made by it.
pub(crate) fn a_transaction_starts_anew_when_another_was_faster(world: &World) {
    send(world, |batch| batch.create_chain("C").append_rule("C", &rule("a"))).unwrap();
    let nat = world.nat(V4);
    let mut rounds = 0;
    let change = || {
        nat.transaction(|listing, batch| {
            let rules = listing.rules("C")?;
            rounds += 1;
            if rounds == 1 {
                send(world, |batch| batch.flush_chain("C").append_rule("C", &rule("b")))?;
            }
            let batch = rules.iter().fold(batch, |batch, rule| batch.delete_rule(rule));
            Ok(batch.append_rule("C", &rule("c")))
        })
    };
    world.in_netns(change).unwrap();
    assert_eq!((rounds, comments(world, "C").as_str()), (2, "c"), "{:?}", world.kind());
}
