//! All that is asked of the plugin, with the workspace's own IPAM plugin behind it.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

use cni_testing::conformance::{Level, Suite};
use cni_testing::{Binary, json, workspace_plugin};

#[test]
fn it_does_all_that_it_must() {
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.23.0.0/26"}]]});
    let config = json!({"cniVersion": "1.1.0", "name": "lan", "type": "pair", "mtu": 1400, "ipam": ipam});
    let folder = workspace_plugin("host-local").parent().unwrap().to_owned();
    let report = Suite::new(Binary::at(env!("CARGO_BIN_EXE_pair")), config).path([folder]).run().unwrap();
    assert_eq!(report.kind.map(|kind| kind.as_str()), Some("interface"), "{report}");
    assert_eq!(report.failures(Level::Must).count(), 0, "{report}");
}
