//! The made-up machine of a call: scripted delegates, and a container's namespace in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cni_skel::net::Net;
use cni_skel::seam::{Operation, Watch, World};
use cni_skel::types::{ErrorCode, PluginName};
use cni_skel::{
    Child, Error, Execution, Host, Invocation, Netns, Output, Plugin, Reply, Result, System, dispatch,
};

use crate::delegate::{DelegateCall, Script};

/// A plugin in this process, without its type.
pub(crate) type InProcess = Arc<dyn Fn(Invocation, Arc<dyn Host>) -> Reply + Send + Sync>;

/// Erases the type of a plugin.
pub(crate) fn in_process<P: Plugin + Send + Sync + 'static>(plugin: P) -> InProcess {
    Arc::new(move |invocation, host| dispatch(&plugin, invocation, host))
}

/// What a test has made up, and what has happened so far.
#[derive(Clone, Default)]
pub(crate) struct FakeHost {
    /// The name by which a delegate in this process was called, or `None` for the plugin under test.
    pub(crate) name: Option<String>,
    /// The container's namespace in a call that was not given one.
    pub(crate) fake_netns: Option<Netns>,
    /// Whether the container's namespace counts as the plugin's own.
    pub(crate) netns_is_own: bool,
    /// Whether the plugin may change the network of the namespace that it is called in.
    pub(crate) has_network: bool,
    /// The world that the plugin is called in.
    pub(crate) world: World,
    pub(crate) plugins: BTreeMap<String, InProcess>,
    pub(crate) script: Script,
}

impl Host for FakeHost {
    fn find_plugin(&self, name: &PluginName, folders: &[PathBuf]) -> Result<PathBuf> {
        let made_up = self.plugins.contains_key(name.as_str())
            || self.script.with(|played| played.replies.contains_key(name.as_str()));
        if made_up { Ok(PathBuf::from(name.as_str())) } else { System::new().find_plugin(name, folders) }
    }

    fn start(&self, execution: &Execution<'_>) -> io::Result<Box<dyn Child>> {
        let Some(watch) = self.world().watch else { return self.play(execution) };
        let name = execution.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let command = execution.env.get("CNI_COMMAND").unwrap_or_default().to_string_lossy().into_owned();
        let operation = match execution.args {
            [] => Started::Delegate { name, command },
            _ => Started::Program { name },
        };
        watch.before(&operation.as_operation())?;
        Ok(Box::new(WatchedRun { running: self.play(execution)?, watch, operation }))
    }

    fn open_netns(&self, path: &Path) -> io::Result<Netns> {
        match &self.fake_netns {
            Some(fake) if fake.path() == path => Ok(fake.clone()),
            _ => self.world().run(|| Netns::open(path)),
        }
    }

    fn is_this_program(&self, name: &PluginName) -> bool {
        self.name.as_deref() == Some(name.as_str())
    }

    fn is_own_netns(&self, netns: &Netns) -> io::Result<bool> {
        if self.netns_is_own {
            return Ok(true);
        }
        if self.fake_netns.as_ref().is_some_and(|fake| fake.path() == netns.path()) {
            Ok(false)
        } else {
            self.world().run(|| System::new().is_own_netns(netns))
        }
    }

    fn net(&self) -> Result<Net> {
        if self.has_network {
            return Ok(self.world().run(Net::open)?);
        }
        Err(Error::new(ErrorCode::INTERNAL, "the call has no network: use Call::network or Call::host"))
    }
}

impl FakeHost {
    /// Returns the world of the calling thread, or that of the call on a thread that the handler started itself.
    fn world(&self) -> World {
        match World::current() {
            World { kernel: None, watch: None, .. } => self.world.clone(),
            current => current,
        }
    }

    /// Starts a delegate. A scripted one has finished when this returns.
    fn play(&self, execution: &Execution<'_>) -> io::Result<Box<dyn Child>> {
        let name = execution.program.to_string_lossy();
        if execution.program.components().count() > 1 {
            return System::new().start(execution);
        }
        let call = DelegateCall::new(&name, execution.env.clone(), execution.stdin);
        let command = call.command.clone();
        self.script.with(|played| played.calls.push(call));
        if let Some(plugin) = self.plugins.get(&*name) {
            let invocation = Invocation::new(execution.env.clone(), execution.stdin);
            let host = Self { name: Some(name.into_owned()), ..self.clone() };
            let reply = self.world().run(|| plugin(invocation, Arc::new(host)));
            let mut stdout = Vec::new();
            let code = reply.deliver(&mut stdout).map_err(|undelivered| undelivered.cause)?;
            return Ok(Box::new(Output::new(code == 0, format!("exit status: {code}"), stdout)));
        }
        match self.script.with(|played| played.next_reply(&name, &command)) {
            Some(reply) if reply.hangs => Ok(Box::new(Hanging)),
            Some(reply) => {
                let status = format!("exit status: {}", reply.exit_code);
                Ok(Box::new(Output::new(reply.exit_code == 0, status, reply.stdout)))
            }
            None => Err(io::Error::other(format!("the test expects no {command} of {name} here"))),
        }
    }
}

/// A delegate that does not answer and is killed.
#[derive(Debug)]
struct Hanging;

impl Child for Hanging {
    fn finish(self: Box<Self>) -> io::Result<Output> {
        Err(io::ErrorKind::TimedOut.into())
    }
}

/// A delegate whose end the watch is told of.
#[derive(Debug)]
struct WatchedRun {
    running: Box<dyn Child>,
    watch: Arc<dyn Watch>,
    operation: Started,
}

impl Child for WatchedRun {
    fn finish(self: Box<Self>) -> io::Result<Output> {
        let executed = self.running.finish()?;
        self.watch.after(&self.operation.as_operation())?;
        Ok(executed)
    }
}

/// The kind and name of a program.
#[derive(Debug)]
enum Started {
    Delegate { name: String, command: String },
    Program { name: String },
}

impl Started {
    fn as_operation(&self) -> Operation<'_> {
        match self {
            Self::Delegate { name, command } => Operation::Delegate(name, command),
            Self::Program { name } => Operation::Program(name),
        }
    }
}

impl fmt::Debug for FakeHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeHost")
            .field("fake_netns", &self.fake_netns)
            .field("netns_is_own", &self.netns_is_own)
            .field("plugins", &self.plugins.keys())
            .field("script", &self.script)
            .finish_non_exhaustive()
    }
}
