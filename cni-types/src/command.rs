//! The commands of the protocol, and the facts about each of them.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::SpecVersion;

/// What a runtime asks of a plugin: variable
/// [`CNI_COMMAND`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#parameters).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Command {
    /// `ADD`: attach a container to the network.
    Add,
    /// `DEL`: undo an ADD.
    Del,
    /// `CHECK`: look whether an attachment is as ADD made it.
    Check,
    /// `GC`: remove what belongs to no valid attachment.
    Gc,
    /// `STATUS`: tell whether ADD could be served.
    Status,
    /// `VERSION`: tell which versions of the specification the plugin speaks.
    Version,
}

impl Command {
    /// All commands.
    pub const ALL: &'static [Self] =
        &[Self::Add, Self::Del, Self::Check, Self::Gc, Self::Status, Self::Version];

    /// The command as `CNI_COMMAND` names it.
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

    /// The version of the specification that introduced it.
    pub const fn since(self) -> SpecVersion {
        match self {
            Self::Add | Self::Del | Self::Version => SpecVersion::V0_1_0,
            Self::Check => SpecVersion::V0_4_0,
            Self::Gc | Self::Status => SpecVersion::V1_1_0,
        }
    }

    /// The environment variables, besides `CNI_COMMAND`, without which it cannot be served. `CNI_PATH` is optional
    /// in the specification for all but GC, and whoever delegates finds out.
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
    /// When it is no command.
    fn from_str(text: &str) -> Result<Self, UnknownCommand> {
        Self::ALL
            .iter()
            .copied()
            .find(|command| command.as_str() == text)
            .ok_or_else(|| UnknownCommand(text.to_owned()))
    }
}

/// A value of `CNI_COMMAND` that is no command. Old runtimes look for exactly this message.
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
