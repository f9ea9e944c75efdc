//! The inputs that every plugin gets, to this plugin and to the reference one. What they leave on disk is compared in
//! `reference.rs`.

#[path = "../../../static/tests/compare/differential/mod.rs"]
mod differential;

use std::collections::BTreeMap;
use std::fs;
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

const NOT_ON_DEL: &str =
    "DEL must not fail for ever over what only ADD needs; the reference reads the whole configuration first";

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

/// A life of one network: calls to both, each in a folder that stays, which holds the same addresses after each of them.
struct Life {
    folders: [tempfile::TempDir; 2],
}

impl Life {
    fn new() -> Self {
        Self { folders: [(); 2].map(|()| tempfile::tempdir().unwrap()) }
    }

    #[track_caller]
    fn call(&self, input: Input) {
        let theirs = reference("host-local");
        let side = |n: usize, program| Side { program, netns: None, folder: Some(self.folders[n].path()) };
        compare(&input, [side(0, Path::new(OURS)), side(1, theirs.as_path())]);
        let [ours, theirs] = self.folders.each_ref().map(|folder| addresses(folder.path()));
        assert_eq!(ours, theirs, "after {input:?}");
    }

    /// Does the same in both folders, behind the plugins' backs.
    fn tamper(&self, change: impl Fn(&Path) -> std::io::Result<()>) {
        self.folders.iter().for_each(|folder| change(&folder.path().join("lan")).unwrap());
    }
}

/// The addresses that are taken, and who holds them.
fn addresses(folder: &Path) -> BTreeMap<String, String> {
    let Ok(files) = fs::read_dir(folder.join("lan")) else { return BTreeMap::new() };
    let files = files.map(|file| file.unwrap().path()).filter(|path| path.is_file());
    let named = files.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path));
    named
        .filter(|(name, _)| name.parse::<std::net::IpAddr>().is_ok())
        .map(|(name, path)| (name, fs::read_to_string(path).unwrap()))
        .collect()
}

fn with(version: &str, key: &str, value: Value) -> Value {
    let mut config = config(version);
    config[key] = value;
    config
}

fn ranges(version: &str, ranges: Value) -> Value {
    let ipam = json!({"type": "host-local", "dataDir": FOLDER, "ranges": ranges});
    with(version, "ipam", ipam)
}

#[test]
fn a_life_is_answered_alike_in_every_version() {
    for version in ["", "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"] {
        let life = Life::new();
        let call = |command: &str, id: &str| {
            let prev_result = json!({"ips": []});
            let config =
                if command == "CHECK" { with(version, "prevResult", prev_result) } else { config(version) };
            life.call(
                Input::new(format!("{command} of {id} in version {version:?}"), command, &config)
                    .env("CNI_CONTAINERID", id),
            );
        };
        for (command, id) in [
            ("DEL", "a"),
            ("CHECK", "a"),
            ("ADD", "a"),
            ("CHECK", "a"),
            ("ADD", "a"),
            ("CHECK", "a"),
            ("ADD", "b"),
            ("CHECK", "nobody"),
            ("DEL", "a"),
            ("DEL", "a"),
            ("CHECK", "a"),
            ("CHECK", "b"),
            ("ADD", "a"),
            ("DEL", "b"),
            ("DEL", "nobody"),
            ("DEL", "a"),
        ] {
            call(command, id);
        }
    }
}

#[test]
fn check_after_tampering_is_answered_alike_but_for_the_listed_differences() {
    const LOOKS_AT_ANY: &str =
        "CHECK looks for each address; the reference is content with any file of the attachment";
    let v4 = "10.1.0.2";
    let v6 = "2001:db8::2";
    let given = json!({"ips": [{"address": format!("{v4}/16")}, {"address": format!("{v6}/64")}]});
    let check = |what: &str| Input::new(what, "CHECK", &with("1.0.0", "prevResult", given.clone()));
    let life = Life::new();
    life.call(Input::new("ADD", "ADD", &config("1.0.0")));
    life.call(check("as it is"));
    life.call(check("another interface").env("CNI_IFNAME", "eth1"));
    life.tamper(|network| fs::remove_file(network.join(v6)));
    life.call(check("one address is gone").difference(LOOKS_AT_ANY));
    life.tamper(|network| fs::write(network.join(v4), "other\r\neth0"));
    life.call(check("the other one is somebody else's"));
    life.tamper(|network| fs::write(network.join(v4), ""));
    life.call(check("the other one is nobody's"));
    life.tamper(|network| fs::write(network.join(v4), "c1"));
    // As a version of the reference that knew no interfaces wrote it.
    life.call(check("the other one is the container's").difference(LOOKS_AT_ANY));
    life.call(Input::new("DEL", "DEL", &config("1.0.0")));
    life.tamper(|network| fs::remove_dir_all(network));
    life.call(check("nothing is there"));
    life.call(Input::new("DEL of nothing", "DEL", &config("1.0.0")));
}

#[test]
fn ranges_and_routes_are_answered_alike() {
    let routes = |routes: Value| {
        let mut config = config("1.0.0");
        config["ipam"]["routes"] = routes;
        config
    };
    let mut inputs = Vec::new();
    for set in [
        json!([[{"subnet": "2001:db8::/64", "rangeStart": "2001:db8:1::1"}]]),
        json!([[{"subnet": "2001:db8::1/64"}]]),
        json!([[{"subnet": "2001:db8::/129"}]]),
        json!([[{"subnet": "10.1.0.0/32"}]]),
        json!([[{"subnet": "010.1.0.0/16"}]]),
        json!([[{"subnet": 7}]]),
        json!([{"subnet": "10.1.0.0/16"}]),
        json!([[{"subnet": "10.1.0.0/16"}], [{"subnet": "10.1.0.0/16"}]]),
    ] {
        inputs.push(Input::new(format!("ADD from {set}"), "ADD", &ranges("1.0.0", set.clone())));
        inputs
            .push(Input::new(format!("DEL from {set}"), "DEL", &ranges("1.0.0", set)).difference(NOT_ON_DEL));
    }
    for set in [
        json!([[{"subnet": "2001:db8::/64"}]]),
        json!([[{"subnet": "2001:db8::/126"}]]),
        json!([[{"subnet": "2001:DB8:0::0/64", "rangeStart": "2001:db8::ff", "gateway": "2001:db8::fe"}]]),
        json!([[{"subnet": "10.1.0.0/30"}]]),
        json!([[{"subnet": "10.1.0.0/16", "rangeStart": "10.1.0.1"}]]),
        json!([[{"subnet": "10.1.0.0/16", "rangeStart": "10.1.0.0"}]]),
        json!([[{"subnet": "10.1.0.0/16", "rangeEnd": "10.1.255.255"}]]),
        json!([[{"subnet": "10.1.0.0/16", "gateway": "10.9.0.1"}]]),
        json!([[{"subnet": "10.1.0.0/16", "gateway": ""}]]),
        json!([[{"subnet": "10.1.0.0/24"}], [{"subnet": "10.2.0.0/24"}], [{"subnet": "2001:db8::/64"}]]),
    ] {
        inputs.push(Input::new(format!("ADD from {set}"), "ADD", &ranges("1.0.0", set.clone())));
        inputs.push(Input::new(format!("ADD from {set} in 0.2.0"), "ADD", &ranges("0.2.0", set.clone())));
        inputs.push(Input::new(format!("DEL from {set}"), "DEL", &ranges("1.0.0", set)));
    }
    for list in [
        json!([]),
        json!([{"dst": "::/0", "gw": "2001:db8::1"}, {"dst": "10.9.0.0/16", "gw": "10.1.0.9"}]),
        json!([{"dst": "10.9.1.2/16"}]),
        json!([{"dst": "10.9.0.0"}]),
        json!([{"dst": "10.9.0.0/16", "gw": "x"}]),
        json!([{"dst": "10.9.0.0/16", "gw": ""}]),
        json!({"dst": "10.9.0.0/16"}),
    ] {
        inputs.push(Input::new(format!("routes {list}"), "ADD", &routes(list)));
    }
    compare_all(inputs);
}

#[test]
fn requested_addresses_are_answered_alike() {
    let asked = |key: &str, ips: &Value| match key {
        "args" => with("1.0.0", "args", json!({"cni": {"ips": ips}})),
        _ => with("1.0.0", "runtimeConfig", json!({"ips": ips})),
    };
    let mut inputs = Vec::new();
    for key in ["args", "runtimeConfig"] {
        for ips in [
            json!(["10.1.0.7"]),
            json!(["10.1.0.7/16", "2001:db8::7/64"]),
            json!(["2001:db8::7"]),
            json!(["10.1.0.1"]),
            json!(["10.9.0.7"]),
            json!(["10.1.0.7", "10.1.0.8"]),
            json!([]),
            json!(null),
        ] {
            inputs.push(Input::new(format!("{key} {ips}"), "ADD", &asked(key, &ips)));
            inputs.push(Input::new(format!("{key} {ips} on DEL"), "DEL", &asked(key, &ips)));
        }
        for ips in [json!(["x"]), json!([""]), json!([7]), json!("10.1.0.7")] {
            inputs.push(Input::new(format!("{key} {ips}"), "ADD", &asked(key, &ips)));
            let del = Input::new(format!("{key} {ips} on DEL"), "DEL", &asked(key, &ips));
            inputs.push(del.difference(NOT_ON_DEL));
        }
    }
    let with_args = |command: &str, args: &str| {
        Input::new(format!("{args} on {command}"), command, &config("1.0.0")).env("CNI_ARGS", args)
    };
    for args in ["IP=10.1.0.7", "IP=", "IP=10.1.0.1", "IP=10.9.0.7", "ip=10.1.0.7;IgnoreUnknown=1"] {
        inputs.extend(["ADD", "DEL"].map(|command| with_args(command, args)));
    }
    for args in ["IP=x", "IP", ";"] {
        inputs.push(with_args("ADD", args));
        inputs.push(with_args("DEL", args).difference(NOT_ON_DEL));
    }
    inputs.push(
        Input::new("unknown argument", "ADD", &config("1.0.0"))
            .env("CNI_ARGS", "K8S_POD_NAME=x")
            .difference("unknown keys are for other plugins of the chain; the reference wants IgnoreUnknown"),
    );
    compare_all(inputs);
}
