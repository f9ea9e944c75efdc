//! Whatever fails, nothing is left behind, with the older iptables too.

use cni_testing::types::Command;
use cni_testing::{IptablesKind, faults, json};
use portmap::Portmap;

use crate::takeover::Node;
use crate::world::{config, tcp};

#[test]
fn with_the_older_iptables() {
    let mappings = json!([tcp(8080, 80), {"hostPort": 5000, "containerPort": 53, "protocol": "udp"}]);
    let config = config(json!({"backend": "iptables"}), mappings);
    // What all containers share stays when the first of them fails.
    let is_shared = |line: &str| {
        line.contains("-legacy-save: nat ") && line.contains("CNI-HOSTPORT-") && !line.contains("CNI-DN-")
    };
    let node = || Node::new(IptablesKind::Legacy);
    let report = faults::assert_clean_failure_but(is_shared, node, |node, command| {
        // GC has the steps of DEL, and each run of a program takes its time.
        let command = if command == Command::Gc { Command::Status } else { command };
        node.call(command, &Portmap, "c1", &config)
    });
    eprintln!("{report}");
    assert!(report.injected > 100, "{report}");
}
