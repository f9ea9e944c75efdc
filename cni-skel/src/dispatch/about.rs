//! What a person gets who starts a plugin by hand.

use cni_types::SpecVersion;

use crate::log::Stderr;
use crate::reply::panic::catch;
use crate::request::Question;
use crate::{Plugin, Reply};

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

log, on stderr:
  CNI_LOG          off (the default), error, warn, info or debug; key logLevel of the
                   network configuration takes precedence
  CNI_LOG_FILE     absolute path of a file that gets the lines too"
    )
}
