//! All that the conformance suite asks, of the program as it is shipped.

use cni_testing::conformance::{self, Level, Suite};
use cni_testing::{Binary, json, workspace_plugin};
use portmap::Portmap;

/// With a port to map, so that there is something to ask about.
fn config(backend: &serde_json::Value) -> serde_json::Value {
    let mut config = json!({
        "cniVersion": "1.1.0", "name": "lan", "type": "portmap",
        "runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]},
    });
    for (key, value) in backend.as_object().into_iter().flatten() {
        config[key] = value.clone();
    }
    config
}

/// Runs the suite behind a real plugin that gives the container its addresses.
#[track_caller]
fn behind_bridge(backend: &serde_json::Value) {
    let ipam =
        json!({"type": "host-local", "ranges": [[{"subnet": "10.22.0.0/24"}], [{"subnet": "fd00:22::/64"}]]});
    let mut last = config(backend);
    last.as_object_mut()
        .into_iter()
        .for_each(|config| config.retain(|key, _| key != "name" && key != "cniVersion"));
    let list = json!({"cniVersion": "1.1.0", "name": "lan", "plugins": [
        {"type": "bridge", "bridge": "lan0", "isDefaultGateway": true, "ipam": ipam}, last,
    ]});
    let plugins = ["bridge", "host-local"].map(workspace_plugin);
    let path = plugins.iter().filter_map(|plugin| plugin.parent());
    let report = Suite::new(Binary::at(env!("CARGO_BIN_EXE_portmap")), list).path(path).run();
    let report = report.unwrap_or_else(|why| panic!("{why}"));
    let failed: usize = Level::ALL.iter().map(|level| report.failures(*level).count()).sum();
    // Most of it needs namespaces, and must not be left out unseen.
    assert!(failed == 0 && report.counts().0 > 100, "{report}");
}

#[test]
fn it_does_all_that_the_specification_asks() {
    for backend in [json!({"backend": "nftables"}), json!({"layout": "maps"}), json!({"backend": "iptables"})]
    {
        behind_bridge(&backend);
    }
}

#[test]
fn in_process_it_does_too() {
    conformance::assert_conforms(&Portmap, &config(&json!({"backend": "nftables"})));
}
