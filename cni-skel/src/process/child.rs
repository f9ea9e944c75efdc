//! A child process: started with pipes, fed and listened to, and in any case seen to its end.

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

/// How much a plugin may print. The largest results of real networks have a few kilobytes.
const MAX_OUTPUT: usize = 16 << 20;
/// How long a program may stay "text file busy": an installer still has it open for writing.
const BUSY_LIMIT: Duration = Duration::from_secs(5);
/// How often a child is looked at that may have ended without closing its pipes.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// A child that runs. Dropping it waits for its end, at most until its timeout is over.
#[derive(Debug)]
pub(crate) struct Process {
    child: process::Child,
    /// When it is killed. None for a timeout that lies beyond the end of time.
    deadline: Option<Instant>,
    /// None once it is closed.
    stdin: Option<File>,
    /// The whole of its stdin, and how much of that it has taken.
    input: Vec<u8>,
    taken: usize,
    /// What it prints on stdout and stderr.
    outputs: [Captured; 2],
}

impl Process {
    /// Starts a program in a process group of its own, so that it can be killed together with the processes that it started.
    /// Its stderr is that of this process unless it is to be kept. As much of its stdin as the pipe takes is written at once,
    /// which is all of it for most configurations.
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
        let mut process = Self { child, deadline, stdin, input, taken: 0, outputs: [stdout, stderr] };
        process.do_not_block().and_then(|()| process.feed()).inspect_err(|_| process.kill())?;
        Ok(process)
    }

    /// Waits for its end. If that does not come in time, kills the child and the processes that it started.
    fn wait(&mut self) -> io::Result<ExitStatus> {
        self.converse().and_then(|()| self.wait_for_exit()).inspect_err(|_| self.kill())
    }

    /// Writes its stdin and reads its stdout and stderr, whichever is ready, until it has taken the one and closed the others.
    fn converse(&mut self) -> io::Result<()> {
        loop {
            self.feed()?;
            self.outputs.iter_mut().try_for_each(Captured::read)?;
            if self.stdin.is_none() && self.outputs.iter().all(|output| output.pipe.is_none()) {
                return Ok(());
            }
            if !self.is_ready()? && self.child.try_wait()?.is_some() {
                // It has ended, but a process that it started keeps its pipes open.
                return Ok(());
            }
        }
    }

    /// Writes what it takes now of its stdin, and closes the pipe after the last byte: most programs do nothing before they
    /// have seen the end.
    fn feed(&mut self) -> io::Result<()> {
        let Some(pipe) = &mut self.stdin else { return Ok(()) };
        match pipe.write(&self.input[self.taken..]) {
            Ok(n) => self.taken += n,
            // It does not have to read what it does not need.
            Err(broken) if broken.kind() == ErrorKind::BrokenPipe => self.taken = self.input.len(),
            Err(other) => pass_if_later(other)?,
        }
        if self.taken == self.input.len() {
            self.stdin = None;
        }
        Ok(())
    }

    /// Waits until one of the pipes can be used, at most [`POLL_INTERVAL`]. Returns whether one can.
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

    fn do_not_block(&self) -> io::Result<()> {
        for pipe in self.outputs.iter().filter_map(|output| output.pipe.as_ref()).chain(&self.stdin) {
            fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(())
    }

    /// Kills the child and the processes that it started. The call has failed already, so a failure here changes nothing.
    fn kill(&mut self) {
        // Once it is reaped, its process id may be that of another process.
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
    /// What procfs calls the pipes that are open.
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
            // Nobody asked how it ends.
            let _ = self.wait();
        }
    }
}

/// What the child prints on stdout or stderr.
#[derive(Debug)]
struct Captured {
    /// None once it is closed.
    pipe: Option<File>,
    bytes: Vec<u8>,
}

impl Captured {
    fn new(pipe: Option<OwnedFd>) -> Self {
        Self { pipe: pipe.map(File::from), bytes: Vec::new() }
    }

    /// Reads what is there.
    fn read(&mut self) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        let room = MAX_OUTPUT - self.bytes.len();
        // Most of what plugins print is shorter, and then takes one read.
        self.bytes.reserve(2048.min(room));
        match pipe.take(room as u64).read_to_end(&mut self.bytes) {
            Ok(n) if n < room => self.pipe = None,
            Ok(_) => return Err(io::Error::new(ErrorKind::FileTooLarge, "it printed more than 16 MiB")),
            Err(other) => pass_if_later(other)?,
        }
        Ok(())
    }
}

/// Starts the program, and waits for one that is being written.
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

fn pass_if_later(error: io::Error) -> io::Result<()> {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted).then_some(()).ok_or(error)
}
