//! Processes that plugins leave behind: they end with this one, Ctrl-C too.

use std::fs;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{Pid, getpid};

/// Takes over whatever loses its parent, and ends all of it when this process is told to end.
pub(crate) fn end_with_this() {
    // Without it daemons go to init, where they are not found; nothing else depends on it.
    let _ = prctl::set_child_subreaper(true);
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signals.add(signal);
    }
    // Threads inherit it, programs that are started do not.
    if signals.thread_block().is_ok() {
        thread::spawn(move || {
            if let Ok(signal) = signals.wait() {
                end();
                // As a shell puts it. Namespaces, mounts and files in memory go with the process.
                std::process::exit(128 + signal as i32);
            }
        });
    }
}

/// Ends all that was started and still runs.
pub(crate) fn end() {
    for _ in 0..50 {
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
