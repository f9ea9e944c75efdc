//! A scripted delegate as a program: it answers from files, and records each call.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cni_skel::Env;
use cni_skel::types;
use tempfile::TempDir;

use super::reply::{DelegateCall, DelegateReply};
use super::script::Played;

/// The program. `@N@` in what it prints becomes the number of the call plus one, so that two containers get different
/// addresses. It sets its own PATH, since a plugin may be started without one.
const PROGRAM: &str = r#"#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
files="$0.script"
n=1
while ! mkdir "$files/calls/$n" 2>/dev/null; do n=$((n + 1)); done
call="$files/calls/$n"
env -0 >"$call/env"
cat >"$call/stdin"
: >"$call/complete"
reply="$files/replies/$n.$CNI_COMMAND"
[ -d "$reply" ] || reply="$files/replies/any.$CNI_COMMAND"
if [ ! -d "$reply" ]; then
    echo '{"code": 999, "msg": "the test does not expect this call"}'
    exit 1
fi
[ ! -e "$reply/stderr" ] || cat "$reply/stderr" >&2
while [ -e "$reply/hangs" ]; do sleep 0.02; done
sed "s/@N@/$((n + 1))/g" "$reply/stdout"
exit "$(cat "$reply/exit")"
"#;

/// A program in a folder for `CNI_PATH`, and the files beside it.
#[derive(Debug)]
pub(crate) struct ScriptedProgram {
    name: String,
    files: PathBuf,
}

impl ScriptedProgram {
    /// Makes a program without replies.
    pub(crate) fn install(folder: &Path, name: &str) -> io::Result<Self> {
        let files = folder.join(format!("{name}.script"));
        fs::create_dir_all(files.join("calls"))?;
        fs::create_dir_all(files.join("replies"))?;
        write_program(&folder.join(name))?;
        Ok(Self { name: name.to_owned(), files })
    }

    /// Sets the reply to the n-th call of the program, counted from 1.
    pub(crate) fn reply_to(&self, n: usize, reply: &DelegateReply) -> io::Result<()> {
        self.write(&format!("{n}.{}", reply.command), reply)
    }

    /// Sets the reply to each call of the reply's command that has no reply of its own.
    pub(crate) fn reply_to_any(&self, reply: &DelegateReply) -> io::Result<()> {
        self.write(&format!("any.{}", reply.command), reply)
    }

    /// Changes a part of the [reply to any](Self::reply_to_any) call of a command: `stdout`, `stderr` or `exit`; or lets it
    /// hang until this part, `hangs`, is [removed](Self::remove).
    pub(crate) fn set(&self, command: types::Command, part: &str, text: &str) -> io::Result<()> {
        let file = self.part(command, part);
        // A running program sees the old text or the new one.
        let new = file.with_extension("new");
        fs::write(&new, text)?;
        fs::rename(new, file)
    }

    /// Removes a part of the reply to any call of a command.
    pub(crate) fn remove(&self, command: types::Command, part: &str) -> io::Result<()> {
        fs::remove_file(self.part(command, part))
    }

    /// The calls so far, in order, except those that have not read their stdin to its end.
    pub(crate) fn calls(&self) -> Vec<DelegateCall> {
        let folders = (1..).map(|n: usize| self.files.join("calls").join(n.to_string()));
        let folders = folders.take_while(|folder| folder.is_dir());
        folders
            .filter(|folder| folder.join("complete").exists())
            .filter_map(|call| self.read(&call))
            .collect()
    }

    fn part(&self, command: types::Command, part: &str) -> PathBuf {
        self.files.join("replies").join(format!("any.{command}")).join(part)
    }

    fn write(&self, name: &str, reply: &DelegateReply) -> io::Result<()> {
        let folder = self.files.join("replies").join(name);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("stdout"), &reply.stdout)?;
        fs::write(folder.join("exit"), reply.exit_code.to_string())?;
        if reply.hangs { fs::write(folder.join("hangs"), "") } else { Ok(()) }
    }

    fn read(&self, call: &Path) -> Option<DelegateCall> {
        let variables = fs::read(call.join("env")).ok()?;
        let variables = variables.split(|byte| *byte == 0).filter_map(|entry| {
            let at = entry.iter().position(|byte| *byte == b'=')?;
            let part = |bytes: &[u8]| OsString::from_vec(bytes.to_owned());
            Some((part(&entry[..at]), part(&entry[at + 1..])))
        });
        let stdin = fs::read(call.join("stdin")).ok()?;
        Some(DelegateCall::new(&self.name, variables.collect(), &stdin))
    }
}

/// Writes the program from another process. Were it open for writing in this one, a child that another thread forks at that
/// moment would have it open too, and the plugin could not start it: text file busy.
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

/// The delegates of one call, as programs in a folder that is removed with them.
pub(crate) struct ScriptedPrograms {
    folder: TempDir,
    programs: Vec<ScriptedProgram>,
}

impl ScriptedPrograms {
    /// Makes a program for each name, with these replies in order.
    pub(crate) fn install(replies: &BTreeMap<String, Vec<DelegateReply>>) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut programs = Vec::new();
        for (name, replies) in replies {
            let program = ScriptedProgram::install(folder.path(), name)?;
            (1..).zip(replies).try_for_each(|(n, reply)| program.reply_to(n, reply))?;
            programs.push(program);
        }
        Ok(Self { folder, programs })
    }

    /// The environment with the folder of these programs before all others in `CNI_PATH`.
    pub(crate) fn on_path(&self, env: &Env) -> Env {
        let mut path = OsString::from(self.folder.path());
        if let Some(rest) = env.get("CNI_PATH") {
            path.push(":");
            path.push(rest);
        }
        env.clone().with("CNI_PATH", path)
    }

    /// Records the calls of the programs as if they had been made in process.
    pub(crate) fn collect(&self, played: &mut Played) {
        for call in self.programs.iter().flat_map(ScriptedProgram::calls) {
            played.next_reply(&call.plugin, &call.command);
            played.calls.push(call);
        }
    }
}
