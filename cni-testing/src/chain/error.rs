//! Why a chain was not run to its end.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use cni_skel::types::{Command, DecodeError, ErrorObject, PluginName, SpecVersion, VersionError};
use thiserror::Error;

/// How much of what a plugin printed is quoted.
const QUOTED: usize = 300;

/// What ended a [`Chain`](crate::Chain): which plugin, at which command, and how.
#[derive(Debug)]
#[non_exhaustive]
pub struct ChainError {
    /// The command; none if the configuration itself is at fault.
    pub command: Option<Command>,
    /// The plugin; none if it was no plugin that failed.
    pub plugin: Option<PluginName>,
    /// What happened.
    pub failure: ChainFailure,
    /// What went wrong while a failed ADD was undone, if it was
    /// [to be undone](crate::Chain::add_or_undo).
    pub undo: Option<Box<Self>>,
}

impl ChainError {
    pub(super) fn new(command: Command, plugin: Option<&PluginName>, failure: ChainFailure) -> Self {
        Self { command: Some(command), plugin: plugin.cloned(), failure, undo: None }
    }

    /// The error object, if it is the plugin's own.
    pub fn object(&self) -> Option<&ErrorObject> {
        match &self.failure {
            ChainFailure::Refused(object) => Some(object),
            _ => None,
        }
    }
}

impl fmt::Display for ChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(command) = self.command {
            write!(f, "{command}")?;
            match &self.plugin {
                Some(plugin) => write!(f, " of plugin {plugin:?}: ", plugin = plugin.as_str())?,
                None => f.write_str(": ")?,
            }
        }
        write!(f, "{}", self.failure)?;
        if let Some(undo) = &self.undo {
            write!(f, "; and then {undo}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ChainError {}

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
    /// The configuration is none.
    #[error("{0}")]
    Conflist(DecodeError),
    /// A file of the configuration cannot be read.
    #[error("{}: {cause}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The configuration is of no known version.
    #[error("{0}")]
    Version(VersionError),
    /// The version of the configuration has no such command.
    #[error("version {0} of the specification has no such command")]
    NoSuchCommand(SpecVersion),
    /// There is no such plugin in the folders.
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
    /// The plugin printed something that is neither a result nor an error.
    #[error("it ended with {} and printed {what}: {}", status(.exit_code), quote(.stdout))]
    Garbage {
        /// The exit code; none after a signal.
        exit_code: Option<i32>,
        /// Why it is neither.
        what: String,
        /// What it printed.
        stdout: String,
    },
    /// The plugin failed without printing an error.
    #[error("it ended with {} and printed no error, but on stderr {}", status(.exit_code), quote(.stderr))]
    Silent {
        /// The exit code; none after a signal.
        exit_code: Option<i32>,
        /// What it printed on stderr.
        stderr: String,
    },
    /// The result of ADD is not in the cache.
    #[error("there is no cached result of an ADD")]
    NotAdded,
    /// The result of ADD cannot be read from the cache, or not be written to it.
    #[error("result cache {}: {why}", path.display())]
    Cache {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

fn list(folders: &[PathBuf]) -> String {
    match folders {
        [] => "no folder, because none was given".to_owned(),
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

/// The beginning of what a plugin printed, on one line and free of control characters.
fn quote(text: &str) -> String {
    let start: String = text.chars().take(QUOTED).collect();
    format!("{start:?}{}", if start.len() < text.len() { ".." } else { "" })
}
