//! A child process: started with pipes, fed and listened to, and in any case seen to its end.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::wait::WaitPidFlag;
use nix::unistd::Pid;

use crate::{Executed, Execution, Running, sys};

/// How much a plugin may print. The largest results of real networks have a few kilobytes.
const MAX_OUTPUT: usize = 16 << 20;
/// How long a program may stay "text file busy" (still open for writing by whoever installs it).
const BUSY_LIMIT: Duration = Duration::from_secs(5);
/// How often a plugin that went away without closing its stdout is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A child that runs. Dropped, it is waited for all the same, at most until its deadline.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    /// How it ended, once it is reaped. From then on the number may be another's.
    status: Option<ExitStatus>,
    deadline: Instant,
    /// None once it is closed.
    stdin: Option<File>,
    /// The whole of its stdin, and how much of that it has taken.
    input: Vec<u8>,
    taken: usize,
    /// What it prints on stdout and stderr.
    outputs: [Output; 2],
}

impl Process {
    /// Starts a program in a process group of its own, so that it can be killed together with what it started. Its
    /// stderr is ours unless it is to be kept: what it says is seen while it says it. As much as the pipe takes of its
    /// stdin is written at once, which is all of it but for what few configurations have.
    pub(crate) fn start(execution: &Execution<'_>) -> io::Result<Self> {
        let deadline = Instant::now() + execution.deadline;
        let (stdin_of_child, stdin) = io::pipe()?;
        let (stdout, stdout_of_child) = io::pipe()?;
        let (stderr, stderr_of_child) = execution.keeps_stderr.then(io::pipe).transpose()?.unzip();
        let mut files = PosixSpawnFileActions::init()?;
        files.add_dup2(stdin_of_child.as_raw_fd(), 0)?;
        files.add_dup2(stdout_of_child.as_raw_fd(), 1)?;
        if let Some(stderr) = &stderr_of_child {
            files.add_dup2(stderr.as_raw_fd(), 2)?;
        }
        let outputs = [Output::of(Some(stdout.into()))?, Output::of(stderr.map(OwnedFd::from))?];
        let stdin = OwnedFd::from(stdin);
        do_not_block(&stdin)?;
        let pid = spawn(execution, &files)?;
        let input = execution.stdin.to_owned();
        let mut process =
            Self { pid, status: None, deadline, stdin: Some(stdin.into()), input, taken: 0, outputs };
        if let Err(cause) = process.feed() {
            process.kill();
            return Err(cause);
        }
        Ok(process)
    }

    /// Waits for its end, and kills it with all that it started if that does not come.
    fn see_to_its_end(&mut self) -> io::Result<ExitStatus> {
        self.converse().and_then(|()| self.wait()).inspect_err(|_| self.kill())
    }

    /// Feeds it its stdin and takes what it prints on stdout and stderr, whichever it is ready for, until it closes them.
    fn converse(&mut self) -> io::Result<()> {
        loop {
            self.feed()?;
            self.outputs.iter_mut().try_for_each(Output::take_in)?;
            if self.outputs.iter().all(|output| output.pipe.is_none()) {
                return Ok(());
            }
            if !self.is_ready()? && self.try_wait()?.is_some() {
                // It ended, but something that it started keeps its stdout open.
                return Ok(());
            }
        }
    }

    /// Gives it what it takes now of its stdin, which is closed behind the last byte: most programs do nothing until they
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

    /// Waits until one of the pipes can be used, but not for ever: whether one can.
    fn is_ready(&self) -> io::Result<bool> {
        let outputs = self.outputs.iter().filter_map(|output| output.pipe.as_ref());
        let mut fds: Vec<_> = outputs.map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)).collect();
        fds.extend(self.stdin.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLOUT)));
        wait_for(&mut fds, time_left(self.deadline)?.min(LOOK_EVERY))
    }

    /// Waits for the end of a child that has closed its stdout, which is normally at hand.
    fn wait(&mut self) -> io::Result<ExitStatus> {
        let mut process = None;
        let mut pause = Duration::from_micros(50);
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            let left = time_left(self.deadline)?;
            // It is not reaped yet, so the number is still its own.
            match process.get_or_insert_with(|| sys::open_process(self.pid)) {
                Ok(process) => {
                    wait_for(&mut [PollFd::new(process.as_fd(), PollFlags::POLLIN)], left)?;
                }
                Err(_) => {
                    std::thread::sleep(pause.min(left));
                    pause = (pause * 2).min(Duration::from_millis(10));
                }
            }
        }
    }

    /// Looks whether it has ended.
    fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = sys::reap(self.pid, WaitPidFlag::WNOHANG)?;
        }
        Ok(self.status)
    }

    /// Ends it and all that it started. Nobody is left to tell of a failure here: the call has failed already.
    fn kill(&mut self) {
        if self.status.is_none() {
            let _ = killpg(self.pid, Signal::SIGKILL);
            self.status = sys::reap(self.pid, WaitPidFlag::empty()).ok().flatten();
        }
    }
}

#[cfg(test)]
impl Process {
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// What procfs calls the pipes that are open.
    pub(crate) fn pipes(&self) -> Vec<std::path::PathBuf> {
        let outputs = self.outputs.iter().filter_map(|output| output.pipe.as_ref());
        let fds = outputs.chain(&self.stdin).map(|pipe| format!("/proc/self/fd/{}", pipe.as_raw_fd()));
        fds.filter_map(|fd| std::fs::read_link(fd).ok()).collect()
    }
}

impl Running for Process {
    fn finish(mut self: Box<Self>) -> io::Result<Executed> {
        let status = self.see_to_its_end()?;
        let [stdout, stderr] = &mut self.outputs;
        let executed = Executed::new(status.success(), status.to_string(), std::mem::take(&mut stdout.bytes));
        Ok(executed.stderr(std::mem::take(&mut stderr.bytes)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.status.is_none() {
            // Nobody asks any more how it ends.
            let _ = self.see_to_its_end();
        }
    }
}

/// What the child prints on one of its two.
#[derive(Debug)]
struct Output {
    /// None once it is closed.
    pipe: Option<File>,
    bytes: Vec<u8>,
}

impl Output {
    fn of(pipe: Option<OwnedFd>) -> io::Result<Self> {
        pipe.as_ref().map_or(Ok(()), do_not_block)?;
        Ok(Self { pipe: pipe.map(File::from), bytes: Vec::new() })
    }

    /// Takes what is there.
    fn take_in(&mut self) -> io::Result<()> {
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

/// Starts the program with its arguments and environment, and nothing else of ours: all other files are closed in it, and
/// its signals are as in a program that nobody prepared anything for.
fn spawn(execution: &Execution<'_>, files: &PosixSpawnFileActions) -> io::Result<Pid> {
    let mut attributes = PosixSpawnAttr::init()?;
    attributes.set_flags(
        PosixSpawnFlags::POSIX_SPAWN_SETPGROUP
            | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF
            | PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK,
    )?;
    attributes.set_pgroup(Pid::from_raw(0))?;
    // This process ignores them, and most programs rely on them.
    attributes.set_sigdefault(&SigSet::from_iter([Signal::SIGPIPE, Signal::SIGXFSZ]))?;
    attributes.set_sigmask(&SigSet::empty())?;
    let program = CString::new(execution.program.as_os_str().as_bytes())?;
    let mut args = vec![program.clone()];
    for arg in execution.args {
        args.push(CString::new(*arg)?);
    }
    let env =
        execution.env.iter().map(|(name, value)| variable(name, value)).collect::<Result<Vec<_>, _>>()?;
    let started = Instant::now();
    let mut pause = Duration::from_millis(5);
    loop {
        match posix_spawn(program.as_c_str(), files, &attributes, &args, &env) {
            Err(Errno::ETXTBSY) if started.elapsed() < BUSY_LIMIT => {
                std::thread::sleep(pause);
                pause *= 2;
            }
            outcome => return Ok(outcome?),
        }
    }
}

fn variable(name: &OsStr, value: &OsStr) -> io::Result<CString> {
    let mut text = OsString::with_capacity(name.len() + value.len() + 2);
    text.push(name);
    text.push("=");
    text.push(value);
    Ok(CString::new(text.into_vec())?)
}

/// Waits until one of these can be used, or for so long: whether one can.
fn wait_for(fds: &mut [PollFd<'_>], pause: Duration) -> io::Result<bool> {
    let timeout = PollTimeout::try_from(pause + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
    match poll(fds, timeout) {
        Err(Errno::EINTR) => Ok(true),
        outcome => Ok(outcome? > 0),
    }
}

fn time_left(deadline: Instant) -> io::Result<Duration> {
    match deadline.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(ErrorKind::TimedOut.into()),
        left => Ok(left),
    }
}

fn do_not_block(pipe: &OwnedFd) -> io::Result<()> {
    fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(())
}

fn pass_if_later(error: io::Error) -> io::Result<()> {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted).then_some(()).ok_or(error)
}
