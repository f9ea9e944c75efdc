//! Ends processes that plugins leave behind, after Ctrl-C too.
//!
//! The program is two processes. The first one only waits for the second, which does the work. So the work can be ended
//! at any time, and no further plugin starts. The first process adopts orphans, and kills them.

use std::fs;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{Pid, getpid};

use crate::Impossible;

/// The name of the second process.
const WORKER: &str = "cnitest-worker";
const INTERRUPTS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// Returns whether this is the second process. If so, unblocks the signals that end it and its children.
pub(crate) fn is_worker() -> bool {
    let is_worker = std::env::args_os().next().is_some_and(|name| name == WORKER);
    if is_worker {
        // A process inherits the blocked signals of its parent.
        let _ = signals().thread_unblock();
    }
    is_worker
}

fn signals() -> SigSet {
    let mut signals = SigSet::empty();
    INTERRUPTS.into_iter().chain([Signal::SIGCHLD]).for_each(|signal| signals.add(signal));
    signals
}

/// Makes this process end if its parent is killed.
pub(crate) fn end_with_parent() {
    // This only matters if the parent cannot clean up any more.
    let _ = prctl::set_pdeathsig(Signal::SIGKILL);
}

/// Runs this program again to do the work. Returns its exit status.
pub(crate) fn run_worker() -> Result<u8, Impossible> {
    let impossible = |why: io::Error| Impossible(format!("cannot start a process: {why}"));
    // Without this, orphans go to init and are not found. Nothing else depends on it.
    let _ = prctl::set_child_subreaper(true);
    let signals = signals();
    signals.thread_block().map_err(|why| impossible(why.into()))?;
    let mut command = Command::new("/proc/self/exe");
    let mut child = command.arg0(WORKER).args(std::env::args_os().skip(1)).spawn().map_err(impossible)?;
    let status = wait(&mut child, &signals).map_err(impossible);
    // Namespaces, mounts and files in memory end with the processes.
    end();
    status
}

fn wait(child: &mut Child, signals: &SigSet) -> io::Result<u8> {
    loop {
        let signal = signals.wait()?;
        if INTERRUPTS.contains(&signal) {
            child.kill()?;
            child.wait()?;
            return Ok(as_shell_puts(signal as i32));
        }
        if let Some(status) = child.try_wait()? {
            return Ok(code(status));
        }
    }
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.unwrap_or_else(|| as_shell_puts(status.signal().unwrap_or_default()))
}

fn as_shell_puts(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}

/// Kills every child that still runs.
fn end() {
    for _ in 0..500 {
        let children = children_of(getpid());
        if children.is_empty() {
            return;
        }
        for child in children {
            kill_with_children(child);
        }
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            if status == nix::sys::wait::WaitStatus::StillAlive {
                break;
            }
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn kill_with_children(process: Pid) {
    // The parent first, so that it starts no further children.
    if kill(process, Signal::SIGKILL) == Err(Errno::ESRCH) {
        return;
    }
    children_of(process).into_iter().for_each(kill_with_children);
}

/// The children of all threads of a process.
fn children_of(process: Pid) -> Vec<Pid> {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return Vec::new() };
    let lists =
        threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let words: Vec<String> =
        lists.flat_map(|list| list.split(' ').map(str::to_owned).collect::<Vec<_>>()).collect();
    words.iter().filter_map(|word| word.trim().parse().ok()).map(Pid::from_raw).collect()
}
