//! The same inputs to this plugin and to the reference one, each with a namespace of its own. `cargo test`
//! alone does not run it; it needs Debian's package containernetworking-plugins.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

#[path = "../../../static/tests/compare/differential/mod.rs"]
mod differential;

use std::path::Path;

use cni_skel::net::Address;
use cni_testing::TestNetns;
use differential::{Input, Side, compare, everybodys_inputs, reference};
use serde_json::{Value, json};

const OURS: &str = env!("CARGO_BIN_EXE_loopback");

fn config(version: &str) -> Value {
    json!({"cniVersion": version, "name": "lo", "type": "loopback"})
}

fn lo_is_up(container: &TestNetns) -> bool {
    container.net().unwrap().link("lo").unwrap().flags.is_up()
}

/// Makes each call to both in new namespaces, in every other one with `lo` up, and compares `lo` afterwards too.
#[track_caller]
fn compare_all(inputs: Vec<Input>) {
    let theirs = reference("loopback");
    // The reference does not spare its own namespace, so that is one to throw away.
    let host = TestNetns::new();
    for (n, input) in inputs.iter().enumerate() {
        let namespaces = [TestNetns::new(), TestNetns::new()];
        for namespace in namespaces.iter().filter(|_| n % 2 == 0) {
            let net = namespace.net().unwrap();
            net.set_up(net.link("lo").unwrap().index).unwrap();
        }
        let side = |n: usize, program| Side { program, netns: Some(&namespaces[n]), folder: None };
        let sides = [side(0, Path::new(OURS)), side(1, theirs.as_path())];
        host.run(|| compare(input, sides)).unwrap();
        if input.is_alike() {
            assert_eq!(lo_is_up(&namespaces[0]), lo_is_up(&namespaces[1]), "{input:?}");
        }
    }
}

#[test]
fn what_everybody_gets_is_answered_as_by_the_reference_but_for_the_listed_differences() {
    compare_all(everybodys_inputs(&config("1.0.0")));
}

#[test]
fn every_version_gets_the_result_in_its_shape_and_the_reference_has_one_for_all() {
    let mut inputs: Vec<_> = ["", "1.0.0"].map(|version| Input::new(version, "ADD", &config(version))).into();
    for version in ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0"] {
        inputs.push(Input::new(version, "ADD", &config(version)).difference(
            "a result has the shape of its version; the reference prints that of 1.0.0 under its name",
        ));
    }
    compare_all(inputs);
}

#[test]
fn a_chain_and_the_other_commands_are_served_alike() {
    let with = |prev_result: Value| {
        let mut config = config("1.0.0");
        config["prevResult"] = prev_result;
        config
    };
    let prev_result =
        json!({"cniVersion": "1.0.0", "interfaces": [{"name": "eth0"}], "ips": [{"address": "10.1.0.2/16"}]});
    let mut unknown = prev_result.clone();
    unknown["example.com/x"] = json!(1);
    let old = json!({"cniVersion": "0.4.0", "ips": [{"version": "4", "address": "10.1.0.2/16"}]});
    compare_all(vec![
        Input::new("previous result", "ADD", &with(prev_result.clone())),
        Input::new("empty previous result", "ADD", &with(json!({}))),
        Input::new("bad previous result", "ADD", &with(json!([]))),
        Input::new("previous result with unknown keys", "ADD", &with(unknown))
            .difference("what a plugin does not know it passes on; the reference drops it"),
        Input::new("previous result in another version", "ADD", &with(old))
            .difference("a previous result is converted from its own version; the reference refuses it"),
        Input::new("DEL", "DEL", &with(prev_result.clone())),
        Input::new("DEL again, with lo the other way round", "DEL", &with(prev_result.clone())),
        Input::new("DEL in a namespace that is gone", "DEL", &config("1.0.0"))
            .env("CNI_NETNS", "/nonexistent/netns"),
        Input::new("DEL without namespace", "DEL", &config("1.0.0")).without("CNI_NETNS"),
        Input::new("CHECK", "CHECK", &with(prev_result.clone())),
        Input::new("CHECK again, with lo the other way round", "CHECK", &with(prev_result)),
        Input::new("ADD in a namespace that is gone", "ADD", &config("1.0.0"))
            .env("CNI_NETNS", "/nonexistent/netns"),
        Input::new("ADD in a file", "ADD", &config("1.0.0")).env("CNI_NETNS", "/etc/passwd"),
        Input::new("CHECK in a namespace that is gone", "CHECK", &config("1.0.0"))
            .env("CNI_NETNS", "/nonexistent/netns"),
        Input::new("CHECK in a file", "CHECK", &config("1.0.0")).env("CNI_NETNS", "/etc/passwd"),
        Input::new("arguments of others", "ADD", &config("1.0.0"))
            .env("CNI_ARGS", "K8S_POD_NAME=x;IP=10.1.0.5/16"),
        Input::new("arguments that are none", "ADD", &config("1.0.0")).env("CNI_ARGS", ";;x"),
    ]);
}

#[test]
fn an_address_that_is_no_loopback_address_is_refused_alike() {
    let theirs = reference("loopback");
    let host = TestNetns::new();
    for address in ["10.1.0.5/16", "2001:db8::5/64"] {
        let namespaces = [TestNetns::new(), TestNetns::new()];
        for namespace in &namespaces {
            let net = namespace.net().unwrap();
            let lo = net.link("lo").unwrap().index;
            net.add_address(&Address::new(lo, address.parse().unwrap())).unwrap();
        }
        let side = |n: usize, program| Side { program, netns: Some(&namespaces[n]), folder: None };
        let input = Input::new(address, "ADD", &config("1.0.0"));
        host.run(|| compare(&input, [side(0, Path::new(OURS)), side(1, theirs.as_path())])).unwrap();
    }
}

#[test]
fn a_life_is_answered_alike_in_every_version() {
    let theirs = reference("loopback");
    let host = TestNetns::new();
    for version in ["", "0.3.1", "0.4.0", "1.0.0"] {
        let namespaces = [TestNetns::new(), TestNetns::new()];
        for command in ["CHECK", "ADD", "ADD", "CHECK", "CHECK", "DEL", "DEL", "CHECK", "ADD", "CHECK", "DEL"]
        {
            let side = |n: usize, program| Side { program, netns: Some(&namespaces[n]), folder: None };
            let mut input =
                Input::new(format!("{command} in version {version:?}"), command, &config(version));
            if command == "ADD" && version.starts_with("0.") {
                input = input.difference("the shape of the result");
            }
            host.run(|| compare(&input, [side(0, Path::new(OURS)), side(1, theirs.as_path())])).unwrap();
            assert_eq!(lo_is_up(&namespaces[0]), lo_is_up(&namespaces[1]), "{input:?}");
        }
    }
}
