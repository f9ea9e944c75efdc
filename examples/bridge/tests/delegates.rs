//! The built program with an IPAM plugin that is a script.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cni_testing::{Binary, Call, TestNetns, json};

fn install(program: &Path, text: &str) {
    fs::write(program, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn what_a_delegate_says_on_stderr_is_seen_on_the_plugins() {
    let folder = tempfile::tempdir().unwrap();
    install(&folder.path().join("talkative"), "cat > /dev/null\necho \"the delegate says $CNI_COMMAND\" >&2");
    let host = TestNetns::new();
    let call = Call::status(Binary::at(env!("CARGO_BIN_EXE_bridge"))).host(&host).plugin_path(folder.path());
    let outcome =
        call.config(json!({"type": "bridge", "ipam": {"type": "talkative"}})).run().silent_success();
    assert!(outcome.stderr().contains("the delegate says STATUS\n"), "{outcome}");
}

#[test]
fn a_runtime_that_ignores_the_ends_of_its_children_does_not_hide_those_of_delegates() {
    let folder = tempfile::tempdir().unwrap();
    install(&folder.path().join("silent"), "cat > /dev/null");
    let ignoring = folder.path().join("ignoring");
    install(&ignoring, &format!("exec env --ignore-signal=CHLD {}", env!("CARGO_BIN_EXE_bridge")));
    let host = TestNetns::new();
    let call = Call::status(Binary::at(ignoring)).host(&host).plugin_path(folder.path());
    let config = json!({"cniVersion": "1.1.0", "name": "lan", "type": "bridge", "ipam": {"type": "silent"}});
    call.config(config).run().silent_success();
}
