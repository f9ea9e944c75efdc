//! Calls of other plugins, above all of IPAM plugins.
//!
//! An ADD can be split in two: [`Delegate::start_add`] starts the program, and [`PendingAdd::finish`] returns its result. The
//! delegate runs while the handler does other work. The handler need not ensure any of this:
//! - The delegate has ended before it gets a DEL. Both the undo list and the handle own the child, and the last one to be
//!   dropped waits for its end, or kills its process group at the timeout.
//! - If the plugin's own ADD fails, the delegate gets a DEL. It is in the undo list from the start, and is withdrawn only if
//!   the delegate's ADD failed and got its DEL at once.
//! - Neither side blocks the other. At the start, as much of stdin is written as the pipe takes, which is all of it up to
//!   64 KiB. `finish` writes the rest, and reads the delegate's output at the same time.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use cni_types::{AddResult, Command, ErrorCode, ErrorObject, PluginName};

use crate::reply::UndoList;
use crate::request::Call;
use crate::{Child, Context, Error, Execution, Level, Output, Result};

/// The default timeout of a delegate. It is shorter than the four minutes of a kubelet's own timeout, and longer than a lease
/// from a DHCP server takes.
const TIMEOUT: Duration = Duration::from_secs(120);
/// The number of characters of a delegate's output that an error quotes.
const QUOTED: usize = 200;

/// Another plugin that this plugin calls: section 4 of the specification,
/// [plugin delegation](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#section-4-plugin-delegation).
///
/// A delegate gets the same stdin and environment as this plugin, except for `CNI_COMMAND`. It writes to the same stderr.
/// [`Context::ipam`](crate::Context::ipam) and [`Context::delegate`](crate::Context::delegate) return a `Delegate`.
///
/// # Errors
/// All calls have the same errors:
///
/// - the delegate's own code, message and details if it printed an error object, for ADD also if its exit code is 0; the
///   code is 999 if the object has none
/// - code 5 if the delegate cannot be started, or printed more than 16 MiB
/// - code 6 if it printed neither a result nor an error object
/// - code 11 if it did not end within its timeout and was killed
/// - code 999 if it failed and printed nothing
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
    /// Returns the IPAM plugin that the configuration names: key `ipam.type`.
    ///
    /// # Errors
    /// Code 7 if the key is missing or names this plugin itself. Code 4 if `CNI_PATH` is missing, and code 5 if no folder in
    /// it has the plugin.
    pub fn ipam(&self) -> Result<Delegate> {
        self.ipam_if_any()?
            .ok_or_else(|| Error::invalid_config("missing ipam.type in the network configuration"))
    }

    /// Returns the IPAM plugin that the configuration names, or `None` if it names none: key `ipam.type`.
    ///
    /// # Errors
    /// Code 7 if the key names this plugin itself. Code 4 if `CNI_PATH` is missing, and code 5 if no folder in it has the
    /// plugin.
    pub fn ipam_if_any(&self) -> Result<Option<Delegate>> {
        self.call.config.ipam_type()?.map(|name| self.delegate(&name)).transpose()
    }

    /// Returns whether the configuration names this plugin itself as the IPAM plugin.
    pub(crate) fn is_ipam(&self) -> Result<bool> {
        let name = self.call.config.ipam_type()?;
        Ok(name.is_some_and(|name| self.call.host.is_this_program(&name)))
    }

    /// Returns the plugin with this name, found in the folders of `CNI_PATH`.
    ///
    /// # Errors
    /// Code 7 if the name is that of this plugin itself. Code 4 if `CNI_PATH` is missing, and code 5 if no folder in it has the
    /// plugin.
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
                format!("missing CNI_PATH, which is needed to find plugin \"{name}\""),
            ));
        }
        let program = call.host.find_plugin(name, &folders)?;
        let undo = Arc::downgrade(&context.undo);
        Ok(Self { name: name.clone(), program, call, undo, timeout: TIMEOUT })
    }

    /// Returns the plugin's name.
    pub fn name(&self) -> &PluginName {
        &self.name
    }

    /// Sets the timeout of each call, at which the delegate and the processes that it started are killed. The default is two
    /// minutes.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Calls ADD. The delegate gets a DEL at once if its ADD fails, and later if this plugin's own ADD fails.
    ///
    /// # Errors
    /// See [above](Self#errors). If the DEL after a failed ADD fails too, the details contain its error.
    pub fn add(&self) -> Result<AddResult> {
        self.start_add()?.finish()
    }

    /// Starts an ADD and does not wait for its result, which [`PendingAdd::finish`] returns.
    ///
    /// From now on, the delegate gets a DEL if this plugin's own ADD fails. So check first that the attachment does not exist
    /// already: otherwise that DEL would release what belongs to the existing attachment.
    ///
    /// ```
    /// # use cni_skel::types::AddResult;
    /// # use cni_skel::{AddRequest, Result};
    /// # fn make_the_links(_: &AddRequest) -> Result<()> { Ok(()) }
    /// fn add(req: &AddRequest) -> Result<AddResult> {
    ///     let addresses = req.ipam()?.start_add()?;
    ///     make_the_links(req)?; // while the IPAM plugin runs
    ///     addresses.finish()
    /// }
    /// ```
    ///
    /// # Errors
    /// Code 5 if the delegate cannot be started. It gets a DEL at once then.
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
                        // Only its end matters here, not its result.
                        let _ = delegate.finish(run);
                    }
                    delegate.del()
                }),
            )
        });
        Ok(PendingAdd { delegate: self.clone(), run, step })
    }

    /// Calls DEL after a failed ADD. Returns the error of the ADD, with that of the DEL in its details.
    fn clean_up(&self, error: Error) -> Error {
        match self.del() {
            Ok(()) => error,
            Err(second) => {
                let details =
                    [error.details(), Some(format!("DEL after it failed too: {second}")), second.details()];
                let details: Vec<_> = details.into_iter().flatten().collect();
                Error::new(error.code(), error.msg()).with_details(details.join(": "))
            }
        }
    }

    /// Calls DEL.
    ///
    /// # Errors
    /// See [above](Self#errors).
    pub fn del(&self) -> Result<()> {
        self.execute(Command::Del).map(drop)
    }

    /// Calls CHECK.
    ///
    /// # Errors
    /// See [above](Self#errors).
    pub fn check(&self) -> Result<()> {
        self.execute(Command::Check).map(drop)
    }

    /// Calls STATUS.
    ///
    /// # Errors
    /// See [above](Self#errors).
    pub fn status(&self) -> Result<()> {
        self.execute(Command::Status).map(drop)
    }

    /// Calls GC.
    ///
    /// # Errors
    /// See [above](Self#errors).
    pub fn gc(&self) -> Result<()> {
        self.execute(Command::Gc).map(drop)
    }

    /// Calls the delegate and returns its stdout.
    fn execute(&self, command: Command) -> Result<String> {
        self.start(command).and_then(|run| self.finish(run))
    }

    fn start(&self, command: Command) -> Result<Run> {
        let started = self.call.log.is_on(Level::Debug).then(Instant::now);
        let env = self.call.env.clone().with("CNI_COMMAND", command.as_str());
        let stdin = self.call.config.raw().as_bytes();
        let execution = Execution::new(&self.program, &env, stdin, self.timeout);
        match self.call.host.start(&execution) {
            Ok(child) => Ok(Run { command, started, child }),
            Err(cause) => {
                let error = self.execution_error(cause);
                self.log_outcome(command, started, Err(&error));
                Err(error)
            }
        }
    }

    fn finish(&self, run: Run) -> Result<String> {
        let Run { command, started, child } = run;
        let outcome = child.finish().map_err(|cause| self.execution_error(cause)).and_then(|output| {
            let stdout = String::from_utf8_lossy(&output.stdout);
            if output.success { Ok(stdout.into_owned()) } else { Err(self.reported_error(&output, &stdout)) }
        });
        self.log_outcome(command, started, outcome.as_ref().map(drop));
        outcome
    }

    fn log_outcome(&self, command: Command, started: Option<Instant>, outcome: Result<(), &Error>) {
        let Some(took) = started.map(|started| started.elapsed()) else { return };
        let outcome = match outcome {
            Ok(()) => "done".to_owned(),
            Err(error) => format!("failed with code {}: {error}", error.code()),
        };
        crate::debug!(self.call.log, "{command} of plugin \"{}\" took {took:.1?}: {outcome}", self.name);
    }

    /// The error of a delegate that could not be started, or was killed.
    fn execution_error(&self, cause: std::io::Error) -> Error {
        let program = self.program.display();
        match cause.kind() {
            std::io::ErrorKind::TimedOut => Error::new(
                ErrorCode::TRY_AGAIN_LATER,
                format!("plugin \"{}\" did not end within {:?} and was killed", self.name, self.timeout),
            ),
            _ => Error::io(format!("failed to run plugin \"{}\" at {program}", self.name), cause),
        }
    }

    /// The error of a delegate that ended with another exit code than 0. A code or message that its error object lacks is
    /// filled in.
    fn reported_error(&self, output: &Output, stdout: &str) -> Error {
        let failed = format!("plugin \"{}\" failed with {}", self.name, output.status);
        if stdout.trim().is_empty() {
            return Error::new(ErrorCode::INTERNAL, format!("{failed} and printed no error"));
        }
        match ErrorObject::decode(stdout) {
            Ok(mut object) => {
                if object.code.get() == 0 {
                    object.code = ErrorCode::INTERNAL;
                }
                if object.msg.is_empty() {
                    object.msg = format!("{failed} and printed an error without a message");
                }
                object.into()
            }
            Err(cause) => {
                Error::new(ErrorCode::DECODING_FAILURE, format!("{failed} and printed an invalid error"))
                    .with_details(quote(stdout))
                    .with_source(cause)
            }
        }
    }

    /// Decodes the result of ADD.
    fn decode_result(&self, stdout: &str) -> Result<AddResult> {
        // An error object would decode as an empty result, because it has none of a result's keys.
        match ErrorObject::decode(stdout) {
            Ok(object) if object.code.get() != 0 && !object.msg.is_empty() => return Err(object.into()),
            _ => {}
        }
        AddResult::decode(self.call.version, stdout).map_err(|cause| {
            Error::from(cause)
                .context(format!("plugin \"{}\" printed an invalid result", self.name))
                .with_details(quote(stdout))
        })
    }
}

/// An ADD of a delegate that has been started: [`Delegate::start_add`].
///
/// Without [`finish`](Self::finish) its result is lost. The call still waits for the delegate to end.
#[derive(Debug)]
#[must_use = "`finish` returns the delegate's result"]
pub struct PendingAdd {
    delegate: Delegate,
    /// `None` once its end has been waited for. The undo list owns it too, so that a handler cannot lose it.
    run: Arc<Mutex<Option<Run>>>,
    /// The number of its step in the undo list.
    step: Option<usize>,
}

impl PendingAdd {
    /// Waits for the delegate and returns its result. If its ADD failed, the delegate gets a DEL at once.
    ///
    /// # Errors
    /// Those of [`Delegate::add`]. Code 999 if the call is over already.
    pub fn finish(self) -> Result<AddResult> {
        let Self { delegate, run, step } = self;
        let is_over = || {
            let msg = format!("cannot finish ADD of plugin \"{}\": the call is over", delegate.name);
            Error::new(ErrorCode::INTERNAL, msg)
        };
        let added = take(&run)
            .ok_or_else(is_over)
            .and_then(|run| delegate.finish(run))
            .and_then(|stdout| delegate.decode_result(&stdout))
            .inspect(|result| delegate.call.add_delegated_interfaces(&result.interfaces));
        added.map_err(|error| {
            if let (Some(undo), Some(step)) = (delegate.undo.upgrade(), step) {
                undo.withdraw(step);
            }
            delegate.clean_up(error)
        })
    }
}

/// A call of a delegate that has been started.
#[derive(Debug)]
struct Run {
    command: Command,
    /// Set only if the log needs it.
    started: Option<Instant>,
    child: Box<dyn Child>,
}

fn take(run: &Mutex<Option<Run>>) -> Option<Run> {
    run.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Quotes the beginning of a text, on one line and without control characters.
fn quote(text: &str) -> String {
    let start: String = text.chars().take(QUOTED).collect();
    format!("{start:?}{}", if start.len() < text.len() { ".." } else { "" })
}
