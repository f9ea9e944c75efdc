//! From raw values to the handler and back to an answer, without touching the process.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cni_types::{Command, ErrorObject, PluginConfig, SpecVersion, VersionReply, negotiate};

use crate::about::Question;
use crate::context::Call;
use crate::invocation::{Target, invalid_environment, require, target};
use crate::log::Caller;
use crate::panic::{catch, let_go};
use crate::undo::UndoList;
use crate::{
    AddRequest, CheckRequest, Context, DelRequest, Env, Error, GcRequest, Host, Invocation, Level, Log,
    Netns, Plugin, Reply, Result, StatusRequest, about, debug, error, panic, warn,
};

/// Answers one call: everything that happens between a process's input and its output.
///
/// [`run`](crate::run()) calls it with what the process was started with; a test calls it, through `cni-testing`, with
/// what it made up, and goes the same way. Whatever comes in, there is one answer: exit code 0 or 1, at most one
/// document.
pub fn dispatch<P: Plugin>(plugin: &P, invocation: Invocation, host: Arc<dyn Host>) -> Reply {
    if let Some(question) = Question::of(&invocation.env, &invocation.args) {
        let program = Path::new(&invocation.program);
        return about::answer(&question, plugin, &program.file_name().unwrap_or_default().to_string_lossy());
    }
    let Invocation { env, stdin, program, log_to_stderr, .. } = invocation;
    let supported = match catch(|| plugin.supported_versions()) {
        Ok(supported) => supported,
        Err(error) => return failure(error, &stdin),
    };
    let command = env.get("CNI_COMMAND").unwrap_or_default().to_string_lossy();
    let command = match command.parse::<Command>() {
        Ok(Command::Version) => return version(&stdin, supported),
        Ok(command) => command,
        // Old runtimes look for exactly this message, without details.
        Err(_) => {
            let error = invalid_environment(format!("unknown CNI_COMMAND: {command}"));
            return failure(error, &stdin);
        }
    };
    let config = PluginConfig::parse(&stdin).map_err(Error::from);
    let mut notes = Vec::new();
    let log = Log::open(
        &Caller {
            command,
            program: Path::new(&program),
            env: &env,
            config: config.as_ref().ok(),
            to_stderr: log_to_stderr,
        },
        &mut notes,
    );
    debug!(
        log,
        "received {} bytes on stdin, CNI_NETNS={}, CNI_ARGS={}, CNI_PATH={}",
        stdin.len(),
        env.get("CNI_NETNS").unwrap_or_default().display(),
        env.get("CNI_ARGS").unwrap_or_default().display(),
        env.get("CNI_PATH").unwrap_or_default().display(),
    );
    let undo = Arc::new(UndoList::new(log.clone()));
    let handled = prepare(command, &env, config, supported).and_then(|(config, version)| {
        let context = Context::new(Call { env, config, version, host, log: log.clone() }, Arc::clone(&undo));
        catch(|| handle(plugin, command, context, &mut notes)).flatten()
    });
    let reply = match handled {
        Ok(document) => {
            debug!(log, "done, {} bytes for stdout", document.as_ref().map_or(0, String::len));
            Reply::new(document, true).with_undo(undo)
        }
        Err(error) => {
            let object = object(undone(with_panics(error), &undo), &stdin);
            let ErrorObject { code, msg, details, .. } = &object;
            error!(log, "failed with code {code}: {msg}: {}", details.as_deref().unwrap_or("no details"));
            Reply::new(Some(object.encode()), false)
        }
    };
    notes.extend(log.take_kept());
    reply.with_notes(notes)
}

/// Checks all that can be checked without the plugin.
fn prepare(
    command: Command,
    env: &Env,
    config: Result<PluginConfig>,
    supported: &[SpecVersion],
) -> Result<(PluginConfig, SpecVersion)> {
    require(command, env)?;
    let config = config?;
    let version = negotiate(command, config.cni_version(), supported)?;
    Ok((config, version))
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
    let note = format!("CNI_NETNS={} is left alone: {ignored}", path.display());
    if context.log().is_on(Level::Warn) {
        warn!(context.log(), "{note}");
    } else {
        notes.push(note.replace(char::is_control, "?"));
    }
    None
}

fn is_own(context: &Context, netns: &Netns) -> Result<bool> {
    context
        .call
        .host
        .is_own_netns(netns)
        .map_err(|cause| Error::io("cannot look at the plugin's own network namespace", cause))
}

/// Adds where threads panicked to an error that a handler returned: most likely it is about that. Code and message stay
/// the handler's, which knew what it did.
fn with_panics(error: Error) -> Error {
    match panic::places() {
        Some(places) => with_more(error, [format!("a thread panicked: {places}")]),
        None => error,
    }
}

/// Undoes a failed call and adds to its error what could not be undone.
fn undone(error: Error, undo: &UndoList) -> Error {
    match undo.run() {
        Ok(()) => error,
        Err(left) => with_more(error, [left.msg().to_owned()].into_iter().chain(left.details())),
    }
}

/// Adds to the details of an error. What cannot be asked for its details without a panic stays as it is.
fn with_more(error: Error, more: impl IntoIterator<Item = String>) -> Error {
    let Ok(details) = catch(|| error.details()) else { return error };
    let details: Vec<_> = details.into_iter().chain(more).collect();
    let whole = Error::new(error.code(), error.msg()).with_details(details.join("; "));
    let_go(error);
    whole
}

/// The answer to a call that failed before there was anything to undo.
fn failure(error: Error, stdin: &[u8]) -> Reply {
    Reply::new(Some(object(error, stdin).encode()), false)
}

/// An error object, in the version that the request was made in as far as that can be told.
fn object(error: Error, stdin: &[u8]) -> ErrorObject {
    let version = PluginConfig::version_of(stdin);
    let version = version.unwrap_or_else(|| SpecVersion::NEWEST.as_str().to_owned());
    // The causes of an error are an author's too, and tell about themselves only now.
    let object = catch(|| error.to_object(&version)).unwrap_or_else(|panic| panic.to_object(&version));
    let_go(error);
    object
}

/// The answer to VERSION. It echoes the version that the runtime asked in, even one that nobody knows.
fn version(stdin: &[u8], supported: &[SpecVersion]) -> Reply {
    let asked = PluginConfig::version_of(stdin);
    let newest = || supported.iter().max().unwrap_or(&SpecVersion::NEWEST).as_str().to_owned();
    let reply =
        VersionReply::new(asked.unwrap_or_else(newest), supported.iter().map(|version| version.as_str()));
    Reply::new(Some(reply.encode() + "\n"), true)
}
