//! Whatever fails, no address is lost and none is given twice.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

use cni_testing::types::Command;
use cni_testing::{Call, faults, json};
use host_local::HostLocal;
use tempfile::TempDir;

fn call(state: &TempDir, command: Command) -> Call<'_, &'static HostLocal> {
    bare_call(state, command).state(state.path())
}

/// One without a folder that is looked at afterwards.
fn bare_call(state: &TempDir, command: Command) -> Call<'_, &'static HostLocal> {
    Call::new(command, &HostLocal).config(json!({
        "type": "bridge",
        "ipam": {
            "type": "host-local", "dataDir": state.path(),
            "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]],
        },
    }))
}

/// A state directory that a first container has come to and gone from.
fn used() -> TempDir {
    let state = tempfile::tempdir().unwrap();
    for command in [Command::Add, Command::Del] {
        call(&state, command).container_id("first").run().success();
    }
    state
}

#[test]
fn a_state_directory_that_is_in_use_is_as_it_was() {
    let report = faults::assert_clean_failure(used, call);
    eprintln!("{report}");
    assert!(report.injected > 30, "{report}");
}

/// A state directory with so many addresses in use that there is an index beside it.
fn indexed() -> TempDir {
    let state = tempfile::tempdir().unwrap();
    let folder = state.path().join("test");
    std::fs::create_dir(&folder).unwrap();
    for n in 2..70 {
        std::fs::write(folder.join(format!("10.1.0.{n}")), format!("x{n}\r\neth0")).unwrap();
    }
    for command in [Command::Add, Command::Del] {
        call(&state, command).container_id("first").run().success();
    }
    assert!(state.path().join(".test.index").exists());
    state
}

#[test]
fn an_index_makes_no_difference() {
    let report = faults::assert_clean_failure(indexed, |state, command| {
        // A GC with nothing valid would take away what was there before.
        let command = if command == Command::Gc { Command::Status } else { command };
        // The index is beside the folder of the network, and may vanish: it is no state.
        bare_call(state, command).state(state.path().join("test"))
    });
    eprintln!("{report}");
    assert!(report.injected > 100, "{report}");
}

#[test]
fn a_new_state_directory_has_its_lock_and_nothing_else() {
    let may_differ = |line: &str| matches!(line, "folder test" | "file test/lock: \"\"");
    let new = || tempfile::tempdir().unwrap();
    let report = faults::assert_clean_failure_but(may_differ, new, call);
    eprintln!("{report}");
    assert!(report.injected > 30, "{report}");
}
