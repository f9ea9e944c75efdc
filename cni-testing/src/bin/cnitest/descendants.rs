//! Processes that plugins leave behind: they end with this one, Ctrl-C too.
//!
//! The program is two processes. The one that was started only waits for the other, which does everything and can then be
//! ended without its starting one plugin more. What loses its parent is the first one's, which ends it.

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

/// What the second process is called.
const WORKER: &str = "cnitest-worker";
const INTERRUPTS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// Whether this is the process that does the work. It, and what it starts, then can be told to end.
pub(crate) fn is_worker() -> bool {
    let is_worker = std::env::args_os().next().is_some_and(|name| name == WORKER);
    if is_worker {
        // A process begins with what was blocked where it was started.
        let _ = signals().thread_unblock();
    }
    is_worker
}

fn signals() -> SigSet {
    let mut signals = SigSet::empty();
    INTERRUPTS.into_iter().chain([Signal::SIGCHLD]).for_each(|signal| signals.add(signal));
    signals
}

/// Ends this process with the one that waits for it, should that be killed.
pub(crate) fn end_with_parent() {
    // It only makes a difference where nothing can be cleaned up any more.
    let _ = prctl::set_pdeathsig(Signal::SIGKILL);
}

/// Has another process of this program do the work; its exit status.
pub(crate) fn let_work() -> Result<u8, Impossible> {
    let impossible = |why: io::Error| Impossible(format!("cannot start a process: {why}"));
    // Without it daemons go to init, where they are not found; nothing else depends on it.
    let _ = prctl::set_child_subreaper(true);
    let signals = signals();
    signals.thread_block().map_err(|why| impossible(why.into()))?;
    let mut command = Command::new("/proc/self/exe");
    let mut child = command.arg0(WORKER).args(std::env::args_os().skip(1)).spawn().map_err(impossible)?;
    let status = wait(&mut child, &signals).map_err(impossible);
    // All of it ends: namespaces, mounts and files in memory go with the processes.
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

/// Ends all that was started and still runs.
fn end() {
    for _ in 0..500 {
        let children = children_of(getpid());
        if children.is_empty() {
            return;
        }
        for child in children {
            kill_tree(child);
        }
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            if status == nix::sys::wait::WaitStatus::StillAlive {
                break;
            }
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn kill_tree(process: Pid) {
    // First the one that could start others.
    if kill(process, Signal::SIGKILL) == Err(Errno::ESRCH) {
        return;
    }
    children_of(process).into_iter().for_each(kill_tree);
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
