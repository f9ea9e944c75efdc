//! The inputs that every plugin gets, to this plugin and to the reference one. What they leave on disk is compared in
//! `reference.rs`.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

#[path = "../../static/tests/differential/mod.rs"]
mod differential;

use std::path::Path;

use differential::{FOLDER, Input, Side, compare, everybodys_inputs, reference};
use serde_json::{Value, json};

const OURS: &str = env!("CARGO_BIN_EXE_host-local");

fn config(version: &str) -> Value {
    json!({
        "cniVersion": version, "name": "lan", "type": "bridge",
        "ipam": {
            "type": "host-local", "dataDir": FOLDER, "routes": [{"dst": "0.0.0.0/0"}],
            "ranges": [[{"subnet": "10.1.0.0/16"}], [{"subnet": "2001:db8::/64"}]],
        },
    })
}

/// Makes each call to both, each with a new folder.
#[track_caller]
fn compare_all(inputs: Vec<Input>) {
    let theirs = reference("host-local");
    for input in inputs {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let side = |n: usize, program| Side { program, netns: None, folder: Some(folders[n].path()) };
        compare(&input, [side(0, Path::new(OURS)), side(1, theirs.as_path())]);
    }
}

#[test]
fn what_everybody_gets_is_answered_as_by_the_reference_but_for_the_listed_differences() {
    compare_all(everybodys_inputs(&config("1.0.0")));
}

#[test]
fn every_version_gets_the_same_result() {
    let versions = ["", "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"];
    compare_all(versions.map(|version| Input::new(version, "ADD", &config(version))).into());
}
