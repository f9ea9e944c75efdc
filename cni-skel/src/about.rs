//! What a person gets who starts a plugin by hand.

use std::ffi::OsString;

use cni_types::SpecVersion;

use crate::panic::catch;
use crate::{Env, Plugin, Reply};

/// What a person wants to know. A runtime gives no arguments, and always a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// Neither command nor arguments.
    WhoAreYou,
    /// `--help`
    Help,
    /// `--version`
    Version,
    /// `--schema`
    Schema,
    /// Anything else.
    Unknown(OsString),
}

impl Question {
    /// What is asked, unless this is a call. One of the options comes before a command, which may be left over in the
    /// shell's environment. Any other argument does not: the reference library never looks at them, so a wrapper that
    /// adds one must not take a container's network away.
    pub(crate) fn of(env: &Env, args: &[OsString]) -> Option<Self> {
        let is_call = env.get("CNI_COMMAND").is_some();
        let Some(first) = args.first() else { return (!is_call).then_some(Self::WhoAreYou) };
        match (first.to_str(), &args[1..]) {
            (Some("--help" | "-h"), []) => Some(Self::Help),
            (Some("--version" | "-V"), []) => Some(Self::Version),
            (Some("--schema"), []) => Some(Self::Schema),
            (Some("--help" | "-h" | "--version" | "-V" | "--schema"), [second, ..]) if !is_call => {
                Some(Self::Unknown(second.clone()))
            }
            _ => (!is_call).then(|| Self::Unknown(first.clone())),
        }
    }
}

/// Answers a person: text on stderr, because stdout carries JSON or nothing, and the schema on stdout.
#[cold]
pub(crate) fn answer<P: Plugin>(question: &Question, plugin: &P, program: &str) -> Reply {
    let about = if P::ABOUT.is_empty() { format!("CNI plugin {program}") } else { P::ABOUT.to_owned() };
    match question {
        Question::WhoAreYou | Question::Version => told(vec![about, versions(plugin)]),
        Question::Help => told(vec![about, versions(plugin), help(program, P::SCHEMA.is_some())]),
        Question::Schema => match P::SCHEMA {
            Some(schema) => Reply::new(Some(format!("{}\n", schema.trim_end())), true),
            None => refused(format!("{program} has no schema of its configuration")),
        },
        Question::Unknown(argument) => refused(format!(
            "{program}: unexpected argument {argument:?}; try --help, or set CNI_COMMAND to make a call"
        )),
    }
}

fn told(lines: Vec<String>) -> Reply {
    Reply::new(None, true).with_notes(lines)
}

fn refused(why: String) -> Reply {
    Reply::new(None, false).with_notes(vec![why])
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
