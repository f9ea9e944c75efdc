//! Calls of a built plugin, and the state that they leave on disk.
#![allow(dead_code, reason = "not every test file uses all of it")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use cni_testing::reference_plugin;
use serde_json::{Value, json};

/// The plugin of this crate.
pub(crate) const OURS: &str = env!("CARGO_BIN_EXE_host-local");

/// The reference plugin.
#[track_caller]
pub(crate) fn reference() -> &'static str {
    static PATH: LazyLock<String> = LazyLock::new(|| reference_plugin("host-local").display().to_string());
    &PATH
}

/// One call of a plugin.
#[derive(Clone, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) command: &'a str,
    pub(crate) id: &'a str,
    pub(crate) ifname: &'a str,
    pub(crate) args: &'a str,
    pub(crate) config: Value,
}

impl<'a> Call<'a> {
    pub(crate) fn new(command: &'a str, id: &'a str, config: &Value) -> Self {
        Self { command, id, ifname: "eth0", args: "", config: config.clone() }
    }

    pub(crate) fn ifname(self, ifname: &'a str) -> Self {
        Self { ifname, ..self }
    }

    pub(crate) fn args(self, args: &'a str) -> Self {
        Self { args, ..self }
    }

    /// Sets a key of the configuration.
    pub(crate) fn with(mut self, key: &str, value: Value) -> Self {
        self.config[key] = value;
        self
    }

    pub(crate) fn start(&self, program: impl AsRef<OsStr>) -> Running {
        self.start_with_stdout(program, Stdio::piped())
    }

    pub(crate) fn start_with_stdout(&self, program: impl AsRef<OsStr>, stdout: Stdio) -> Running {
        let mut child = Command::new(program)
            .env_clear()
            .env("CNI_COMMAND", self.command)
            .env("CNI_CONTAINERID", self.id)
            .env("CNI_IFNAME", self.ifname)
            // Nothing is done in the namespace, so that one's own will do, for any user.
            .env("CNI_NETNS", "/proc/self/ns/net")
            .env("CNI_NETNS_OVERRIDE", "1")
            .env("CNI_PATH", "/nonexistent")
            .env("CNI_ARGS", self.args)
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the plugin starts");
        let stdin = serde_json::to_vec(&self.config).expect("a value is JSON");
        child.stdin.take().expect("stdin is piped").write_all(&stdin).expect("the plugin reads its stdin");
        Running { call: format!("{self:?}"), child }
    }

    pub(crate) fn run(&self, program: impl AsRef<OsStr>) -> Answer {
        self.start(program).wait()
    }
}

/// A call that has not come to its end yet.
pub(crate) struct Running {
    call: String,
    child: Child,
}

impl Running {
    /// Kills the program as it is, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the program is ours to kill");
        self.child.wait().expect("the program ends");
    }

    pub(crate) fn wait(self) -> Answer {
        let output = self.child.wait_with_output().expect("the plugin ends");
        let text = String::from_utf8_lossy(&output.stdout);
        let json = match text.trim() {
            "" => Value::Null,
            text => serde_json::from_str(text).unwrap_or_else(|e| panic!("{}: {e}: {text}", self.call)),
        };
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Answer { call: self.call, success: output.status.success(), json, stderr }
    }
}

/// What a plugin answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) call: String,
    pub(crate) success: bool,
    pub(crate) json: Value,
    pub(crate) stderr: String,
}

impl Answer {
    /// The result of a call that must have succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert!(self.success, "{self:#?}");
        self.json
    }

    /// Asserts that the call failed with this code and a message that holds all of these words.
    #[track_caller]
    pub(crate) fn failed(&self, code: u32, words: &[&str]) {
        assert!(!self.success, "{self:#?}");
        assert_eq!(self.json["code"], code, "{self:#?}");
        let msg = self.json["msg"].as_str().expect("msg is a string");
        for word in words {
            assert!(msg.contains(word), "no {word:?} in {self:#?}");
        }
    }

    /// The addresses of a result, with their prefixes.
    #[track_caller]
    pub(crate) fn addresses(self) -> Vec<String> {
        let json = self.ok();
        let ips = json["ips"].as_array().expect("ips is a list");
        ips.iter().map(|ip| ip["address"].as_str().expect("address is a string").to_owned()).collect()
    }
}

/// A configuration with these range sets.
pub(crate) fn config(data_dir: &Path, ranges: Value) -> Value {
    json!({
        "cniVersion": "1.0.0",
        "name": "net",
        "type": "bridge",
        "ipam": { "type": "host-local", "dataDir": data_dir, "ranges": ranges },
    })
}

/// A file or folder: its permissions, and a file's contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) mode: u32,
    pub(crate) contents: Option<String>,
}

/// All that is below a folder, by path.
pub(crate) fn tree(root: &Path) -> BTreeMap<PathBuf, Node> {
    fn walk(root: &Path, dir: &Path, into: &mut BTreeMap<PathBuf, Node>) {
        for entry in fs::read_dir(dir).expect("the folder is readable") {
            let path = entry.expect("the folder is readable").path();
            let metadata = fs::symlink_metadata(&path).expect("the file stays");
            let mode = metadata.permissions().mode() & 0o7777;
            let contents = metadata.is_file().then(|| {
                String::from_utf8_lossy(&fs::read(&path).expect("the file is readable")).into_owned()
            });
            let name = path.strip_prefix(root).expect("it is below the root").to_owned();
            into.insert(name, Node { mode, contents });
            if metadata.is_dir() {
                walk(root, &path, into);
            }
        }
    }
    let mut nodes = BTreeMap::new();
    walk(root, root, &mut nodes);
    nodes
}
