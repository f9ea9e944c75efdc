//! The commands of the protocol, and the facts about each.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::SpecVersion;

/// An operation that a runtime asks of a plugin: variable
/// [`CNI_COMMAND`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#parameters).
///
/// ```
/// use cni_types::{Command, SpecVersion};
///
/// let command: Command = "CHECK".parse()?;
/// assert_eq!(command.since(), SpecVersion::V0_4_0);
/// assert!(command.required_variables().contains(&"CNI_NETNS"));
/// assert!("check".parse::<Command>().is_err());
/// # Ok::<(), cni_types::UnknownCommand>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Command {
    /// `ADD`: attaches a container to the network.
    Add,
    /// `DEL`: detaches a container from the network.
    Del,
    /// `CHECK`: verifies that an attachment is as ADD made it.
    Check,
    /// `GC`: removes everything that does not belong to a valid attachment.
    Gc,
    /// `STATUS`: reports whether the plugin is ready to serve ADD.
    Status,
    /// `VERSION`: reports the versions of the specification that the plugin supports.
    Version,
}

impl Command {
    /// All commands.
    pub const ALL: &'static [Self] =
        &[Self::Add, Self::Del, Self::Check, Self::Gc, Self::Status, Self::Version];

    /// The command as text, as in `CNI_COMMAND`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Del => "DEL",
            Self::Check => "CHECK",
            Self::Gc => "GC",
            Self::Status => "STATUS",
            Self::Version => "VERSION",
        }
    }

    /// The version of the specification that added the command.
    pub const fn since(self) -> SpecVersion {
        match self {
            Self::Add | Self::Del | Self::Version => SpecVersion::V0_1_0,
            Self::Check => SpecVersion::V0_4_0,
            Self::Gc | Self::Status => SpecVersion::V1_1_0,
        }
    }

    /// The environment variables that the command requires besides `CNI_COMMAND`.
    ///
    /// The specification requires `CNI_PATH` only for GC. A plugin that delegates needs it for the other commands too.
    pub const fn required_variables(self) -> &'static [&'static str] {
        match self {
            Self::Add | Self::Check => &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"],
            Self::Del => &["CNI_CONTAINERID", "CNI_IFNAME"],
            Self::Gc => &["CNI_PATH"],
            Self::Status | Self::Version => &[],
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Command {
    type Err = UnknownCommand;

    /// Parses the value of `CNI_COMMAND`, which is case-sensitive.
    ///
    /// # Errors
    /// If the text is not a command.
    fn from_str(text: &str) -> Result<Self, UnknownCommand> {
        Self::ALL
            .iter()
            .copied()
            .find(|command| command.as_str() == text)
            .ok_or_else(|| UnknownCommand(text.to_owned()))
    }
}

/// The error for a value of `CNI_COMMAND` that is not a command. Old runtimes compare its message with exactly this text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown CNI_COMMAND: {0}")]
pub struct UnknownCommand(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_parse_from_their_exact_text_only() {
        for &command in Command::ALL {
            assert_eq!(command.as_str().parse(), Ok(command));
        }
        let error = "add".parse::<Command>().unwrap_err();
        assert_eq!(error.to_string(), "unknown CNI_COMMAND: add");
    }
}
