//! All that the conformance suite asks, of the program as it is shipped.

use cni_testing::conformance::{Level, Suite};
use cni_testing::{Binary, json};

#[test]
fn it_does_all_that_the_specification_asks() {
    // Small enough to be used up.
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.22.0.0/26"}]]});
    let config = json!({"cniVersion": "1.1.0", "name": "lan", "type": "bridge", "ipam": ipam});
    let report = Suite::new(Binary::at(env!("CARGO_BIN_EXE_host-local")), config).run();
    let report = report.unwrap_or_else(|why| panic!("{why}"));
    let failed: usize = Level::ALL.iter().map(|level| report.failures(*level).count()).sum();
    // Most of it needs namespaces, and must not be left out unseen.
    assert!(failed == 0 && report.counts().0 > 100, "{report}");
}
