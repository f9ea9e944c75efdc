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

    /// Runs another plugin to its end.
    ///
    /// # Errors
    /// When it cannot be started, and with [`io::ErrorKind::TimedOut`] when it did not end within its time and was
    /// killed.
    fn execute(&self, execution: &Execution<'_>) -> io::Result<Executed>;

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

/// One run of another plugin.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Execution<'a> {
    /// The program, as [`Host::find_plugin`] found it.
    pub program: &'a Path,
    /// The whole environment that it gets.
    pub env: &'a Env,
    /// The whole of its stdin.
    pub stdin: &'a [u8],
    /// How long it may take before it is killed.
    pub deadline: Duration,
}

impl<'a> Execution<'a> {
    /// Describes a run.
    pub fn new(program: &'a Path, env: &'a Env, stdin: &'a [u8], deadline: Duration) -> Self {
        Self { program, env, stdin, deadline }
    }
}

/// How a run of another plugin ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Executed {
    /// Whether its exit code was 0.
    pub success: bool,
    /// How it ended, in words: `exit status: 1`, `signal: 9 (SIGKILL)`.
    pub status: String,
    /// What it printed on stdout.
    pub stdout: Vec<u8>,
}

impl Executed {
    /// Describes an end.
    pub fn new(success: bool, status: impl Into<String>, stdout: impl Into<Vec<u8>>) -> Self {
        Self { success, status: status.into(), stdout: stdout.into() }
    }
}
