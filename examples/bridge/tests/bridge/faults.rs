//! Whatever fails, nothing is left behind: on a network in memory and in real namespaces.

use bridge::Bridge;
use cni_testing::types::Command;
use cni_testing::{Call, FakeNetwork, TestNetns, faults, json};
use host_local::HostLocal;
use serde_json::Value;
use tempfile::TempDir;

/// A host, a container and a state directory.
struct World<N> {
    network: N,
    state: TempDir,
}

impl<N> World<N> {
    fn new(network: N) -> Self {
        Self { network, state: tempfile::tempdir().unwrap() }
    }

    fn config(&self, keys: &Value) -> Value {
        let mut config = json!({
            "type": "bridge", "bridge": "br0", "isDefaultGateway": true,
            "ipam": {
                "type": "host-local", "dataDir": self.state.path(),
                "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]],
            },
        });
        for (key, value) in keys.as_object().unwrap() {
            config[key] = value.clone();
        }
        config
    }
}

fn in_memory<'a>(world: &'a World<FakeNetwork>, command: Command, keys: &Value) -> Call<'a, &'static Bridge> {
    Call::new(command, &Bridge)
        .network(&world.network)
        .state(world.state.path())
        .config(world.config(keys))
        .delegate_plugin("host-local", HostLocal)
}

fn real<'a>(
    world: &'a World<(TestNetns, TestNetns)>,
    command: Command,
    keys: &Value,
) -> Call<'a, &'static Bridge> {
    let (host, container) = &world.network;
    Call::new(command, &Bridge)
        .host(host)
        .netns(container)
        .state(world.state.path())
        .config(world.config(keys))
        .delegate_plugin("host-local", HostLocal)
}

/// The lock of the address pool, which nobody may remove while others may wait for it, and the address that was handed
/// out last.
fn is_the_pools(line: &str) -> bool {
    matches!(line, "folder test" | "file test/lock: \"\"") || line.starts_with("file test/last_reserved_ip.")
}

fn new_world() -> World<FakeNetwork> {
    World::new(FakeNetwork::new())
}

/// A world in which a first container has come and gone.
fn used_world() -> World<FakeNetwork> {
    let world = new_world();
    for command in [Command::Add, Command::Del] {
        let _ = in_memory(&world, command, &json!({})).container_id("first").run().success();
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
    let world = || World::new((TestNetns::new(), TestNetns::new()));
    let report = faults::assert_clean_failure_but(is_the_pools, world, |world, command| {
        real(world, command, &json!({}))
    });
    eprintln!("{report}");
    assert!(report.injected > 50, "{report}");
}
