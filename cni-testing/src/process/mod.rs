//! A program as a process: started with pipes, given its stdin, and waited for.

mod output;
mod procfs;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use cni_skel::Env;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

pub(crate) use output::Output;
pub(crate) use procfs::{descriptors, parent, processes, words};

/// How long the output of a program may stay open after the program has ended.
pub(crate) const LEFT_OPEN: Duration = Duration::from_secs(1);
/// How long starting a program may fail because its file is open for writing.
const BUSY_LIMIT: Duration = Duration::from_secs(5);

/// How stdin reaches a program, and where its stdout goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pipes {
    /// All of stdin is written at once, then it is closed.
    Ordinary,
    /// stdin is written in small pieces with pauses.
    Slow,
    /// Descriptor 0 is closed.
    NoStdin,
    /// Nothing is written to stdin, and it stays open.
    OpenStdin,
    /// stdout is a device that is full.
    FullStdout,
    /// stdout is a pipe without a reader.
    ClosedStdout,
}

/// What a plugin answered.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
#[doc(hidden)]
pub struct Answer {
    /// The exit code, or `None` after a signal.
    pub exit_code: Option<i32>,
    /// Everything printed on stdout.
    pub stdout: String,
    /// Everything printed on stderr.
    pub stderr: String,
}

/// A program that was started, in a process group of its own.
pub(crate) struct Process {
    child: Child,
    /// The end to write to, where it stays open.
    stdin: Option<ChildStdin>,
    outputs: [Option<Output>; 2],
}

impl Process {
    /// Starts a program with exactly this environment.
    pub(crate) fn start(program: &Path, env: &Env, stdin: &[u8], pipes: Pipes) -> io::Result<Self> {
        let mut command = match pipes {
            Pipes::NoStdin => {
                let mut shell = Command::new("/bin/sh");
                shell.args(["-c", "exec \"$0\" <&-"]).arg(program);
                shell
            }
            _ => Command::new(program),
        };
        command.env_clear().envs(env.iter()).process_group(0);
        command.stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(match pipes {
            Pipes::FullStdout => Stdio::from(OpenOptions::new().write(true).open("/dev/full")?),
            // The end to read from is closed here.
            Pipes::ClosedStdout => Stdio::from(io::pipe()?.1),
            _ => Stdio::piped(),
        });
        let mut child = spawn(&mut command).map_err(|cause| {
            io::Error::new(cause.kind(), format!("cannot start {}: {cause}", program.display()))
        })?;
        let pipe = child.stdin.take();
        let stdin = match pipes {
            Pipes::OpenStdin => pipe,
            Pipes::NoStdin => None,
            _ => {
                let (bytes, is_slow) = (stdin.to_owned(), pipes == Pipes::Slow);
                // A plugin does not have to read its stdin.
                thread::spawn(move || pipe.map(|pipe| feed(pipe, &bytes, is_slow)));
                None
            }
        };
        let stdout = child.stdout.take().map(|pipe| Output::collect("stdout", pipe));
        let stderr = child.stderr.take().map(|pipe| Output::collect("stderr", pipe));
        Ok(Self { child, stdin, outputs: [stdout, stderr] })
    }

    /// Waits for the end of the program and returns its answer. What the program started runs on.
    ///
    /// # Errors
    /// See [`wait`](Self::wait).
    pub(crate) fn finish(mut self, timeout: Duration) -> io::Result<Answer> {
        let status = self.wait(timeout)?;
        Ok(self.into_answer(status))
    }

    /// Like [`finish`](Self::finish), and kills what the program started.
    pub(crate) fn finish_group(mut self, timeout: Duration) -> io::Result<Answer> {
        let ended = self.wait(timeout);
        self.signal(Signal::SIGKILL);
        Ok(self.into_answer(ended?))
    }

    /// Sends a signal to the program and everything it started, and waits for its end.
    ///
    /// # Errors
    /// See [`wait`](Self::wait).
    pub(crate) fn interrupt(self, signal: Signal, timeout: Duration) -> io::Result<()> {
        self.signal(signal);
        self.finish_group(timeout).map(drop)
    }

    /// Waits for the end of the program, and kills its process group on timeout.
    ///
    /// # Errors
    /// `TimedOut` if it did not end in time. `ResourceBusy` if it could not, because the kernel kept it waiting.
    pub(crate) fn wait(&mut self, timeout: Duration) -> io::Result<ExitStatus> {
        let start = Instant::now();
        let mut pause = Duration::from_micros(100);
        loop {
            if let Some(status) = self.child.try_wait()? {
                self.stdin = None;
                return Ok(status);
            }
            if start.elapsed() > timeout {
                let late = self.late(timeout);
                self.signal(Signal::SIGKILL);
                self.child.wait()?;
                return Err(late);
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(5));
        }
    }

    /// Sends a signal to the program and everything it started.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Ok(group) = i32::try_from(self.child.id()) {
            let _ = killpg(Pid::from_raw(group), signal);
        }
    }

    /// The processes of its group that have not ended.
    pub(crate) fn members(&self) -> Vec<Pid> {
        procfs::members(self.child.id())
    }

    /// Its stdout and stderr.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = &Output> {
        self.outputs.iter().flatten()
    }

    /// The answer of a program that has ended.
    pub(crate) fn into_answer(self, status: ExitStatus) -> Answer {
        let until = Instant::now() + LEFT_OPEN;
        let [stdout, stderr] = self.outputs.map(|output| output.map(|output| output.text(until)));
        Answer {
            exit_code: status.code(),
            stdout: stdout.unwrap_or_default(),
            stderr: stderr.unwrap_or_default(),
        }
    }

    fn late(&self, timeout: Duration) -> io::Error {
        let late = format!("it did not end within {timeout:?}");
        match procfs::blocked_in(self.child.id()) {
            None => io::Error::new(io::ErrorKind::TimedOut, late),
            Some(place) => io::Error::new(
                io::ErrorKind::ResourceBusy,
                format!("{late}, because the kernel keeps it waiting{place}; is the machine busy?"),
            ),
        }
    }
}

/// Starts a program. One that has just been written stays "text file busy" as long as a child that another thread forks
/// meanwhile has the writer's descriptor.
fn spawn(command: &mut Command) -> io::Result<Child> {
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

fn feed(mut pipe: ChildStdin, bytes: &[u8], is_slow: bool) -> io::Result<()> {
    if !is_slow {
        return pipe.write_all(bytes);
    }
    for piece in bytes.chunks(bytes.len().div_ceil(8).max(1)) {
        pipe.write_all(piece)?;
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
