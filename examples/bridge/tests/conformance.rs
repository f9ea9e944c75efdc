//! All that the conformance suite asks, of the program as it is shipped.

use bridge::Bridge;
use cni_testing::conformance::{self, Level, Suite};
use cni_testing::{Binary, json, workspace_plugin};

#[test]
fn it_does_all_that_the_specification_asks() {
    let ipam =
        json!({"type": "host-local", "ranges": [[{"subnet": "10.22.0.0/24"}], [{"subnet": "fd00:22::/64"}]]});
    let config = json!({
        "cniVersion": "1.1.0", "name": "lan", "type": "bridge", "bridge": "lan0", "isDefaultGateway": true, "ipam": ipam
    });
    let plugins = workspace_plugin("host-local");
    let report = Suite::new(Binary::at(env!("CARGO_BIN_EXE_bridge")), config).path(plugins.parent()).run();
    let report = report.unwrap_or_else(|why| panic!("{why}"));
    let failed: usize = Level::ALL.iter().map(|level| report.failures(*level).count()).sum();
    // Most of it needs namespaces, and must not be left out unseen.
    assert!(failed == 0 && report.counts().0 > 100, "{report}");
}

#[test]
fn in_process_it_does_too() {
    let config = json!({
        "cniVersion": "1.1.0", "name": "lan", "type": "bridge", "bridge": "lan0", "ipam": {"type": "any"}
    });
    conformance::assert_conforms(&Bridge, &config);
}
