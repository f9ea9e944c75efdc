//! Errors of a chain.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use cni_skel::types::{Command, DecodeError, ErrorObject, PluginName, SpecVersion, VersionError};
use thiserror::Error;

/// How many characters of a plugin's output are quoted.
const QUOTED: usize = 300;

/// Why a [`Chain`](crate::Chain) stopped: the command, the plugin, and the failure.
#[derive(Debug, Error)]
#[error("{}", self.text())]
#[non_exhaustive]
pub struct ChainError {
    /// The command, or `None` if the configuration is invalid.
    pub command: Option<Command>,
    /// The plugin, or `None` if no plugin failed.
    pub plugin: Option<PluginName>,
    /// The failure.
    pub failure: ChainFailure,
    /// The error of the DEL after a failed ADD, if the chain [was to undo it](crate::Chain::add_or_undo).
    pub undo: Option<Box<Self>>,
}

impl ChainError {
    fn text(&self) -> String {
        let task = match (self.command, &self.plugin) {
            (Some(command), Some(plugin)) => format!("{command} of plugin {:?}: ", plugin.as_str()),
            (Some(command), None) => format!("{command}: "),
            (None, _) => String::new(),
        };
        let undo = self.undo.as_ref().map(|undo| format!("; then {undo}")).unwrap_or_default();
        format!("{task}{}{undo}", self.failure)
    }

    pub(super) fn new(command: Command, plugin: Option<&PluginName>, failure: ChainFailure) -> Self {
        Self { command: Some(command), plugin: plugin.cloned(), failure, undo: None }
    }

    /// Returns the error object that the plugin printed, if it printed one.
    pub fn object(&self) -> Option<&ErrorObject> {
        match &self.failure {
            ChainFailure::Refused(object) => Some(object),
            _ => None,
        }
    }
}

impl From<DecodeError> for ChainError {
    fn from(cause: DecodeError) -> Self {
        Self { command: None, plugin: None, failure: ChainFailure::Conflist(cause), undo: None }
    }
}

impl From<VersionError> for ChainError {
    fn from(cause: VersionError) -> Self {
        Self { command: None, plugin: None, failure: ChainFailure::Version(cause), undo: None }
    }
}

/// How a [`Chain`](crate::Chain) failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ChainFailure {
    /// The configuration is not valid.
    #[error("{0}")]
    Conflist(DecodeError),
    /// A file of the configuration cannot be read.
    #[error("{}: {cause}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        cause: io::Error,
    },
    /// No version of the configuration is known.
    #[error("{0}")]
    Version(VersionError),
    /// The version of the configuration has no such command.
    #[error("version {0} of the specification has no such command")]
    NoSuchCommand(SpecVersion),
    /// The plugin is not in any of the folders.
    #[error("there is no such plugin in {}", list(.0))]
    NotFound(Vec<PathBuf>),
    /// The plugin could not be run.
    #[error("{0}")]
    NotRun(io::Error),
    /// The plugin did not end in time and was killed.
    #[error("it did not end within {0:?} and was killed")]
    TimedOut(Duration),
    /// The plugin failed, with this error.
    #[error("{}", describe(.0))]
    Refused(ErrorObject),
    /// The plugin printed something that is neither a valid result nor a valid error.
    #[error("it ended with {} and printed {what}: {}", status(.exit_code), quote(.stdout))]
    Garbage {
        /// The exit code, or `None` after a signal.
        exit_code: Option<i32>,
        /// What was invalid.
        what: String,
        /// Everything the plugin printed on stdout.
        stdout: String,
    },
    /// The plugin failed without printing an error.
    #[error("it ended with {} and printed no error, but on stderr {}", status(.exit_code), quote(.stderr))]
    Silent {
        /// The exit code, or `None` after a signal.
        exit_code: Option<i32>,
        /// Everything the plugin printed on stderr.
        stderr: String,
    },
    /// The cache has no result of ADD.
    #[error("there is no cached result of an ADD")]
    NotAdded,
    /// The cache cannot be read or written.
    #[error("result cache {}: {why}", path.display())]
    Cache {
        /// The file.
        path: PathBuf,
        /// The cause.
        why: String,
    },
}

fn list(folders: &[PathBuf]) -> String {
    match folders {
        [] => "no folder: none was given".to_owned(),
        folders => folders.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", "),
    }
}

fn describe(object: &ErrorObject) -> String {
    let details = object.details.as_ref().map(|details| format!(": {details}")).unwrap_or_default();
    format!("code {}, {}{details}", object.code.get(), object.msg)
}

fn status(exit_code: &Option<i32>) -> String {
    exit_code.map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"))
}

/// The beginning of a plugin's output, on one line and without control characters.
fn quote(text: &str) -> String {
    let start: String = text.chars().take(QUOTED).collect();
    format!("{start:?}{}", if start.len() < text.len() { ".." } else { "" })
}
