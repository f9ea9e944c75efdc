//! Calling another plugin, an IPAM plugin first of all.
//!
//! An ADD can be split in two: [`Delegate::start_add`] starts the program, [`PendingAdd::finish`] takes its answer. What a
//! handler does in between goes on beside it. Three things hold it together, and none of them is left to the handler:
//! - The child belongs to the undo list as well as to the handle, so it has ended before it gets a DEL, also where the handle
//!   is forgotten. Whoever lets go of it last waits for it, and kills it with its process group at its timeout.
//! - The DEL is in the undo list from the start on. It is taken out again only where ADD failed and the DEL was at once.
//! - stdin is written at the start as far as its pipe takes it, which is whole but for configurations beyond 64 KiB. Their
//!   rest waits for `finish`, which writes and reads by turns, so that neither side can block the other.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use cni_types::{AddResult, Command, ErrorCode, ErrorObject, PluginName};

use crate::reply::UndoList;
use crate::request::Call;
use crate::{Child, Context, Error, Execution, Level, Output, Result};

/// How long a delegate may take, unless the plugin says otherwise: shorter than the four minutes after which a
/// kubelet gives up on a pod, longer than any DHCP server needs.
const TIMEOUT: Duration = Duration::from_secs(120);
/// How much of what a plugin printed is quoted.
const QUOTED: usize = 200;

/// Another plugin that this one calls, in the way of section 4 of the specification:
/// [delegated plugins](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#section-4-plugin-delegation).
///
/// It gets the whole stdin and the whole environment of this call, with nothing but `CNI_COMMAND` changed, and its
/// stderr is this plugin's. Get one from [`Context::ipam`](crate::Context::ipam) or
/// [`Context::delegate`](crate::Context::delegate).
///
/// # Errors
/// Every method fails alike:
/// - with the delegate's own code, message and details when it answered with an error object, to ADD also where its exit
///   code says otherwise; with code 999 where the object has none;
/// - with code 5 when it cannot be started or printed more than 16 MiB, 11 when it did not end in time and was killed, 6 when it printed
///   something that is neither a result nor an error, and 999 when it failed without a word.
#[derive(Clone, Debug)]
pub struct Delegate {
    name: PluginName,
    program: PathBuf,
    call: Arc<Call>,
    /// Weak, because the undo list in turn holds delegates.
    undo: Weak<UndoList>,
    timeout: Duration,
}

impl Context {
    /// The IPAM plugin that the configuration names: key `ipam.type`.
    ///
    /// # Errors
    /// Code 7 when none is named, or the plugin itself; 4 when `CNI_PATH` is missing, 5 when it is in no folder of it.
    pub fn ipam(&self) -> Result<Delegate> {
        self.ipam_if_any()?
            .ok_or_else(|| Error::invalid_config("missing ipam.type in the network configuration"))
    }

    /// The IPAM plugin, where the configuration names one.
    ///
    /// # Errors
    /// As [`ipam`](Self::ipam), but not when none is named.
    pub fn ipam_if_any(&self) -> Result<Option<Delegate>> {
        self.call.config.ipam_type()?.map(|name| self.delegate(&name)).transpose()
    }

    /// Whether the IPAM plugin that the configuration names is this one.
    pub(crate) fn is_ipam(&self) -> Result<bool> {
        let name = self.call.config.ipam_type()?;
        Ok(name.is_some_and(|name| self.call.host.is_this_program(&name)))
    }

    /// Any other plugin, found in `CNI_PATH`.
    ///
    /// # Errors
    /// Code 7 when it is this plugin itself, 4 when `CNI_PATH` is missing, 5 when the plugin is in no folder of it.
    pub fn delegate(&self, name: &PluginName) -> Result<Delegate> {
        Delegate::find(name, self)
    }
}

impl Delegate {
    pub(crate) fn find(name: &PluginName, context: &Context) -> Result<Self> {
        let call = Arc::clone(&context.call);
        if call.host.is_this_program(name) {
            return Err(Error::invalid_config(format!("plugin \"{name}\" cannot delegate to itself")));
        }
        let folders = call.env.plugin_path();
        if folders.is_empty() {
            return Err(Error::new(
                ErrorCode::INVALID_ENVIRONMENT,
                format!("missing CNI_PATH, in which plugin \"{name}\" is to be found"),
            ));
        }
        let program = call.host.find_plugin(name, &folders)?;
        let undo = Arc::downgrade(&context.undo);
        Ok(Self { name: name.clone(), program, call, undo, timeout: TIMEOUT })
    }

    /// The plugin's name.
    pub fn name(&self) -> &PluginName {
        &self.name
    }

    /// Sets how long each call may take before the delegate, with all that it started, is killed. Two minutes
    /// otherwise.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Calls it with ADD. If it fails it gets a DEL at once; if it does well, it gets a DEL should this plugin's
    /// own ADD fail later on.
    ///
    /// # Errors
    /// As [above](Self#errors); the details tell if the DEL after a failed ADD failed too.
    pub fn add(&self) -> Result<AddResult> {
        self.start_add()?.finish()
    }

    /// Starts an ADD, which then goes on beside what this plugin does itself. Its answer is what
    /// [`finish`](PendingAdd::finish) gives.
    ///
    /// From here on it gets a DEL should this plugin's own ADD fail, after it has ended: as always, nothing is to be done
    /// for that. So start it only where a DEL can do no harm, that is, when it is clear that the attachment is not there
    /// already: the DEL would be its own.
    ///
    /// ```
    /// # use cni_skel::types::AddResult;
    /// # use cni_skel::{AddRequest, Result};
    /// # fn make_the_links(_: &AddRequest) -> Result<()> { Ok(()) }
    /// fn add(req: &AddRequest) -> Result<AddResult> {
    ///     let addresses = req.ipam()?.start_add()?;
    ///     make_the_links(req)?; // beside the IPAM plugin
    ///     addresses.finish()
    /// }
    /// ```
    ///
    /// # Errors
    /// Code 5 when it cannot be started; it gets a DEL at once then.
    pub fn start_add(&self) -> Result<PendingAdd> {
        let run = self.start(Command::Add).map_err(|error| self.clean_up(error))?;
        let run = Arc::new(Mutex::new(Some(run)));
        let step = self.undo.upgrade().map(|undo| {
            let (delegate, run) = (self.clone(), Arc::clone(&run));
            let what = format!("call DEL of plugin \"{}\"", self.name);
            undo.push(
                what,
                Box::new(move || {
                    if let Some(run) = take(&run) {
                        // Whatever it answers, it has ended by then.
                        let _ = delegate.finish(run);
                    }
                    delegate.del()
                }),
            )
        });
        Ok(PendingAdd { delegate: self.clone(), run, step })
    }

    /// Calls DEL after a failed ADD, and tells in its error if that failed too.
    fn clean_up(&self, error: Error) -> Error {
        match self.del() {
            Ok(()) => error,
            Err(second) => {
                let details =
                    [error.details(), Some(format!("and then DEL failed: {second}")), second.details()];
                let details: Vec<_> = details.into_iter().flatten().collect();
                Error::new(error.code(), error.msg()).with_details(details.join(": "))
            }
        }
    }

    /// Calls it with DEL.
    ///
    /// # Errors
    /// As [above](Self#errors).
    pub fn del(&self) -> Result<()> {
        self.execute(Command::Del).map(drop)
    }

    /// Calls it with CHECK.
    ///
    /// # Errors
    /// As [above](Self#errors).
    pub fn check(&self) -> Result<()> {
        self.execute(Command::Check).map(drop)
    }

    /// Calls it with STATUS.
    ///
    /// # Errors
    /// As [above](Self#errors).
    pub fn status(&self) -> Result<()> {
        self.execute(Command::Status).map(drop)
    }

    /// Calls it with GC.
    ///
    /// # Errors
    /// As [above](Self#errors).
    pub fn gc(&self) -> Result<()> {
        self.execute(Command::Gc).map(drop)
    }

    /// Runs it with another command and gives back what it printed.
    fn execute(&self, command: Command) -> Result<String> {
        self.start(command).and_then(|run| self.finish(run))
    }

    fn start(&self, command: Command) -> Result<Run> {
        let started = self.call.log.is_on(Level::Debug).then(Instant::now);
        let env = self.call.env.clone().with("CNI_COMMAND", command.as_str());
        let stdin = self.call.config.raw().as_bytes();
        let execution = Execution::new(&self.program, &env, stdin, self.timeout);
        match self.call.host.start(&execution) {
            Ok(running) => Ok(Run { command, started, running }),
            Err(cause) => {
                let error = self.did_not_run(cause);
                self.tell(command, started, Err(&error));
                Err(error)
            }
        }
    }

    fn finish(&self, run: Run) -> Result<String> {
        let Run { command, started, running } = run;
        let ended = running.finish().map_err(|cause| self.did_not_run(cause)).and_then(|output| {
            let stdout = String::from_utf8_lossy(&output.stdout);
            if output.success { Ok(stdout.into_owned()) } else { Err(self.failed(&output, &stdout)) }
        });
        self.tell(command, started, ended.as_ref().map(drop));
        ended
    }

    /// Tells the log how a call went.
    fn tell(&self, command: Command, started: Option<Instant>, outcome: Result<(), &Error>) {
        let Some(took) = started.map(|started| started.elapsed()) else { return };
        let outcome = match outcome {
            Ok(()) => "done".to_owned(),
            Err(error) => format!("failed with code {}: {error}", error.code()),
        };
        crate::debug!(self.call.log, "{command} of plugin \"{}\" after {took:.1?}: {outcome}", self.name);
    }

    fn did_not_run(&self, cause: std::io::Error) -> Error {
        let program = self.program.display();
        match cause.kind() {
            std::io::ErrorKind::TimedOut => Error::new(
                ErrorCode::TRY_AGAIN_LATER,
                format!("plugin \"{}\" did not end within {:?} and was killed", self.name, self.timeout),
            ),
            _ => Error::io(format!("failed to run plugin \"{}\" at {program}", self.name), cause),
        }
    }

    fn failed(&self, output: &Output, stdout: &str) -> Error {
        let how = format!("plugin \"{}\" failed with {}", self.name, output.status);
        if stdout.trim().is_empty() {
            return Error::new(ErrorCode::INTERNAL, format!("{how} and printed no error"));
        }
        match ErrorObject::decode(stdout) {
            Ok(object) => self.answered(object, &how),
            Err(cause) => {
                Error::new(ErrorCode::DECODING_FAILURE, format!("{how} and printed no valid error"))
                    .with_details(quote(stdout))
                    .with_source(cause)
            }
        }
    }

    /// The delegate's error as it is; what it must have and has not is told in its place.
    fn answered(&self, mut object: ErrorObject, how: &str) -> Error {
        if object.code.get() == 0 {
            object.code = ErrorCode::INTERNAL;
        }
        if object.msg.is_empty() {
            object.msg = format!("{how} and no message");
        }
        object.into()
    }

    /// The result that it printed.
    fn result(&self, stdout: &str) -> Result<AddResult> {
        // A result has neither of these keys, and the reference library would take this for one that is empty.
        match ErrorObject::decode(stdout) {
            Ok(object) if object.code.get() != 0 && !object.msg.is_empty() => return Err(object.into()),
            _ => {}
        }
        AddResult::decode(self.call.version, stdout).map_err(|cause| {
            Error::from(cause)
                .context(format!("plugin \"{}\" printed no valid result", self.name))
                .with_details(quote(stdout))
        })
    }
}

/// An ADD of another plugin that goes on beside this one: [`Delegate::start_add`].
///
/// Without [`finish`](Self::finish) nobody hears its answer. It has its end all the same, before the call's.
#[derive(Debug)]
#[must_use = "`finish` gives the delegate's answer"]
pub struct PendingAdd {
    delegate: Delegate,
    /// None once somebody has seen to its end. The undo list has it too, so that a handler cannot lose it.
    run: Arc<Mutex<Option<Run>>>,
    /// The number of the step that undoes it.
    step: Option<usize>,
}

impl PendingAdd {
    /// Waits for the answer. If it is an error the plugin gets a DEL at once.
    ///
    /// # Errors
    /// As those of [`Delegate::add`].
    pub fn finish(self) -> Result<AddResult> {
        let Self { delegate, run, step } = self;
        let undone = || Error::new(ErrorCode::INTERNAL, "the answer is asked for after the call");
        let added = take(&run)
            .ok_or_else(undone)
            .and_then(|run| delegate.finish(run))
            .and_then(|stdout| delegate.result(&stdout))
            .inspect(|result| delegate.call.add_delegated_interfaces(&result.interfaces));
        added.map_err(|error| {
            if let (Some(undo), Some(step)) = (delegate.undo.upgrade(), step) {
                undo.withdraw(step);
            }
            delegate.clean_up(error)
        })
    }
}

/// A call that goes on.
#[derive(Debug)]
struct Run {
    command: Command,
    /// Where the log wants to know.
    started: Option<Instant>,
    running: Box<dyn Child>,
}

fn take(run: &Mutex<Option<Run>>) -> Option<Run> {
    run.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// The beginning of what a plugin printed, on one line and free of control characters.
fn quote(text: &str) -> String {
    let start: String = text.chars().take(QUOTED).collect();
    format!("{start:?}{}", if start.len() < text.len() { ".." } else { "" })
}
