//! What a call needs from outside: other plugins, programs and network namespaces.

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cni_types::PluginName;

#[cfg(feature = "net")]
use crate::Error;
#[cfg(feature = "net")]
use crate::net::Net;
use crate::{Env, Netns, Result};

/// What a call needs from the machine, besides its request.
///
/// Plugins run on [`System`](crate::System). Implement this trait only for tests, as `cni-testing` does with fake namespaces and
/// scripted delegates.
pub trait Host: Debug + Send + Sync {
    /// Finds the program of a plugin in the folders of `CNI_PATH`.
    ///
    /// # Errors
    /// Code 5 if no folder has it, naming the plugin and the folders.
    fn find_plugin(&self, name: &PluginName, folders: &[PathBuf]) -> Result<PathBuf>;

    /// Returns whether a plugin's name is that of the running program.
    ///
    /// An IPAM plugin gets the whole configuration of the plugin that calls it, so it finds its own name in `ipam.type`. A
    /// plugin that called itself would never end.
    fn is_this_program(&self, name: &PluginName) -> bool {
        let _ = name;
        false
    }

    /// Finds a program that is not a plugin, in the folders of the call's `PATH`.
    ///
    /// The machine also looks in the folders for administrators' programs, which need not be in the `PATH` of a runtime.
    fn find_program(&self, name: &str, env: &Env) -> Option<PathBuf> {
        let path = env.get("PATH").unwrap_or_default();
        let mut folders = std::env::split_paths(path).filter(|folder| folder.is_absolute());
        folders.find_map(|folder| Some(folder.join(name)).filter(|program| program.is_file()))
    }

    /// Starts another plugin or program.
    ///
    /// # Errors
    /// The program cannot be started.
    fn start(&self, execution: &Execution<'_>) -> io::Result<Box<dyn Child>>;

    /// Runs another plugin or program to its end.
    ///
    /// # Errors
    /// The program cannot be started; and those of [`Child::finish`].
    fn execute(&self, execution: &Execution<'_>) -> io::Result<Output> {
        self.start(execution)?.finish()
    }

    /// Opens a network namespace.
    ///
    /// # Errors
    /// `path` does not exist, or leads to something other than a network namespace.
    fn open_netns(&self, path: &Path) -> io::Result<Netns>;

    /// Returns whether this is the namespace that the plugin itself runs in.
    ///
    /// # Errors
    /// The plugin's own namespace cannot be read.
    fn is_own_netns(&self, netns: &Netns) -> io::Result<bool>;

    /// Opens the network of the namespace that the plugin itself runs in.
    ///
    /// # Errors
    /// Code 999 if the host has no network, which is the default, or if no netlink socket can be opened.
    #[cfg(feature = "net")]
    fn net(&self) -> Result<Net> {
        Err(Error::new(cni_types::ErrorCode::INTERNAL, "this host has no network"))
    }
}

/// A plugin or program that was started.
///
/// Dropping it waits for its end, at most until its timeout, and then kills it.
pub trait Child: Debug + Send {
    /// Waits for its end.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] if it did not end in time and was killed; [`io::ErrorKind::FileTooLarge`] if it printed
    /// more than 16 MiB and was killed.
    fn finish(self: Box<Self>) -> io::Result<Output>;
}

/// A child that has ended already.
impl Child for Output {
    fn finish(self: Box<Self>) -> io::Result<Output> {
        Ok(*self)
    }
}

/// One run of a plugin or program.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Execution<'a> {
    /// The program, as [`Host::find_plugin`] found it.
    pub program: &'a Path,
    /// Its arguments. A plugin has none.
    pub args: &'a [&'a str],
    /// Its whole environment.
    pub env: &'a Env,
    /// The whole of its stdin.
    pub stdin: &'a [u8],
    /// How long it may take from its start. Then it is killed with the processes that it started.
    pub timeout: Duration,
    /// Whether its stderr is kept for the caller. Otherwise it shares the caller's.
    pub keeps_stderr: bool,
}

impl<'a> Execution<'a> {
    /// Describes a run without arguments that shares the caller's stderr.
    pub fn new(program: &'a Path, env: &'a Env, stdin: &'a [u8], timeout: Duration) -> Self {
        Self { program, args: &[], env, stdin, timeout, keeps_stderr: false }
    }

    /// Sets the arguments.
    #[must_use]
    pub fn args(self, args: &'a [&'a str]) -> Self {
        Self { args, ..self }
    }

    /// Keeps the stderr for the caller.
    #[must_use]
    pub fn keep_stderr(self) -> Self {
        Self { keeps_stderr: true, ..self }
    }
}

/// How a plugin or program ended, and what it printed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Output {
    /// Whether the exit code was 0.
    pub success: bool,
    /// How it ended: `exit status: 1`, `signal: 9 (SIGKILL)`.
    pub status: String,
    /// What it printed on stdout.
    pub stdout: Vec<u8>,
    /// What it printed on stderr, if that was kept.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Describes an end without stderr.
    pub fn new(success: bool, status: impl Into<String>, stdout: impl Into<Vec<u8>>) -> Self {
        Self { success, status: status.into(), stdout: stdout.into(), stderr: Vec::new() }
    }

    /// Sets what it printed on stderr.
    #[must_use]
    pub fn stderr(self, stderr: impl Into<Vec<u8>>) -> Self {
        Self { stderr: stderr.into(), ..self }
    }
}
