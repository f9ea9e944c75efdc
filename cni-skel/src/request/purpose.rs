//! What a process was started for: a command of the specification, or a question from a person.

use std::ffi::OsString;

use cni_types::Command;

use crate::Env;

/// What a process was started for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To answer a question from a person.
    Question(Question),
    /// To carry out a command.
    Command(Command),
    /// Variable `CNI_COMMAND` is not a command of the specification.
    UnknownCommand(String),
}

/// What a person asks for by starting a plugin by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// There is no command and no argument.
    NoCommand,
    /// `--help`
    Help,
    /// `--version`
    Version,
    /// `--schema`
    Schema,
    /// Any other argument.
    Unknown(OsString),
}

impl Purpose {
    /// Determines the purpose from the command and the arguments. An option takes precedence over a command, which may be left
    /// over in the shell's environment. Any other argument does not, because the reference library ignores arguments, and a
    /// wrapper that adds one must not leave a container without network.
    pub(crate) fn of(env: &Env, args: &[OsString]) -> Self {
        let command = env.get("CNI_COMMAND");
        let question = match args {
            [] => Question::NoCommand,
            [only] => match only.to_str() {
                Some("--help" | "-h") => return Self::Question(Question::Help),
                Some("--version" | "-V") => return Self::Question(Question::Version),
                Some("--schema") => return Self::Question(Question::Schema),
                _ => Question::Unknown(only.clone()),
            },
            [first, second, ..] => {
                let options = ["--help", "-h", "--version", "-V", "--schema"];
                let is_option = first.to_str().is_some_and(|first| options.contains(&first));
                Question::Unknown(if is_option { second } else { first }.clone())
            }
        };
        let Some(command) = command else { return Self::Question(question) };
        let command = command.to_string_lossy();
        command.parse().map_or_else(|_| Self::UnknownCommand(command.into_owned()), Self::Command)
    }
}
