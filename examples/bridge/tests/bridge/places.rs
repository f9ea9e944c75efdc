//! Where a plugin runs: on a network in memory, and in real namespaces.
#![allow(dead_code, reason = "each test target uses its part")]

use bridge::Bridge;
use cni_testing::types::Command;
use cni_testing::{Call, FakeNetwork, TestNetns, json};
use host_local::HostLocal;
use serde_json::Value;
use tempfile::TempDir;

/// A host, a container and a state directory.
pub(crate) struct Place<N> {
    pub(crate) network: N,
    pub(crate) state: TempDir,
}

impl<N> Place<N> {
    pub(crate) fn new(network: N) -> Self {
        Self { network, state: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn config(&self, keys: &Value) -> Value {
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

pub(crate) fn in_memory<'a>(
    world: &'a Place<FakeNetwork>,
    command: Command,
    keys: &Value,
) -> Call<'a, &'static Bridge> {
    Call::new(command, &Bridge)
        .network(&world.network)
        .state(world.state.path())
        .config(world.config(keys))
        .delegate_plugin("host-local", HostLocal)
}

pub(crate) fn real<'a>(
    world: &'a Place<(TestNetns, TestNetns)>,
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
pub(crate) fn is_the_pools(line: &str) -> bool {
    matches!(line, "folder test" | "file test/lock: \"\"") || line.starts_with("file test/last_reserved_ip.")
}
