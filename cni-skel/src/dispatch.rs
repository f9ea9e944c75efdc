//! From raw values to the handler and back to an answer, without touching the process.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use cni_types::{Command, PluginConfig, SpecVersion, VersionReply, negotiate};

use crate::context::Call;
use crate::invocation::{Target, invalid_environment, require, target};
use crate::panic::catch;
use crate::undo::UndoList;
use crate::{
    AddRequest, CheckRequest, Context, DelRequest, Env, Error, GcRequest, Host, Invocation, Netns, Plugin,
    Reply, Result, StatusRequest,
};

/// Answers one call: everything that happens between a process's input and its output.
///
/// [`run`](crate::run()) calls it with what the process was started with; a test calls it, through `cni-testing`, with
/// what it made up, and goes the same way. Whatever comes in, there is one answer: exit code 0 or 1, at most one
/// document.
pub fn dispatch<P: Plugin>(plugin: &P, invocation: Invocation, host: Arc<dyn Host>) -> Reply {
    let Invocation { env, stdin, program } = invocation;
    let supported = plugin.supported_versions();
    let Some(command) = env.get("CNI_COMMAND").map(|command| command.to_string_lossy().into_owned()) else {
        return about(P::ABOUT, &program.to_string_lossy(), supported);
    };
    let command = match command.parse::<Command>() {
        Ok(Command::Version) => return version(&stdin, supported),
        Ok(command) => command,
        // Old runtimes look for exactly this message, without details.
        Err(_) => {
            let error = invalid_environment(format!("unknown CNI_COMMAND: {command}"));
            return failure(&error, &stdin);
        }
    };
    let undo = Arc::new(UndoList::default());
    let mut notes = Vec::new();
    let handled = prepare(command, env, &stdin, supported, host, &undo)
        .and_then(|context| catch(|| handle(plugin, command, context, &mut notes)).flatten());
    let reply = match handled {
        Ok(document) => Reply::new(document, true).with_undo(undo),
        Err(error) => failure(&undone(error, &undo), &stdin),
    };
    reply.with_notes(notes)
}

/// Checks all that can be checked without the plugin.
fn prepare(
    command: Command,
    env: Env,
    stdin: &[u8],
    supported: &[SpecVersion],
    host: Arc<dyn Host>,
    undo: &Arc<UndoList>,
) -> Result<Context> {
    require(command, &env)?;
    let config = PluginConfig::parse(stdin)?;
    let version = negotiate(command, config.cni_version(), supported)?;
    Ok(Context::new(Call { env, config, version, host }, Arc::clone(undo)))
}

/// Makes the command's request, calls its handler, and gives back the document for stdout.
fn handle<P: Plugin>(
    plugin: &P,
    command: Command,
    context: Context,
    notes: &mut Vec<String>,
) -> Result<Option<String>> {
    let config = context.plugin_config().decode::<P::Config>()?;
    let version = context.cni_version();
    match command {
        Command::Add => {
            let Target { container_id, ifname, netns } = target(context.env())?;
            let netns = open_netns(&context, netns)?;
            refuse_own_netns(&context, &netns)?;
            let result = plugin.add(&AddRequest { container_id, ifname, netns, config, context })?;
            return Ok(Some(result.encode(version)?));
        }
        Command::Del => {
            let Target { container_id, ifname, netns } = target(context.env())?;
            let netns = netns.and_then(|path| netns_if_any(&context, path, notes));
            plugin.del(&DelRequest { container_id, ifname, netns, config, context })?;
        }
        Command::Check => {
            let Target { container_id, ifname, netns } = target(context.env())?;
            let netns = open_netns(&context, netns)?;
            plugin.check(&CheckRequest { container_id, ifname, netns, config, context })?;
        }
        Command::Gc => {
            let valid_attachments = context.plugin_config().valid_attachments()?;
            plugin.gc(&GcRequest { valid_attachments, config, context })?;
        }
        // VERSION has been answered before; it never comes to a handler.
        _ => plugin.status(&StatusRequest { config, context })?,
    }
    Ok(None)
}

fn open_netns(context: &Context, path: Option<PathBuf>) -> Result<Netns> {
    let path = path.ok_or_else(|| invalid_environment("required env variables [CNI_NETNS] missing"))?;
    context.call.host.open_netns(&path).map_err(|cause| {
        invalid_environment(format!("invalid CNI_NETNS: cannot open {}", path.display())).with_source(cause)
    })
}

/// The check comes before the handler, so that it protects what it is there to protect.
fn refuse_own_netns(context: &Context, netns: &Netns) -> Result<()> {
    if is_own(context, netns)? && !context.env().allows_own_netns() {
        let path = netns.path().display();
        return Err(invalid_environment(format!(
            "invalid CNI_NETNS: {path} is the plugin's own network namespace"
        )));
    }
    Ok(())
}

/// The namespace of a DEL, as long as it is the container's. DEL must not fail for ever because the namespace is gone
/// or its name leads elsewhere by now: the handler then cleans up what it left outside of it.
fn netns_if_any(context: &Context, path: PathBuf, notes: &mut Vec<String>) -> Option<Netns> {
    let ignored = match context.call.host.open_netns(&path) {
        Ok(netns) => match is_own(context, &netns) {
            Ok(false) => return Some(netns),
            Ok(true) if context.env().allows_own_netns() => return Some(netns),
            Ok(true) => "it is the plugin's own network namespace".to_owned(),
            Err(error) => error.to_string(),
        },
        Err(gone) if gone.kind() == ErrorKind::NotFound => return None,
        Err(other) => other.to_string(),
    };
    notes.push(format!("CNI_NETNS={} is left alone: {ignored}", path.display()));
    None
}

fn is_own(context: &Context, netns: &Netns) -> Result<bool> {
    context
        .call
        .host
        .is_own_netns(netns)
        .map_err(|cause| Error::io("cannot look at the plugin's own network namespace", cause))
}

/// Undoes a failed call and adds to its error what could not be undone.
fn undone(error: Error, undo: &UndoList) -> Error {
    match undo.run() {
        Ok(()) => error,
        Err(left) => {
            let details = [error.details(), Some(left.msg().to_owned()), left.details()];
            let details: Vec<_> = details.into_iter().flatten().collect();
            Error::new(error.code(), error.msg()).with_details(details.join("; "))
        }
    }
}

/// An error object, in the version that the request was made in as far as that can be told.
fn failure(error: &Error, stdin: &[u8]) -> Reply {
    let version = PluginConfig::version_of(stdin);
    let version = version.unwrap_or_else(|| SpecVersion::NEWEST.as_str().to_owned());
    Reply::new(Some(error.to_object(version).encode()), false)
}

/// The answer to VERSION. It echoes the version that the runtime asked in, even one that nobody knows.
fn version(stdin: &[u8], supported: &[SpecVersion]) -> Reply {
    let asked = PluginConfig::version_of(stdin);
    let newest = || supported.iter().max().unwrap_or(&SpecVersion::NEWEST).as_str().to_owned();
    let reply =
        VersionReply::new(asked.unwrap_or_else(newest), supported.iter().map(|version| version.as_str()));
    Reply::new(Some(reply.encode() + "\n"), true)
}

/// What a person gets who starts the plugin by hand: text on stderr, and success.
fn about(about: &str, program: &str, supported: &[SpecVersion]) -> Reply {
    let about = if about.is_empty() { format!("CNI plugin {program}") } else { about.to_owned() };
    let supported: Vec<_> = supported.iter().map(|version| version.as_str()).collect();
    let versions = format!("CNI protocol versions supported: {}", supported.join(", "));
    Reply::new(None, true).with_notes(vec![about, versions])
}
