//! What is under test: a plugin in this process, or any executable.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use cni_skel::{Env, Host, Invocation, Plugin, dispatch};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};

use crate::process::group;

/// How long a binary may take. Generous, because test machines are slow and busy.
const DEADLINE: Duration = Duration::from_secs(60);
/// How much of what a program prints is kept.
const MAX_OUTPUT: usize = 16 << 20;
/// How long the output of a program that has ended may stay open.
pub(crate) const LEFT_OPEN: Duration = Duration::from_secs(1);
/// How long nothing may come from a program that has ended, in milliseconds, while its output is open still.
const QUIET: u8 = 20;
/// How long a program may stay "text file busy".
const BUSY_LIMIT: Duration = Duration::from_secs(5);

/// Something that can be called as a plugin: `&plugin` for one that is a value in this process, [`Binary`] for an
/// executable in any language.
pub trait Subject {
    /// Calls it and gives back what came out.
    ///
    /// # Errors
    /// When it cannot be started, or did not end in time and was killed.
    #[doc(hidden)]
    fn call(&self, env: &Env, stdin: &[u8], host: &Arc<dyn Host>) -> io::Result<Answer>;

    /// Whether scripted delegates must be programs, because the subject is one.
    #[doc(hidden)]
    fn needs_programs(&self) -> bool;

    /// Where it is, if it is an executable.
    #[doc(hidden)]
    fn program(&self) -> Option<&Path> {
        None
    }
}

/// What came out of a call.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
#[doc(hidden)]
pub struct Answer {
    /// The exit code; none after a signal.
    pub exit_code: Option<i32>,
    /// All that was printed on stdout.
    pub stdout: String,
    /// All that was printed on stderr.
    pub stderr: String,
}

impl<P: Plugin> Subject for &P {
    fn call(&self, env: &Env, stdin: &[u8], host: &Arc<dyn Host>) -> io::Result<Answer> {
        let reply = dispatch(*self, Invocation::new(env.clone(), stdin), Arc::clone(host));
        let stderr = reply.notes().iter().map(|note| format!("{note}\n")).collect();
        let mut stdout = Vec::new();
        let exit_code = reply.deliver(&mut stdout).map_err(|undelivered| undelivered.cause)?;
        let stdout = String::from_utf8_lossy(&stdout).into_owned();
        Ok(Answer { exit_code: Some(exit_code.into()), stdout, stderr })
    }

    fn needs_programs(&self) -> bool {
        false
    }
}

/// An executable that is a plugin.
#[derive(Clone, Debug)]
pub struct Binary {
    program: PathBuf,
    deadline: Duration,
}

impl Binary {
    /// The plugin at this path; in a package's own tests, `env!("CARGO_BIN_EXE_<name>")`.
    pub fn at(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), deadline: DEADLINE }
    }

    /// Sets how long a call may take before it is killed, with all that it started; a minute otherwise.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Where it is.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Runs it with exactly this environment and stdin.
    pub(crate) fn execute(&self, env: &Env, stdin: &[u8]) -> io::Result<Answer> {
        let mut command = Command::new(&self.program);
        command.env_clear().envs(env.iter()).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = start(&mut command).map_err(|cause| {
            io::Error::new(cause.kind(), format!("cannot start {}: {cause}", self.program.display()))
        })?;
        let feeder = child.stdin.take().map(|mut pipe| {
            let stdin = stdin.to_owned();
            // A plugin need not read all that it is given.
            thread::spawn(move || drop(pipe.write_all(&stdin)))
        });
        let stdout = child.stdout.take().map(Output::collect);
        let stderr = child.stderr.take().map(Output::collect);
        let status = group::wait(&mut child, self.deadline)?;
        let until = Instant::now() + LEFT_OPEN;
        let text = |output: Option<Output>| output.map(|output| output.text(until)).unwrap_or_default();
        let answer = Answer { exit_code: status.code(), stdout: text(stdout), stderr: text(stderr) };
        drop(feeder.filter(thread::JoinHandle::is_finished));
        Ok(answer)
    }
}

impl Subject for Binary {
    fn call(&self, env: &Env, stdin: &[u8], _: &Arc<dyn Host>) -> io::Result<Answer> {
        self.execute(env, stdin)
    }

    fn needs_programs(&self) -> bool {
        true
    }

    fn program(&self) -> Option<&Path> {
        Some(&self.program)
    }
}

/// Starts a program. One that has just been written stays "text file busy" as long as any child that another thread
/// forks meanwhile has the writer's descriptor.
fn start(command: &mut Command) -> io::Result<Child> {
    let until = Instant::now() + BUSY_LIMIT;
    loop {
        match command.spawn() {
            Err(busy) if busy.kind() == io::ErrorKind::ExecutableFileBusy && Instant::now() < until => {
                thread::sleep(Duration::from_millis(5));
            }
            outcome => return outcome,
        }
    }
}

/// What a program prints, while it prints it.
pub(crate) struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    has_ended: Arc<AtomicBool>,
    reader: thread::JoinHandle<()>,
}

impl Output {
    pub(crate) fn collect(mut pipe: impl Read + AsFd + Send + 'static) -> Self {
        let (bytes, has_ended) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (shared, ended) = (Arc::clone(&bytes), Arc::clone(&has_ended));
        let reader = thread::spawn(move || {
            let mut chunk = [0; 1 << 16];
            loop {
                // What the program itself printed is in the pipe by the time that it has ended.
                let is_last = ended.load(Ordering::SeqCst);
                match poll(&mut [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)], QUIET) {
                    Ok(0) if is_last => break,
                    Ok(0) | Err(Errno::EINTR) => continue,
                    _ => {}
                }
                // What came before a failure is worth more than the failure.
                let Ok(n @ 1..) = pipe.read(&mut chunk) else { break };
                let mut bytes = shared.lock().unwrap_or_else(PoisonError::into_inner);
                if bytes.len() < MAX_OUTPUT {
                    bytes.extend_from_slice(&chunk[..n]);
                }
            }
        });
        Self { bytes, has_ended, reader }
    }

    /// Whether somebody may still print, before it is known that the program has ended.
    pub(crate) fn is_open(&self) -> bool {
        !self.reader.is_finished()
    }

    /// All of it, of a program that has ended. A daemon that it left behind may never close the pipe, nor stop to print:
    /// so it is read until nothing more comes, but not longer than until then.
    pub(crate) fn text(self, until: Instant) -> String {
        self.has_ended.store(true, Ordering::SeqCst);
        while !self.reader.is_finished() && Instant::now() < until {
            thread::sleep(Duration::from_micros(200));
        }
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
