//! What remains of a call after the plugin has ended: open outputs and running processes.

use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid};

use super::request::Request;
use crate::Answer;
use crate::process::{LEFT_OPEN, Output, descriptors, parent, processes, words};

/// What a plugin left behind, although it had some time to end. It has been killed since.
#[derive(Debug, Default)]
pub(super) struct Aftermath {
    /// The outputs of the plugin that were open, each with the processes that held it.
    pub(super) open: Vec<String>,
    /// The processes that ran on in the plugin's process group.
    pub(super) running: Vec<String>,
}

/// Calls the program, and looks at what it leaves behind.
pub(super) fn call(program: &Path, request: &Request, timeout: Duration) -> io::Result<(Answer, Aftermath)> {
    let mut process = request.start(program)?;
    let status = process.wait(timeout)?;
    let until = Instant::now() + LEFT_OPEN;
    while Instant::now() < until && (process.outputs().any(Output::is_open) || !process.members().is_empty())
    {
        thread::sleep(Duration::from_millis(5));
    }
    let running = process.members().into_iter().map(described).collect();
    let open = process.outputs().filter(|output| output.is_open()).map(take_away).collect();
    process.signal(Signal::SIGKILL);
    Ok((process.into_answer(status), Aftermath { open, running }))
}

/// Kills the processes that hold an output open, and names them.
fn take_away(output: &Output) -> String {
    let holders = holders(output.link());
    let by: Vec<_> = holders.iter().copied().map(described).collect();
    for holder in holders {
        let _ = kill(holder, Signal::SIGKILL);
    }
    // It may have closed the output just now, or be hidden from this user.
    let by = if by.is_empty() { "a process that cannot be found".to_owned() } else { by.join(" and ") };
    format!("{} is held open by {by}", output.name())
}

/// The processes that have a pipe open, without this one and its children: between fork and exec, a child has every
/// descriptor of this process.
fn holders(link: &Path) -> Vec<Pid> {
    let is_own = |process: &Pid| *process == getpid() || parent(*process) == Some(getpid());
    let has_it = |process: &Pid| descriptors(*process).any(|descriptor| descriptor == link);
    processes().filter(|process| !is_own(process)).filter(has_it).collect()
}

fn described(process: Pid) -> String {
    let shown: String = words(process).chars().take(100).collect();
    format!("process {process} ({shown})")
}
