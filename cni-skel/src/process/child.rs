//! A child process with pipes for stdin, stdout and stderr. Its end is always waited for.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{self, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::{Child, Execution, Output};

/// The maximum size of a child's stdout or stderr in bytes. The results of real networks have a few kilobytes.
const MAX_OUTPUT: usize = 16 << 20;
/// The timeout for a program that is "text file busy", because an installer still has it open for writing.
const BUSY_LIMIT: Duration = Duration::from_secs(5);
/// The interval for checking whether a child has ended without closing its pipes.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// A running child. Dropping it waits for its end, or kills it at its timeout.
#[derive(Debug)]
pub(crate) struct Process {
    child: process::Child,
    /// When it is killed. `None` if the timeout is too long for an `Instant`.
    deadline: Option<Instant>,
    /// `None` once it is closed.
    stdin: Option<File>,
    /// The whole of its stdin.
    input: Vec<u8>,
    /// The number of bytes of `input` that have been written.
    written: usize,
    /// Its stdout and stderr.
    outputs: [Captured; 2],
}

impl Process {
    /// Starts a program in its own process group, so that it can be killed together with the processes that it starts. Its
    /// stderr is that of this process unless the caller wants to keep it. As much of its stdin as the pipe takes is written at
    /// once, which is all of it for most configurations.
    pub(crate) fn start(execution: &Execution<'_>) -> io::Result<Self> {
        let deadline = Instant::now().checked_add(execution.timeout);
        let stderr = if execution.keeps_stderr { Stdio::piped() } else { Stdio::inherit() };
        let mut command = Command::new(execution.program);
        command.args(execution.args).env_clear().envs(execution.env.iter()).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = spawn(&mut command)?;
        let stdin = child.stdin.take().map(|pipe| File::from(OwnedFd::from(pipe)));
        let stdout = Captured::new(child.stdout.take().map(OwnedFd::from));
        let stderr = Captured::new(child.stderr.take().map(OwnedFd::from));
        let input = execution.stdin.to_owned();
        let mut process = Self { child, deadline, stdin, input, written: 0, outputs: [stdout, stderr] };
        process.set_non_blocking().and_then(|()| process.feed()).inspect_err(|_| process.kill())?;
        Ok(process)
    }

    /// Waits for its end. If that does not come in time, kills the child and the processes that it started.
    fn wait(&mut self) -> io::Result<ExitStatus> {
        self.exchange().and_then(|()| self.wait_for_exit()).inspect_err(|_| self.kill())
    }

    /// Writes its stdin and reads its stdout and stderr, as each pipe becomes ready, until all of them are closed.
    fn exchange(&mut self) -> io::Result<()> {
        loop {
            self.feed()?;
            self.outputs.iter_mut().try_for_each(Captured::read)?;
            if self.stdin.is_none() && self.outputs.iter().all(|output| output.pipe.is_none()) {
                return Ok(());
            }
            if !self.is_ready()? && self.child.try_wait()?.is_some() {
                // The child has ended, but a process that it started keeps its pipes open.
                return Ok(());
            }
        }
    }

    /// Writes as much of its stdin as the pipe takes, and closes the pipe after the last byte, because most programs wait for the
    /// end.
    fn feed(&mut self) -> io::Result<()> {
        let Some(pipe) = &mut self.stdin else { return Ok(()) };
        match pipe.write(&self.input[self.written..]) {
            Ok(n) => self.written += n,
            // A child need not read all of its stdin.
            Err(broken) if broken.kind() == ErrorKind::BrokenPipe => self.written = self.input.len(),
            Err(other) => ignore_would_block(other)?,
        }
        if self.written == self.input.len() {
            self.stdin = None;
        }
        Ok(())
    }

    /// Waits until a pipe is ready, at most [`POLL_INTERVAL`]. Returns whether one is.
    fn is_ready(&self) -> io::Result<bool> {
        let outputs = self.outputs.iter().filter_map(|output| output.pipe.as_ref());
        let mut fds: Vec<_> = outputs.map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)).collect();
        fds.extend(self.stdin.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLOUT)));
        let pause = self.time_left()?.min(POLL_INTERVAL) + Duration::from_millis(1);
        match poll(&mut fds, PollTimeout::try_from(pause).unwrap_or(PollTimeout::MAX)) {
            Err(Errno::EINTR) => Ok(true),
            ready => Ok(ready? > 0),
        }
    }

    /// Waits for the exit of a child that has closed its pipes, which normally follows at once.
    fn wait_for_exit(&mut self) -> io::Result<ExitStatus> {
        let mut pause = Duration::from_micros(20);
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(pause.min(self.time_left()?));
            pause = (pause * 2).min(Duration::from_millis(10));
        }
    }

    fn time_left(&self) -> io::Result<Duration> {
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match left.unwrap_or(Duration::MAX) {
            Duration::ZERO => Err(ErrorKind::TimedOut.into()),
            left => Ok(left),
        }
    }

    fn set_non_blocking(&self) -> io::Result<()> {
        for pipe in self.outputs.iter().filter_map(|output| output.pipe.as_ref()).chain(&self.stdin) {
            fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(())
    }

    /// Kills the child and the processes that it started. Errors are ignored, because the call has failed already.
    fn kill(&mut self) {
        // After the child has been reaped, its process id can belong to another process.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = killpg(self.pid(), Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

#[cfg(test)]
impl Process {
    /// Returns the names of the open pipes in procfs.
    pub(crate) fn pipes(&self) -> Vec<std::path::PathBuf> {
        let outputs = self.outputs.iter().filter_map(|output| output.pipe.as_ref());
        let fds = outputs
            .chain(&self.stdin)
            .map(|pipe| format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(pipe)));
        fds.filter_map(|fd| std::fs::read_link(fd).ok()).collect()
    }
}

impl Child for Process {
    fn finish(mut self: Box<Self>) -> io::Result<Output> {
        let status = self.wait()?;
        let [stdout, stderr] = &mut self.outputs;
        let output = Output::new(status.success(), status.to_string(), std::mem::take(&mut stdout.bytes));
        Ok(output.stderr(std::mem::take(&mut stderr.bytes)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.wait();
        }
    }
}

/// The child's stdout or stderr.
#[derive(Debug)]
struct Captured {
    /// `None` once it is closed.
    pipe: Option<File>,
    bytes: Vec<u8>,
}

impl Captured {
    fn new(pipe: Option<OwnedFd>) -> Self {
        Self { pipe: pipe.map(File::from), bytes: Vec::new() }
    }

    /// Reads what the pipe has.
    fn read(&mut self) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        let room = MAX_OUTPUT - self.bytes.len();
        // Most results are shorter and need only one read.
        self.bytes.reserve(2048.min(room));
        match pipe.take(room as u64).read_to_end(&mut self.bytes) {
            Ok(n) if n < room => self.pipe = None,
            Ok(_) => return Err(io::Error::new(ErrorKind::FileTooLarge, "it printed more than 16 MiB")),
            Err(other) => ignore_would_block(other)?,
        }
        Ok(())
    }
}

/// Starts the program. If it is still being written, waits for that.
fn spawn(command: &mut Command) -> io::Result<process::Child> {
    let started = Instant::now();
    let mut pause = Duration::from_millis(5);
    loop {
        match command.spawn() {
            Err(busy) if busy.kind() == ErrorKind::ExecutableFileBusy && started.elapsed() < BUSY_LIMIT => {
                thread::sleep(pause);
                pause *= 2;
            }
            outcome => return outcome,
        }
    }
}

/// Returns an error unless it only means that the operation must be tried again.
fn ignore_would_block(error: io::Error) -> io::Result<()> {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted).then_some(()).ok_or(error)
}
