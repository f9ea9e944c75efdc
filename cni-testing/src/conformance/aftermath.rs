//! What is there still of a call after the plugin has ended: whoever holds its output, and whoever runs on.

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid};

use super::request::Request;
use crate::Answer;
use crate::call::{LEFT_OPEN, Output};
use crate::process::group;

/// What a plugin left behind, after some time to end by itself. It has been ended since.
#[derive(Debug, Default)]
pub(super) struct Aftermath {
    /// Which of its outputs was open, and who held that.
    pub(super) open: Vec<String>,
    /// Who ran on in the plugin's process group.
    pub(super) running: Vec<String>,
}

/// Calls the program in the ordinary way, and looks at what it leaves behind.
pub(super) fn call(program: &Path, request: &Request, deadline: Duration) -> io::Result<(Answer, Aftermath)> {
    let mut command = Command::new(program);
    command.env_clear().envs(request.env.iter()).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        let stdin = request.bytes();
        // A plugin need not read all that it is given.
        thread::spawn(move || drop(pipe.write_all(&stdin)));
    }
    let stdout = child.stdout.take().map(|pipe| Pipe::of("stdout", pipe));
    let stderr = child.stderr.take().map(|pipe| Pipe::of("stderr", pipe));
    let ended = group::wait(&mut child, deadline);
    let pipes: Vec<_> = [&stdout, &stderr].into_iter().flatten().collect();
    let until = Instant::now() + LEFT_OPEN;
    let is_over = || pipes.iter().all(|pipe| !pipe.output.is_open()) && group::members(child.id()).is_empty();
    while ended.is_ok() && Instant::now() < until && !is_over() {
        thread::sleep(Duration::from_millis(5));
    }
    let running = group::members(child.id()).into_iter().map(described).collect();
    let open = pipes.iter().filter(|pipe| pipe.output.is_open()).map(|pipe| pipe.take_away()).collect();
    group::signal_group(&child, Signal::SIGKILL);
    let until = Instant::now() + LEFT_OPEN;
    let text = |pipe: Option<Pipe>| pipe.map(|pipe| pipe.output.text(until)).unwrap_or_default();
    let answer = Answer { exit_code: ended?.code(), stdout: text(stdout), stderr: text(stderr) };
    Ok((answer, Aftermath { open, running }))
}

/// An output of the plugin, and what the kernel calls it.
struct Pipe {
    name: &'static str,
    link: PathBuf,
    output: Output,
}

impl Pipe {
    fn of(name: &'static str, pipe: impl Read + AsFd + AsRawFd + Send + 'static) -> Self {
        // Where there is no /proc nobody who holds it can be found either.
        let link = fs::read_link(format!("/proc/self/fd/{}", pipe.as_raw_fd())).unwrap_or_default();
        Self { name, link, output: Output::collect(pipe) }
    }

    /// Ends those who hold it, and says who that was.
    fn take_away(&self) -> String {
        let holders = self.holders();
        let by: Vec<_> = holders.iter().copied().map(described).collect();
        for holder in holders {
            let _ = kill(holder, Signal::SIGKILL);
        }
        // It may have let go just now, or be hidden from this user.
        let by = if by.is_empty() { "a process that cannot be found".to_owned() } else { by.join(" and ") };
        format!("{} is held open by {by}", self.name)
    }

    /// The processes that have it: nobody but the plugin was given it. A child of this process that is about to become
    /// another program has all that this one has, and is none of them.
    fn holders(&self) -> Vec<Pid> {
        let has_it = |process: &Pid| {
            let descriptors = fs::read_dir(group::of_process(*process).join("fd"));
            let mut descriptors = descriptors.into_iter().flatten().flatten();
            descriptors.any(|descriptor| fs::read_link(descriptor.path()).is_ok_and(|link| link == self.link))
        };
        let is_own = |process: &Pid| *process == getpid() || group::parent(*process) == Some(getpid());
        group::processes().filter(|process| !is_own(process)).filter(has_it).collect()
    }
}

/// A process as a person knows it.
fn described(process: Pid) -> String {
    let words = fs::read(group::of_process(process).join("cmdline")).unwrap_or_default();
    let words = String::from_utf8_lossy(&words).replace('\0', " ");
    let shown: String = words.trim_end().chars().take(100).collect();
    format!("process {process} ({shown})")
}
