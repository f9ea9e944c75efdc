//! All that the conformance suite asks, of the program as it is shipped.

use cni_testing::conformance::{Level, Suite};
use cni_testing::{Binary, json, workspace_plugin};

#[test]
fn it_does_all_that_the_specification_asks() {
    let config = json!({"cniVersion": "1.1.0", "name": "lan", "type": "passthrough"});
    let report = Suite::new(Binary::at(env!("CARGO_BIN_EXE_passthrough")), config).run();
    let report = report.unwrap_or_else(|why| panic!("{why}"));
    let failed: usize = Level::ALL.iter().map(|level| report.failures(*level).count()).sum();
    // Most of it needs namespaces, and must not be left out unseen.
    assert!(failed == 0 && report.counts().0 > 100, "{report}");
}

#[test]
fn behind_a_real_plugin_it_does_too() {
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.22.0.0/24"}]]});
    let config = json!({"cniVersion": "1.1.0", "name": "lan", "plugins": [
        {"type": "bridge", "bridge": "lan0", "ipam": ipam},
        {"type": "passthrough"},
    ]});
    let plugins = ["bridge", "host-local"].map(workspace_plugin);
    let path = plugins.iter().filter_map(|plugin| plugin.parent());
    let report = Suite::new(Binary::at(env!("CARGO_BIN_EXE_passthrough")), config).path(path).run();
    let report = report.unwrap_or_else(|why| panic!("{why}"));
    let failed: usize = Level::ALL.iter().map(|level| report.failures(*level).count()).sum();
    assert!(failed == 0 && report.counts().0 > 100, "{report}");
}
