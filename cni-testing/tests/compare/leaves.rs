//! What a plugin leaves behind on the host is seen, also what only other programs can make.

use std::fs;

use cni_testing::conformance::{Kind, Suite};
use cni_testing::{Binary, json};

use crate::program::{Folder, LAN, assert_has_iproute2};

/// Asserts that the suite finds what a plugin leaves that does this on ADD, with another number for each container.
#[track_caller]
fn assert_seen(leaves: &str, line: &str) {
    let folder = Folder::new(LAN).plugin(
        "first",
        &format!(
            r#"number=${{CNI_CONTAINERID#c}}
            case $CNI_COMMAND in
            VERSION) echo '{{"cniVersion": "1.1.0", "supportedVersions": ["1.1.0"]}}';;
            ADD) {leaves} >&2 && echo '{{"cniVersion": "1.1.0"}}';;
            esac"#
        ),
    );
    let config = json!({"cniVersion": "1.1.0", "name": "lan", "type": "first"});
    let suite = Suite::new(Binary::at(folder.path("first")), config).kind(Kind::Interface);
    let report = suite.only(["del/undoes-add"]).run().unwrap();
    let found = report.findings[0].failure().unwrap_or_else(|| panic!("{leaves} is not seen: {report}"));
    assert!(found.contains(line), "{leaves}: {found}");
    assert_eq!(found.lines().filter(|line| line.starts_with('+')).count(), 1, "{leaves}: {found}");
}

#[test]
fn a_rule_of_routing_that_is_left_behind_is_seen() {
    assert_has_iproute2();
    assert_seen("ip rule add from 10.77.0.$number table 99", "+ rule ");
}

#[test]
fn a_queueing_discipline_that_is_left_behind_is_seen() {
    assert_has_iproute2();
    let leaves = "tc qdisc replace dev lo root tbf rate $((number + 1))mbit burst 10kb latency 50ms";
    assert_seen(leaves, "+ qdisc tbf on lo (root, ");
}

#[test]
fn a_chain_of_the_older_iptables_that_is_left_behind_is_seen() {
    assert!(fs::exists("/usr/sbin/iptables-legacy").unwrap(), "install Debian's package iptables");
    assert_seen("iptables-legacy -t nat -N LEFT$number", "+ iptables-legacy-save: nat :LEFT2 ");
}
