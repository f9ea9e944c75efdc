//! Whatever fails, nothing is left behind: on a network in memory and in real namespaces.

use cni_testing::types::Command;
use cni_testing::{FakeNetwork, TestNetns, faults, json};
use serde_json::Value;

use crate::places::{Place, in_memory, is_the_pools, real};

fn new_world() -> Place<FakeNetwork> {
    Place::new(FakeNetwork::new())
}

/// A world in which a first container has come and gone.
fn used_world() -> Place<FakeNetwork> {
    let world = new_world();
    for command in [Command::Add, Command::Del] {
        in_memory(&world, command, &json!({})).container_id("first").run().success();
    }
    world.network.remove_container("first");
    world
}

fn options() -> [Value; 3] {
    [
        json!({}),
        json!({"hairpinMode": true, "portIsolation": true, "mtu": 1400, "forceAddress": true}),
        json!({"isDefaultGateway": false, "promiscMode": true, "ipam": {}}),
    ]
}

#[test]
fn on_a_new_network_in_memory() {
    for keys in options() {
        let report = faults::assert_clean_failure_but(is_the_pools, new_world, |world, command| {
            in_memory(world, command, &keys)
        });
        eprintln!("{report}");
        assert!(report.injected > 50, "{report}");
    }
}

#[test]
fn on_a_network_in_memory_that_is_in_use() {
    for keys in options() {
        let report = faults::assert_clean_failure_but(is_the_pools, used_world, |world, command| {
            in_memory(world, command, &keys)
        });
        eprintln!("{report}");
        assert!(report.injected > 50, "{report}");
    }
}

#[test]
fn in_real_namespaces() {
    let world = || Place::new((TestNetns::new(), TestNetns::new()));
    // With iptables it is beside the other tests of iptables, and macspoofchk's is beside those of that.
    for keys in [json!({}), json!({"ipMasq": true, "ipMasqBackend": "nftables"})] {
        let report = faults::assert_clean_failure_but(is_the_pools, world, |world, command| {
            real(world, command, &keys)
        });
        eprintln!("{report}");
        assert!(report.injected > 50, "{report}");
    }
}
