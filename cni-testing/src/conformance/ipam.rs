//! The IPAM plugin that a check plays.

use std::cell::Cell;
use std::io;
use std::path::{Path, PathBuf};

use cni_skel::types::{AddResult, Command, IpConfig, SpecVersion};

use crate::delegate::{DelegateCall, DelegateReply, ScriptedProgram};

/// A program in a folder for `CNI_PATH`, which gives each container an address.
#[derive(Debug)]
pub(super) struct Ipam {
    folder: PathBuf,
    program: ScriptedProgram,
    add_fails: Cell<bool>,
}

impl Ipam {
    pub(super) fn install(folder: &Path, name: &str) -> io::Result<Self> {
        let program = ScriptedProgram::install(folder, name)?;
        for command in Command::ALL.iter().copied() {
            program.reply_to_any(&DelegateReply::silent(command))?;
        }
        program.set(Command::Add, "stdout", &result(SpecVersion::NEWEST))?;
        Ok(Self { folder: folder.to_owned(), program, add_fails: Cell::new(false) })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes later ADDs print their result in this version.
    pub(super) fn answer_in(&self, version: &str) {
        if !self.add_fails.get() {
            let version = version.parse().unwrap_or(SpecVersion::NEWEST);
            let _ = self.program.set(Command::Add, "stdout", &result(version));
        }
    }

    /// Makes later calls of a command fail with this error object.
    pub(super) fn fails(&self, command: Command, error: &str) {
        self.add_fails.set(self.add_fails.get() || command == Command::Add);
        let _ = self.program.set(command, "stdout", error);
        let _ = self.program.set(command, "exit", "1");
    }

    /// Makes later calls of a command hang until they are woken.
    pub(super) fn hangs(&self, command: Command) {
        let _ = self.program.set(command, "hangs", "");
    }

    /// Lets the calls of a command finish.
    pub(super) fn wakes(&self, command: Command) {
        let _ = self.program.remove(command, "hangs");
    }

    /// Makes later calls of a command print this on stderr.
    pub(super) fn says(&self, command: Command, text: &str) {
        let _ = self.program.set(command, "stderr", text);
    }

    pub(super) fn calls(&self) -> Vec<DelegateCall> {
        self.program.calls()
    }

    /// The calls of one command.
    pub(super) fn calls_of(&self, command: Command) -> Vec<DelegateCall> {
        self.calls().into_iter().filter(|call| call.command == command.as_str()).collect()
    }
}

/// The result of ADD in the shape of a version.
fn result(version: SpecVersion) -> String {
    let mut result = AddResult::default();
    if let (Ok(address), Ok(gateway)) = ("10.99.7.251/24".parse(), "10.99.7.1".parse()) {
        result.ips.push(IpConfig::new(address).gateway(gateway));
    }
    result.encode(version).unwrap_or_default().replace("7.251", "7.@N@")
}
