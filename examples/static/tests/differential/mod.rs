//! The same inputs to two programs: ours and the reference plugin of Debian's package containernetworking-plugins. What
//! they do differently must be listed with its reason, and what is listed must differ.
//!
//! The tests of the other plugins that have a reference use this file too.
#![allow(dead_code, reason = "not every test file uses all of it")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use cni_testing::TestNetns;
pub(crate) use cni_testing::reference_plugin as reference;
use serde_json::{Value, json};

/// One input, and why the two answer differently if they do.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    what: String,
    env: Vec<(&'static str, Option<String>)>,
    stdin: String,
    difference: Option<&'static str>,
}

impl Input {
    pub(crate) fn new(what: impl Into<String>, command: &str, config: &Value) -> Self {
        let env = vec![("CNI_COMMAND", Some(command.to_owned()))];
        Self { what: what.into(), env, stdin: config.to_string(), difference: None }
    }

    pub(crate) fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.env.push((name, Some(value.into())));
        self
    }

    pub(crate) fn without(mut self, name: &'static str) -> Self {
        self.env.push((name, None));
        self
    }

    pub(crate) fn stdin(self, stdin: impl Into<String>) -> Self {
        Self { stdin: stdin.into(), ..self }
    }

    pub(crate) fn difference(self, reason: &'static str) -> Self {
        Self { difference: Some(reason), ..self }
    }

    /// Whether both must do the same.
    pub(crate) fn is_alike(&self) -> bool {
        self.difference.is_none()
    }

    /// Calls a program. Not through `Call`, which puts a folder of its own into `CNI_PATH`.
    fn call(&self, side: &Side<'_>) -> Answer {
        let mut command = Command::new(side.program);
        command.env_clear().envs([
            ("CNI_CONTAINERID", "c1"),
            ("CNI_IFNAME", "eth0"),
            ("CNI_PATH", "/nonexistent"),
        ]);
        match side.netns {
            Some(netns) => command.env("CNI_NETNS", netns.path()),
            // Nothing is done in the namespace, so that one's own will do, for any user.
            None => command.env("CNI_NETNS", "/proc/self/ns/net").env("CNI_NETNS_OVERRIDE", "1"),
        };
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the plugin starts");
        // One that has no use for its stdin may have ended by now.
        let folder = side.folder.map_or_else(String::new, |folder| folder.display().to_string());
        let stdin = self.stdin.replace(FOLDER, &folder);
        let _ = child.stdin.take().expect("stdin is piped").write_all(stdin.as_bytes());
        let output = child.wait_with_output().expect("the plugin ends");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Answer { exit_code: output.status.code(), stdout: text }
    }
}

/// One of the two programs, and what is there for it alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side<'a> {
    pub(crate) program: &'a Path,
    pub(crate) netns: Option<&'a TestNetns>,
    /// Where it may keep its state: what a configuration calls [`FOLDER`].
    pub(crate) folder: Option<&'a Path>,
}

/// Stands in a configuration for the folder of a side.
pub(crate) const FOLDER: &str = "/the/folder";

/// What a program answered.
#[derive(Debug)]
struct Answer {
    exit_code: Option<i32>,
    stdout: String,
}

/// Makes a call to both and compares exit code, document and error code.
///
/// DIFFERENCE: an error of ours names the version of the request, and has a code of its own where every error of a
/// reference plugin has 999. DIFFERENCE: an empty `dns` is left out since the library's version 1.2.0.
#[track_caller]
pub(crate) fn compare(input: &Input, [ours_side, their_side]: [Side<'_>; 2]) {
    let ours = input.call(&ours_side);
    let theirs = input.call(&their_side);
    let is_same = ours.exit_code == theirs.exit_code && {
        let (ours, theirs) = (document(&ours, ours_side.netns), document(&theirs, their_side.netns));
        ours == theirs || (ours["code"].is_u64() && theirs["code"] == 999)
    };
    let all = || format!("{}\n{input:?}\nours: {ours:?}\nthe reference: {theirs:?}", input.what);
    match input.difference {
        None => assert!(is_same, "not the same: {}", all()),
        Some(reason) => assert!(!is_same, "listed as different ({reason}), but the same: {}", all()),
    }
}

/// What counts of an answer.
fn document(answer: &Answer, netns: Option<&TestNetns>) -> Value {
    if answer.stdout.is_empty() {
        return Value::Null;
    }
    // Each has a namespace of its own.
    let path = netns.map_or_else(String::new, |netns| netns.path().display().to_string());
    let text = answer.stdout.replace(&format!("\"{path}\""), "\"the namespace\"");
    let mut json: Value = serde_json::from_str(&text)
        .unwrap_or_else(|cause| panic!("stdout is not one JSON document: {cause}: {answer:?}"));
    if json.get("dns") == Some(&json!({})) {
        json.as_object_mut().map(|object| object.remove("dns"));
    }
    if answer.exit_code != Some(0) {
        json = json!({"code": json["code"]});
    }
    json
}

/// The inputs that every plugin gets, whatever it does: `valid` is a configuration of it.
pub(crate) fn everybodys_inputs(valid: &Value) -> Vec<Input> {
    let mut inputs = Vec::new();
    variables(valid, &mut inputs);
    commands(valid, &mut inputs);
    stdins(valid, &mut inputs);
    versions(valid, &mut inputs);
    inputs
}

fn variables(valid: &Value, inputs: &mut Vec<Input>) {
    let with = |key: &str, value: Value| {
        let mut config = valid.clone();
        config[key] = value;
        config
    };
    // CHECK gets what ADD would have answered; that of an empty result fails in a handler alike.
    let checked = with("prevResult", json!({}));
    for command in ["ADD", "DEL"] {
        for name in ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"] {
            inputs.push(Input::new(format!("{command} without {name}"), command, valid).without(name));
            inputs.push(Input::new(format!("{command} with {name} empty"), command, valid).env(name, ""));
        }
    }
    for name in ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"] {
        inputs.push(Input::new(format!("CHECK without {name}"), "CHECK", &checked).without(name));
    }
    let none =
        Input::new("ADD without any variable", "ADD", valid).without("CNI_CONTAINERID").without("CNI_NETNS");
    inputs.push(none.without("CNI_IFNAME").without("CNI_PATH"));
    inputs.push(Input::new("ADD without CNI_PATH", "ADD", valid).without("CNI_PATH").difference(
        "the specification calls CNI_PATH optional; the reference requires it of who delegates to nobody",
    ));
    for id in ["-a", "_a", ".a", "a b", "a/b", "../a", "a\n", "é"] {
        inputs.push(Input::new(format!("container id {id:?}"), "ADD", valid).env("CNI_CONTAINERID", id));
        inputs
            .push(Input::new(format!("container id {id:?} on DEL"), "DEL", valid).env("CNI_CONTAINERID", id));
    }
    for id in ["a", "A1", "a_b", "a.b", "a-b", &"0123456789abcdef".repeat(4)] {
        inputs.push(Input::new(format!("container id {id:?}"), "ADD", valid).env("CNI_CONTAINERID", id));
    }
    inputs.push(Input::new("interface of 15 bytes", "ADD", valid).env("CNI_IFNAME", "fifteen-bytes15"));
    for ifname in ["sixteen-bytes-16", ".", "..", "a/b", "a:b", "a b", "a\t", "a\u{a0}b"] {
        inputs.push(Input::new(format!("interface {ifname:?}"), "ADD", valid).env("CNI_IFNAME", ifname));
    }
    inputs.push(
        Input::new("noise in the environment", "DEL", valid)
            .env("CNI_FOO", "x")
            .env("TRACEPARENT", "garbage"),
    );
}

fn commands(valid: &Value, inputs: &mut Vec<Input>) {
    inputs.push(Input::new("no command", "", valid).without("CNI_COMMAND"));
    inputs.push(Input::new("empty command", "", valid));
    for command in ["NOPE", "add", " ADD", "ADD\n"] {
        inputs.push(Input::new(format!("command {command:?}"), command, valid));
    }
    inputs.push(
        Input::new("unknown command without stdin", "NOPE", valid)
            .stdin("")
            .difference("code 4 names the command; the reference reads stdin first and answers 6"),
    );
    for command in ["STATUS", "GC"] {
        let mut config = valid.clone();
        config["cniVersion"] = json!("1.1.0");
        if command == "GC" {
            config["cni.dev/valid-attachments"] = json!([{"containerID": "c1", "ifname": "eth0"}]);
        }
        inputs.push(
            Input::new(command, command, &config)
                .difference("the reference of Debian is older than STATUS and GC, of 1.1.0"),
        );
    }
    for stdin in ["", "garbage", r#"{"cniVersion": "0.4.0"}"#] {
        inputs.push(
            Input::new(format!("VERSION with {stdin:?}"), "VERSION", valid)
                .stdin(stdin)
                .env("CNI_CONTAINERID", "")
                .env("CNI_NETNS", "dummy")
                .env("CNI_IFNAME", "dummy")
                .difference("ours speaks 1.1.0 too, and names the version that it was asked in"),
        );
    }
}

fn stdins(valid: &Value, inputs: &mut Vec<Input>) {
    let text = valid.to_string();
    let cases = [
        String::new(),
        " ".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        "7".to_owned(),
        r#""text""#.to_owned(),
        "{".to_owned(),
        "{}".to_owned(),
        format!("{text}x"),
        format!("{text}{text}"),
        format!("\u{feff}{text}"),
        format!(" {text}\n\n"),
    ];
    for stdin in cases {
        let input = Input::new(format!("stdin {stdin:?}"), "ADD", valid).stdin(stdin.clone());
        inputs.push(match stdin.as_str() {
            "null" => {
                input.difference("null is no object, code 6; to the reference it is one without name, code 7")
            }
            _ => input,
        });
        if stdin.is_empty() {
            inputs.push(Input::new("empty stdin on DEL", "DEL", valid).stdin(stdin));
        }
    }
    for (key, value) in [
        ("name", json!(null)),
        ("name", json!("")),
        ("name", json!("a/b")),
        ("name", json!("-a")),
        ("name", json!("a\n")),
        ("name", json!(7)),
        ("cniVersion", json!(7)),
        ("cniVersion", json!(null)),
        ("type", json!("other")),
        ("prevResult", json!(null)),
        ("capabilities", json!({"mac": true})),
        ("example.com/unknown", json!({"deep": [[[1]]]})),
        ("args", json!({"other": 7})),
        ("runtimeConfig", json!({"other": 7})),
    ] {
        let mut config = valid.clone();
        config[key] = value.clone();
        inputs.push(Input::new(format!("{key}: {value}"), "ADD", &config));
    }
    let mut config = valid.clone();
    config.as_object_mut().map(|object| object.remove("name"));
    inputs.push(Input::new("no name", "ADD", &config));
    config["NAME"] = json!("lan");
    inputs.push(Input::new("name in another case", "ADD", &config));
}

fn versions(valid: &Value, inputs: &mut Vec<Input>) {
    for version in ["9.9.9", "1.0", "v1.0.0", "01.0.0", " 1.0.0", "1.0.0-rc1", "1.1.0"] {
        for command in ["ADD", "DEL"] {
            let mut config = valid.clone();
            config["cniVersion"] = json!(version);
            let input = Input::new(format!("{command} in version {version:?}"), command, &config);
            inputs.push(match version {
                "1.1.0" => input.difference("the reference of Debian is older than 1.1.0"),
                _ => input,
            });
        }
    }
    let mut config = valid.clone();
    config["cniVersion"] = json!("0.3.1");
    config["prevResult"] = json!({"ips": []});
    inputs.push(Input::new("CHECK in a version without it", "CHECK", &config));
}
