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

mod everybody;

pub(crate) use everybody::everybodys_inputs;

/// One input, and why the two answer differently if they do.
#[derive(Clone)]
pub(crate) struct Input {
    what: String,
    env: Vec<(&'static str, Option<String>)>,
    stdin: Vec<u8>,
    difference: Option<&'static str>,
}

impl Input {
    pub(crate) fn new(what: impl Into<String>, command: &str, config: &Value) -> Self {
        let env = vec![("CNI_COMMAND", Some(command.to_owned()))];
        Self { what: what.into(), env, stdin: config.to_string().into(), difference: None }
    }

    pub(crate) fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.env.push((name, Some(value.into())));
        self
    }

    pub(crate) fn without(mut self, name: &'static str) -> Self {
        self.env.push((name, None));
        self
    }

    pub(crate) fn stdin(self, stdin: impl Into<Vec<u8>>) -> Self {
        Self { stdin: stdin.into(), ..self }
    }

    pub(crate) fn difference(self, reason: &'static str) -> Self {
        Self { difference: Some(reason), ..self }
    }

    /// Whether both must do the same.
    pub(crate) fn is_alike(&self) -> bool {
        self.difference.is_none()
    }

    /// What it has to read, which need not be text, with the folder of its own.
    fn stdin_of(&self, side: &Side<'_>) -> Vec<u8> {
        let folder = side.folder.map_or_else(String::new, |folder| folder.display().to_string());
        let mut stdin = self.stdin.clone();
        while let Some(at) = stdin.windows(FOLDER.len()).position(|part| part == FOLDER.as_bytes()) {
            stdin.splice(at..at + FOLDER.len(), folder.bytes());
        }
        stdin
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
        let _ = child.stdin.take().expect("stdin is piped").write_all(&self.stdin_of(side));
        let output = child.wait_with_output().expect("the plugin ends");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Answer { exit_code: output.status.code(), stdout: text }
    }
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stdin: String = String::from_utf8_lossy(&self.stdin).chars().take(2000).collect();
        write!(f, "{} {:?} {stdin}", self.what, self.env)
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
    let all = || format!("{input:?}\nours: {ours:?}\nthe reference: {theirs:?}");
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
