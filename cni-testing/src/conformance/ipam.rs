//! An IPAM plugin that a check plays: a program that answers from files and writes down each call.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cni_skel::types::{self, AddResult, IpConfig, SpecVersion};

/// `@N@` in an answer becomes the number of the call, so that two containers get different addresses. The answer to ADD
/// depends on the version, which the suite leaves in a file before each call.
const PROGRAM: &str = r#"#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
here="$0.d"
n=1
while ! mkdir "$here/calls/$n" 2>/dev/null; do n=$((n + 1)); done
env >"$here/calls/$n/env"
cat >"$here/calls/$n/stdin"
echo "$CNI_COMMAND" >"$here/calls/$n/command"
[ ! -e "$here/$CNI_COMMAND.stderr" ] || cat "$here/$CNI_COMMAND.stderr" >&2
while [ -e "$here/$CNI_COMMAND.hangs" ]; do sleep 0.02; done
if [ -e "$here/$CNI_COMMAND.error" ]; then
    cat "$here/$CNI_COMMAND.error"
    exit 1
fi
[ "$CNI_COMMAND" != ADD ] || sed "s/@N@/$((n + 1))/g" "$here/ADD.$(cat "$here/version")"
"#;

/// The played plugin, in a folder for CNI_PATH.
#[derive(Debug)]
pub(super) struct Delegate {
    folder: PathBuf,
    files: PathBuf,
}

/// A call that it got.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) command: String,
    pub(super) env: String,
    pub(super) stdin: String,
}

impl Delegate {
    pub(super) fn install(folder: &Path, name: &str) -> io::Result<Self> {
        let files = folder.join(format!("{name}.d"));
        fs::create_dir_all(files.join("calls"))?;
        for &version in SpecVersion::ALL {
            fs::write(files.join(format!("ADD.{version}")), answer(version))?;
        }
        fs::write(files.join("version"), SpecVersion::NEWEST.as_str())?;
        write_program(&folder.join(name))?;
        Ok(Self { folder: folder.to_owned(), files })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn answer_in(&self, version: &str) {
        let _ = fs::write(self.files.join("version"), version);
    }

    /// From now on a command fails with this error object.
    pub(super) fn fails(&self, command: types::Command, error: &str) {
        let _ = fs::write(self.files.join(format!("{command}.error")), error);
    }

    /// From now on a command does not come to its end, until it is woken.
    pub(super) fn hangs(&self, command: types::Command) {
        let _ = fs::write(self.files.join(format!("{command}.hangs")), "");
    }

    /// Lets a command come to its end.
    pub(super) fn wakes(&self, command: types::Command) {
        let _ = fs::remove_file(self.files.join(format!("{command}.hangs")));
    }

    /// From now on a command says this on stderr.
    pub(super) fn says(&self, command: types::Command, text: &str) {
        let _ = fs::write(self.files.join(format!("{command}.stderr")), text);
    }

    pub(super) fn calls(&self) -> Vec<Got> {
        let read = |n: usize| {
            let call = self.files.join("calls").join(n.to_string());
            let text = |name: &str| fs::read_to_string(call.join(name));
            Some(Got {
                command: text("command").ok()?.trim().to_owned(),
                env: text("env").ok()?,
                stdin: text("stdin").ok()?,
            })
        };
        (1..).map_while(read).collect()
    }

    /// The calls of one command.
    pub(super) fn calls_of(&self, command: types::Command) -> Vec<Got> {
        self.calls().into_iter().filter(|call| call.command == command.as_str()).collect()
    }
}

/// Writes the program by another process. Were it open for writing in this one, a child that another thread starts at that
/// moment would have it open too for a while, and the plugin could not start it: text file busy.
fn write_program(program: &Path) -> io::Result<()> {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "PATH=/usr/bin:/bin; cat >\"$0\" && chmod 755 \"$0\""]).arg(program);
    let mut shell = shell.stdin(Stdio::piped()).spawn()?;
    if let Some(mut pipe) = shell.stdin.take() {
        pipe.write_all(PROGRAM.as_bytes())?;
    }
    let status = shell.wait()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("the shell ended with {status}"))) }
}

/// The result that it gives, in the shape of a version.
fn answer(version: SpecVersion) -> String {
    let mut result = AddResult::default();
    if let (Ok(address), Ok(gateway)) = ("10.99.7.251/24".parse(), "10.99.7.1".parse()) {
        result.ips.push(IpConfig::new(address).gateway(gateway));
    }
    result.encode(version).unwrap_or_default().replace("7.251", "7.@N@")
}
