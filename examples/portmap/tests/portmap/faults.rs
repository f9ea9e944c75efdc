//! Whatever fails, nothing is left behind: the rules are part of the snapshots that are compared.

use cni_testing::{faults, json};
use serde_json::Value;

use crate::world::{World, config, tcp};

/// Lets every operation of a backend fail.
fn with(keys: Value) {
    let mappings = json!([tcp(8080, 80), {"hostPort": 5000, "containerPort": 53, "protocol": "udp"}]);
    let config = config(keys, mappings);
    let report =
        faults::assert_clean_failure(World::connected, |world, command| world.call(command, "c1", &config));
    eprintln!("{report}");
    assert!(report.injected > 200, "{report}");
}

#[test]
fn with_the_reference_plugins_rules() {
    with(json!({}));
}

#[test]
fn with_maps() {
    with(json!({"layout": "maps"}));
}

#[test]
fn with_iptables() {
    with(json!({"backend": "iptables"}));
}
