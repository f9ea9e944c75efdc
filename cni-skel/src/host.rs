//! The world outside of a call: other plugins and network namespaces.

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cni_types::PluginName;

#[cfg(feature = "net")]
use crate::net::Net;
use crate::{Env, Netns, Result};

/// What a call needs of the machine, besides what its request says.
///
/// Plugins run on [`System`](crate::System). Implement this trait only for tests: `cni-testing` does, with made-up
/// namespaces and delegates that answer from a script.
pub trait Host: Debug + Send + Sync {
    /// Finds the program of a plugin in the folders of `CNI_PATH`.
    ///
    /// # Errors
    /// Code 5 when there is none, naming plugin and folders.
    fn find_plugin(&self, name: &PluginName, folders: &[PathBuf]) -> Result<PathBuf>;

    /// Whether a plugin's name is that of the program that runs: an IPAM plugin finds itself in `ipam.type`, because it
    /// gets the whole configuration of the plugin that calls it. Who calls itself never comes to an end.
    fn is_this_program(&self, name: &PluginName) -> bool {
        let _ = name;
        false
    }

    /// Finds a program that is no plugin, in the folders of the call's `PATH`.
    ///
    /// The machine has it in folders of its own, too: a runtime's `PATH` need not have those for administrators.
    fn find_program(&self, name: &str, env: &Env) -> Option<PathBuf> {
        let path = env.get("PATH").unwrap_or_default();
        let mut folders = std::env::split_paths(path).filter(|folder| folder.is_absolute());
        folders.find_map(|folder| Some(folder.join(name)).filter(|program| program.is_file()))
    }

    /// Starts another plugin, or another program, and lets it run.
    ///
    /// # Errors
    /// When it cannot be started.
    fn start(&self, execution: &Execution<'_>) -> io::Result<Box<dyn Running>>;

    /// Runs another plugin, or another program, to its end.
    ///
    /// # Errors
    /// When it cannot be started, and as those of [`Running::finish`].
    fn execute(&self, execution: &Execution<'_>) -> io::Result<Executed> {
        self.start(execution)?.finish()
    }

    /// Opens a network namespace.
    ///
    /// # Errors
    /// When there is nothing at `path`, or something that is no network namespace.
    fn open_netns(&self, path: &Path) -> io::Result<Netns>;

    /// Whether this is the namespace that the plugin itself runs in.
    ///
    /// # Errors
    /// When the plugin's own namespace cannot be looked at.
    fn is_own_netns(&self, netns: &Netns) -> io::Result<bool>;

    /// The network of the namespace that the plugin itself runs in.
    ///
    /// # Errors
    /// Code 999 when no netlink socket can be opened.
    #[cfg(feature = "net")]
    fn net(&self) -> Result<Net>;
}

/// Another plugin, or another program, that was started.
///
/// It has its end also where nobody asks for it: dropped it is waited for, and killed when its time is over.
pub trait Running: Debug + Send {
    /// Waits for its end.
    ///
    /// # Errors
    /// With [`io::ErrorKind::TimedOut`] when it did not end within its time and was killed; when it printed more than
    /// anybody would want to have, and was killed for that.
    fn finish(self: Box<Self>) -> io::Result<Executed>;
}

/// One that has ended.
impl Running for Executed {
    fn finish(self: Box<Self>) -> io::Result<Executed> {
        Ok(*self)
    }
}

/// One run of another plugin, or of another program.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Execution<'a> {
    /// The program, as [`Host::find_plugin`] found it.
    pub program: &'a Path,
    /// Its arguments. A plugin has none.
    pub args: &'a [&'a str],
    /// The whole environment that it gets.
    pub env: &'a Env,
    /// The whole of its stdin.
    pub stdin: &'a [u8],
    /// How long it may take, from its start, before it is killed with what it started.
    pub deadline: Duration,
    /// Whether what it says on stderr is kept for the caller. Otherwise its stderr is the caller's own.
    pub keeps_stderr: bool,
}

impl<'a> Execution<'a> {
    /// Describes a run.
    pub fn new(program: &'a Path, env: &'a Env, stdin: &'a [u8], deadline: Duration) -> Self {
        Self { program, args: &[], env, stdin, deadline, keeps_stderr: false }
    }

    /// With arguments.
    #[must_use]
    pub fn args(self, args: &'a [&'a str]) -> Self {
        Self { args, ..self }
    }

    /// With its stderr kept.
    #[must_use]
    pub fn keep_stderr(self) -> Self {
        Self { keeps_stderr: true, ..self }
    }
}

/// How a run of another plugin or program ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Executed {
    /// Whether its exit code was 0.
    pub success: bool,
    /// How it ended, in words: `exit status: 1`, `signal: 9 (SIGKILL)`.
    pub status: String,
    /// What it printed on stdout.
    pub stdout: Vec<u8>,
    /// What it said on stderr, where that was to be kept.
    pub stderr: Vec<u8>,
}

impl Executed {
    /// Describes an end.
    pub fn new(success: bool, status: impl Into<String>, stdout: impl Into<Vec<u8>>) -> Self {
        Self { success, status: status.into(), stdout: stdout.into(), stderr: Vec::new() }
    }

    /// With what it said on stderr.
    #[must_use]
    pub fn stderr(self, stderr: impl Into<Vec<u8>>) -> Self {
        Self { stderr: stderr.into(), ..self }
    }
}
