//! From raw values to the handler, and back to a reply. It does not touch the process.

mod about;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use cni_types::{
    AddResult, Command, DecodeError, ErrorObject, Interface, PluginConfig, SpecVersion, VersionReply,
    negotiate,
};

use crate::log::Caller;
use crate::log::Stderr;
use crate::reply::UndoList;
use crate::reply::panic::{self, catch, drop_without_unwinding};
use crate::request::{Call, Purpose, Target, invalid_environment, require, target};
use crate::{
    AddRequest, CheckRequest, Context, DelRequest, Env, Error, GcRequest, Host, Invocation, Log, Netns,
    Plugin, Reply, Result, StatusRequest, debug, error,
};

/// Makes one call of a plugin: everything between the input and the output of a process.
///
/// [`run`](crate::run()) does the same with the input of the process. Tests use `dispatch`, through `cni-testing`. For any input,
/// the reply has exit code 0 or 1 and at most one document.
///
/// Several calls in one process, one after the other, at the same time or nested, share nothing. A call reports the panics on
/// its own thread. The panic of a thread that a handler starts is reported only by the call of [`run`](crate::run()).
pub fn dispatch<P: Plugin>(plugin: &P, invocation: Invocation, host: Arc<dyn Host>) -> Reply {
    let purpose = Purpose::of(&invocation.env, &invocation.args);
    panic::isolate(|| respond(plugin, purpose, invocation, host, |_| ()))
}

/// Replies to a call whose purpose is known. `before_handler` gets the version of a possible error object.
pub(crate) fn respond<P: Plugin>(
    plugin: &P,
    purpose: Purpose,
    invocation: Invocation,
    host: Arc<dyn Host>,
    before_handler: impl FnOnce(&str),
) -> Reply {
    let Invocation { env, stdin, program, log_to_stderr, stdout, .. } = invocation;
    let stderr = if log_to_stderr { Stderr::of_process() } else { Stderr::kept() };
    let command = match purpose {
        Purpose::Question(question) => {
            let program = Path::new(&program).file_name().unwrap_or_default().to_string_lossy();
            let reply = about::answer(&question, plugin, &program, &stderr);
            return reply.with_stderr(stderr.take());
        }
        // Old runtimes expect exactly this message, without details.
        Purpose::UnknownCommand(command) => {
            let error = invalid_environment(format!("unknown CNI_COMMAND: {command}"));
            return failed(error, &version_of(&stdin));
        }
        Purpose::Command(command) => command,
    };
    let supported = match catch(|| plugin.supported_versions()) {
        Ok(supported) => supported,
        Err(error) => return failed(error, &version_of(&stdin)),
    };
    if command == Command::Version {
        return version_reply(&stdin, supported);
    }
    let config = PluginConfig::parse(&stdin);
    let cni_version = match &config {
        Ok(config) => or_newest(config.get("cniVersion").ok().flatten()),
        Err(_) => version_of(&stdin),
    };
    before_handler(&cni_version);
    let log = Log::open(&Caller {
        command,
        program: Path::new(&program),
        env: &env,
        config: config.as_ref().ok(),
        stderr: stderr.clone(),
        stdout,
    });
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
        let context = Context::new(Call::new(env, config, version, host, log.clone()), Arc::clone(&undo));
        catch(|| handle(plugin, command, context)).flatten()
    });
    let reply = match handled {
        Ok(document) => {
            debug!(log, "done, {} bytes for stdout", document.as_ref().map_or(0, String::len));
            Reply::new(document, true).with_undo(undo)
        }
        Err(error) => {
            let object = error_object(undo_all(add_panics(error), &undo), &cni_version);
            let ErrorObject { code, msg, details, .. } = &object;
            error!(log, "failed with code {code}: {msg}: {}", details.as_deref().unwrap_or("no details"));
            Reply::new(Some(object.encode()), false)
        }
    };
    reply.with_stderr(stderr.take())
}

/// Checks everything that does not need the plugin.
fn prepare(
    command: Command,
    env: &Env,
    config: Result<PluginConfig, DecodeError>,
    supported: &[SpecVersion],
) -> Result<(PluginConfig, SpecVersion)> {
    require(command, env)?;
    let config = config?;
    let version = negotiate(command, config.cni_version(), supported)?;
    Ok((config, version))
}

/// Creates the command's request, calls its handler, and returns the document for stdout.
fn handle<P: Plugin>(plugin: &P, command: Command, context: Context) -> Result<Option<String>> {
    let version = context.cni_version();
    let decode = || context.plugin_config().decode::<P::Config>();
    match command {
        Command::Add => {
            let Target { container_id, ifname, netns } = target(context.env())?;
            let netns = open_netns(&context, netns)?;
            refuse_own_netns(&context, &netns)?;
            let config = decode()?;
            let req = AddRequest { container_id, ifname, netns, config, context };
            let mut result = plugin.add(&req)?;
            remove_newer_keys(&mut result, &req.context);
            return Ok(Some(result.encode(version)?));
        }
        Command::Del => {
            let Target { container_id, ifname, netns } = target(context.env())?;
            let netns = netns.and_then(|path| open_netns_for_del(&context, path));
            plugin.del(&DelRequest { container_id, ifname, netns, config: OnceLock::new(), context })?;
        }
        Command::Check => {
            let Target { container_id, ifname, netns } = target(context.env())?;
            let netns = open_netns(&context, netns)?;
            let config = decode()?;
            plugin.check(&CheckRequest { container_id, ifname, netns, config, context })?;
        }
        Command::Gc => {
            let valid_attachments = context.plugin_config().valid_attachments()?;
            plugin.gc(&GcRequest { valid_attachments, config: OnceLock::new(), context })?;
        }
        // This is STATUS. VERSION has no handler.
        _ => plugin.status(&StatusRequest { config: decode()?, context })?,
    }
    Ok(None)
}

/// Removes the interface keys that are new in 1.1.0 from a result in an older version. Interfaces that other plugins described
/// are left unchanged.
fn remove_newer_keys(result: &mut AddResult, context: &Context) {
    if context.cni_version() >= SpecVersion::V1_1_0 {
        return;
    }
    let previous = context.prev_result().ok().flatten().map_or(&[][..], |previous| &previous.interfaces);
    let delegated = context.call.delegated_interfaces();
    let is_known = |interface: &Interface| {
        let mut others = previous.iter().chain(&delegated);
        others.any(|other| (&other.name, &other.sandbox) == (&interface.name, &interface.sandbox))
    };
    for interface in result.interfaces.iter_mut().filter(|interface| !is_known(interface)) {
        interface.mtu = None;
        interface.socket_path = None;
        interface.pci_id = None;
    }
}

fn open_netns(context: &Context, path: Option<PathBuf>) -> Result<Netns> {
    let path = path.ok_or_else(|| invalid_environment("required env variables [CNI_NETNS] missing"))?;
    context.call.host.open_netns(&path).map_err(|cause| {
        invalid_environment(format!("invalid CNI_NETNS: cannot open {}", path.display())).with_source(cause)
    })
}

/// Fails if the namespace is the plugin's own. It is called before the handler, which must not change that namespace.
fn refuse_own_netns(context: &Context, netns: &Netns) -> Result<()> {
    if is_own(context, netns)? && !context.env().allows_own_netns() {
        let path = netns.path().display();
        return Err(invalid_environment(format!(
            "invalid CNI_NETNS: {path} is the plugin's own network namespace"
        )));
    }
    Ok(())
}

/// Opens the namespace of a DEL. Returns `None` if it is gone, or if the path leads to something other than the container's
/// namespace: DEL must not fail for ever then, because the handler still cleans up outside of the namespace.
fn open_netns_for_del(context: &Context, path: PathBuf) -> Option<Netns> {
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
    context.log().warn_always(&format!("ignoring CNI_NETNS={}: {ignored}", path.display()));
    None
}

fn is_own(context: &Context, netns: &Netns) -> Result<bool> {
    context
        .call
        .host
        .is_own_netns(netns)
        .map_err(|cause| Error::io("cannot compare CNI_NETNS with the plugin's own network namespace", cause))
}

/// Adds the panics of threads to the details of an error that a handler returned, because they are probably its cause. Code
/// and message stay.
fn add_panics(error: Error) -> Error {
    match panic::take_notes() {
        Some(notes) => add_details(error, [format!("a thread panicked: {notes}")]),
        None => error,
    }
}

/// Undoes a failed call, and adds what could not be undone to the details of its error.
fn undo_all(error: Error, undo: &UndoList) -> Error {
    match undo.run() {
        Ok(()) => error,
        Err(failures) => {
            add_details(error, [failures.msg().to_owned()].into_iter().chain(failures.details()))
        }
    }
}

/// Adds to the details of an error. An error whose causes panic when they are printed stays as it is.
fn add_details(error: Error, more: impl IntoIterator<Item = String>) -> Error {
    let Ok(details) = catch(|| error.details()) else { return error };
    let details: Vec<_> = details.into_iter().chain(more).collect();
    let extended = Error::new(error.code(), error.msg()).with_details(details.join("; "));
    drop_without_unwinding(error);
    extended
}

/// The reply to a call that failed before there was anything to undo.
fn failed(error: Error, cni_version: &str) -> Reply {
    Reply::new(Some(error_object(error, cni_version).encode()), false)
}

/// Converts an error into an error object.
fn error_object(error: Error, cni_version: &str) -> ErrorObject {
    // The causes can be of an author's types, whose `Display` can panic.
    let object = catch(|| error.to_object(cni_version)).unwrap_or_else(|panic| panic.to_object(cni_version));
    drop_without_unwinding(error);
    object
}

/// Returns the version of the request. It is the newest if stdin has none.
fn version_of(stdin: &[u8]) -> String {
    or_newest(PluginConfig::version_of(stdin))
}

fn or_newest(version: Option<String>) -> String {
    version.unwrap_or_else(|| SpecVersion::NEWEST.as_str().to_owned())
}

/// The reply to VERSION. It has the version of the request, even an unknown one.
fn version_reply(stdin: &[u8], supported: &[SpecVersion]) -> Reply {
    let requested = PluginConfig::version_of(stdin);
    let newest = || supported.iter().max().unwrap_or(&SpecVersion::NEWEST).as_str().to_owned();
    let reply =
        VersionReply::new(requested.unwrap_or_else(newest), supported.iter().map(|version| version.as_str()));
    Reply::new(Some(reply.encode() + "\n"), true)
}
