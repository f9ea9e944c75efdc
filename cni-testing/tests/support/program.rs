//! Starts the program and takes what comes out of it.
#![allow(dead_code, reason = "each test target uses its part")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

pub(crate) const CNITEST: &str = env!("CARGO_BIN_EXE_cnitest");

/// What came out.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a program with arguments and nothing of this process's environment that it could go by.
pub(crate) fn run(program: &str, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ran {
    let mut command = Command::new(program);
    let output =
        command.args(arguments).env_remove("CNI_PATH").env_remove("CARGO_TARGET_DIR").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

pub(crate) fn cnitest(arguments: &[&str]) -> Ran {
    run(CNITEST, arguments)
}

impl Ran {
    /// Asserts how it ended.
    #[track_caller]
    pub(crate) fn with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// What `--json` printed.
    #[track_caller]
    pub(crate) fn events(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The events of one kind.
    #[track_caller]
    pub(crate) fn events_of(&self, kind: &str) -> Vec<Value> {
        self.events().into_iter().filter(|event| event["event"] == kind).collect()
    }

    /// What was called: command, plugin and container, delegates behind their plugin and in brackets.
    #[track_caller]
    pub(crate) fn calls(&self) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let calls = self.events_of("call").into_iter().map(|call| {
            let delegates = call["delegates"].as_array().into_iter().flatten();
            let delegates = delegates.map(|of| format!("({} {})", text(&of["command"]), text(&of["plugin"])));
            let words = ["command", "plugin", "container"].map(|key| text(&call[key]));
            let words = words.into_iter().chain(delegates).filter(|word| !word.is_empty());
            words.collect::<Vec<_>>().join(" ")
        });
        calls.collect()
    }
}

/// The folder of the plugins of Debian's package, or a failure that says what to install.
#[track_caller]
pub(crate) fn reference() -> String {
    cni_testing::reference_plugin("bridge").parent().unwrap().display().to_string()
}

/// A configuration beside these tests.
pub(crate) fn data(name: &str) -> String {
    format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A folder with a configuration `lan.conflist` and plugins in it.
pub(crate) struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    pub(crate) fn new(conflist: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(folder.path().join("lan.conflist"), conflist).unwrap();
        Self { folder }
    }

    /// Adds a plugin: a piece of shell, started in this folder.
    pub(crate) fn plugin(self, name: &str, shell: &str) -> Self {
        let program = self.path(name);
        let folder = self.folder.path().display();
        fs::write(&program, format!("#!/bin/sh\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\ncd {folder}\n{shell}\n"))
            .unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn conflist(&self) -> String {
        self.path("lan.conflist").display().to_string()
    }

    /// Runs the configuration with these plugins and nothing else.
    pub(crate) fn run(&self, options: &[&str]) -> Ran {
        let folder = self.folder.path().display().to_string();
        let conflist = self.conflist();
        let arguments = ["run", "--path", &folder, &conflist].into_iter().chain(options.iter().copied());
        run(CNITEST, arguments)
    }
}

/// A network with the plugin `first`.
pub(crate) const LAN: &str = r#"{"cniVersion": "1.1.0", "name": "lan", "plugins": [{"type": "first"}]}"#;

/// A network whose plugin does this, and answers ADD with nothing.
pub(crate) fn network(shell: &str) -> Folder {
    Folder::new(LAN).plugin("first", &format!("{shell}\n[ $CNI_COMMAND != ADD ] || echo '{{}}'"))
}

#[track_caller]
pub(crate) fn leaked(folder: &Folder) -> Vec<String> {
    let ran = folder.run(&["--json"]).with(1);
    let leaked = ran.events_of("left")[0]["leaked"].as_array().unwrap().clone();
    leaked.iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

/// Asserts that scripts find `ip`.
#[track_caller]
pub(crate) fn assert_has_iproute2() {
    let is_there =
        ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip", "/bin/ip"].iter().any(|ip| fs::exists(ip).unwrap());
    assert!(is_there, "ip is missing; install Debian's package iproute2");
}
