//! The replies to a person who starts a plugin by hand.

use cni_types::SpecVersion;

use crate::log::Stderr;
use crate::reply::panic::catch;
use crate::request::Question;
use crate::{Plugin, Reply};

/// Replies to a person. Text goes to stderr, because stdout carries JSON or nothing. The schema is JSON.
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
                stderr.line(&format!("{program} has no schema"));
                Reply::new(None, false)
            }
        },
        Question::Unknown(argument) => {
            stderr.line(&format!(
                "{program}: unexpected argument {argument:?}; try --help, or set CNI_COMMAND to call the plugin"
            ));
            Reply::new(None, false)
        }
    }
}

/// Prints what the plugin is and which versions of the specification it supports.
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
    let schema = if has_schema {
        "\n  --schema   print the JSON Schema of the network configuration on stdout"
    } else {
        ""
    };
    format!(
        "
A container runtime calls this program without arguments. The command is in the environment,
the network configuration is on stdin, and the result is printed on stdout.

usage: {program} [option]
  --help     print this text
  --version  print what the plugin is and the protocol versions that it supports{schema}

environment variables of a call:
  CNI_COMMAND      ADD, DEL, CHECK, GC, STATUS or VERSION
  CNI_CONTAINERID  id of the container
  CNI_NETNS        path of the container's network namespace
  CNI_IFNAME       name of the interface in the container
  CNI_ARGS         additional arguments: KEY=value;KEY=value
  CNI_PATH         folders with plugins

log, on stderr:
  CNI_LOG          off (the default), error, warn, info or debug; key logLevel of the
                   network configuration takes precedence
  CNI_LOG_FILE     absolute path of a file to append the log to"
    )
}
