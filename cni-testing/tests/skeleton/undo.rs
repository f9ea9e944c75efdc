//! A failed ADD is undone by the skeleton, in reverse order, however it fails.

use cni_testing::types::ErrorCode;
use cni_testing::{Call, json};

use crate::plugin::Witness;

#[test]
fn an_add_that_does_well_is_not_undone() {
    let witness = Witness::new();
    Call::add(&witness).run().success();
    assert_eq!(witness.take(), ["add test c1 eth0"]);
}

#[test]
fn an_error_and_a_panic_are_undone_in_reverse_order() {
    for (end, code) in [("error", ErrorCode::new(100)), ("panic", ErrorCode::INTERNAL)] {
        let witness = Witness::new();
        Call::add(&witness).config(json!({"end": end})).run().error_with(code);
        assert_eq!(witness.take(), ["add test c1 eth0", "undo second", "undo first"]);
    }
}

#[test]
fn a_result_that_the_version_cannot_say_is_undone() {
    let witness = Witness::new();
    let outcome = Call::add(&witness).config(json!({"cniVersion": "0.2.0"})).run();
    let error = outcome.error_with(ErrorCode::INCOMPATIBLE_VERSION);
    assert_eq!(error.msg, "version 0.2.0 cannot express a result without an IP address");
    assert_eq!(witness.take(), ["add test c1 eth0", "undo second", "undo first"]);
}

#[test]
fn a_panic_tells_its_message() {
    let witness = Witness::new();
    let error = Call::add(&witness).config(json!({"end": "panic"})).run().error();
    assert_eq!(
        (error.msg.as_str(), error.details.as_deref()),
        ("the plugin panicked", Some("told to panic"))
    );
}
