//! The built program with an IPAM plugin that is a script.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use cni_testing::{Binary, Call, TestNetns, json};

#[test]
fn what_a_delegate_says_on_stderr_is_seen_on_the_plugins() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("talkative");
    fs::write(&script, "#!/bin/sh\ncat > /dev/null\necho \"the delegate says $CNI_COMMAND\" >&2\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let host = TestNetns::new();
    let call = Call::status(Binary::at(env!("CARGO_BIN_EXE_bridge"))).host(&host).plugin_path(folder.path());
    let outcome =
        call.config(json!({"type": "bridge", "ipam": {"type": "talkative"}})).run().silent_success();
    assert!(outcome.stderr().contains("the delegate says STATUS\n"), "{outcome}");
}
