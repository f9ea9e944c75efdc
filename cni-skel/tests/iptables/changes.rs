//! Batches and transactions.

use crate::support::iptables::changes;
use crate::support::iptables::world::{Kind, World};

#[track_caller]
fn without_programs(test: impl Fn(&World)) {
    let world = World::new(Kind::Unused);
    test(&world);
    world.assert_unused();
}

#[test]
fn a_chain_is_made_once_kept_reset_flushed_and_deleted() {
    without_programs(changes::a_chain_is_made_once_kept_reset_flushed_and_deleted);
}

#[test]
fn of_equal_rules_as_many_are_deleted_as_are_meant() {
    without_programs(changes::of_equal_rules_as_many_are_deleted_as_are_meant);
}

#[test]
fn a_transaction_starts_anew_when_another_was_faster() {
    without_programs(changes::a_transaction_starts_anew_when_another_was_faster);
}

#[test]
fn a_transaction_that_would_fail_each_time_fails() {
    without_programs(changes::a_transaction_that_would_fail_each_time_fails);
}

#[test]
fn an_empty_batch_does_nothing() {
    without_programs(changes::an_empty_batch_does_nothing);
}
