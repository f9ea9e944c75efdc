//! What a person gets who starts a plugin by hand.

use std::ffi::OsString;

use cni_types::{Command, SpecVersion};

use crate::log::Stderr;
use crate::reply::panic::catch;
use crate::{Env, Plugin, Reply};

/// What a process was started for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To answer a person.
    Question(Question),
    /// To carry out a command.
    Command(Command),
    /// Variable `CNI_COMMAND` names no command of the specification.
    UnknownCommand(String),
}

/// What a person asks by starting a plugin by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// Neither command nor arguments.
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
    /// Reads the command and the arguments. One of the options takes precedence over a command, which may be left over in the
    /// shell's environment. Any other argument does not: the reference library never looks at arguments, so a wrapper that
    /// adds one must not take a container's network away.
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

/// Answers a person: text on stderr, because stdout carries JSON or nothing, and the schema on stdout.
#[cold]
pub(crate) fn answer<P: Plugin>(question: &Question, plugin: &P, program: &str, stderr: &Stderr) -> Reply {
    match question {
        Question::NoCommand | Question::Version => {
            introduce(plugin, program, stderr);
            Reply::new(None, true)
        }
        Question::Help => {
            introduce(plugin, program, stderr);
            stderr.line(&help(program, P::SCHEMA.is_some()));
            Reply::new(None, true)
        }
        Question::Schema => match P::SCHEMA {
            Some(schema) => Reply::new(Some(format!("{}\n", schema.trim_end())), true),
            None => {
                stderr.line(&format!("{program} has no schema of its configuration"));
                Reply::new(None, false)
            }
        },
        Question::Unknown(argument) => {
            stderr.line(&format!(
                "{program}: unexpected argument {argument:?}; try --help, or set CNI_COMMAND to make a call"
            ));
            Reply::new(None, false)
        }
    }
}

/// Says what the plugin is and which versions of the specification it supports.
fn introduce<P: Plugin>(plugin: &P, program: &str, stderr: &Stderr) {
    if P::ABOUT.is_empty() {
        stderr.line(&format!("CNI plugin {program}"));
    } else {
        stderr.line(P::ABOUT);
    }
    stderr.line(&versions(plugin));
}

fn versions<P: Plugin>(plugin: &P) -> String {
    let supported = catch(|| plugin.supported_versions()).unwrap_or_default();
    let supported: Vec<_> = supported.iter().copied().map(SpecVersion::as_str).collect();
    format!("CNI protocol versions supported: {}", supported.join(", "))
}

fn help(program: &str, has_schema: bool) -> String {
    let schema =
        if has_schema { "\n  --schema   the network configuration as JSON Schema, on stdout" } else { "" };
    format!(
        "
A container runtime calls it, without arguments: the command is in the environment, the
network configuration on stdin, the answer on stdout.

usage: {program} [option]
  --help     this text
  --version  what it is, and the versions of the protocol that it speaks{schema}

environment of a call:
  CNI_COMMAND      ADD, DEL, CHECK, GC, STATUS or VERSION
  CNI_CONTAINERID  the container
  CNI_NETNS        the path of its network namespace
  CNI_IFNAME       the interface inside it
  CNI_ARGS         more arguments: KEY=value;KEY=value
  CNI_PATH         the folders that other plugins are in

log, on stderr; a key of the network configuration counts more than its variable:
  CNI_LOG          key logLevel: off (unless told otherwise), error, warn, info or debug
  CNI_LOG_FILE     key logFile: a file that gets the lines too, by its absolute path"
    )
}
