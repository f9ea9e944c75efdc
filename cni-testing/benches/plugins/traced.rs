//! Traces a call: the peak memory of its processes, and their number. Tracing takes time, so it is a separate run.
//!
//! The peak is read from procfs when a process is about to exit. `ru_maxrss` is not usable, because a process inherits it from
//! the process that forked it.

use std::collections::BTreeMap;
use std::fs;
use std::io::pipe;
use std::process::Command;
use std::time::Instant;

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::failure::Failure;
use crate::process::{Call, Pipes, Ran, fill, said};
use crate::results::Cost;

/// A script that waits for a line and then executes the program, so that it is traced from its start. The shell reads only that
/// line of stdin.
const WAITING: &str = "read go; exec \"$0\" \"$@\"";

/// Makes a call and traces it. The calling thread must have no other children.
pub(crate) fn traced(call: &Call) -> Result<Ran, Failure> {
    let failed = |cause: &dyn std::fmt::Display| call.failed(&format!("cannot trace it: {cause}"));
    let mut command = Command::new("/bin/sh");
    command.args(["-c", WAITING]).arg(&call.program).args(&call.arguments);
    command.env_clear().envs(call.env.iter().map(|(name, value)| (name, value)));
    let pipes = Pipes::of(&mut command).map_err(|cause| failed(&cause))?;
    let (reader, writer) = pipe().map_err(|cause| failed(&cause))?;
    command.stdin(reader);
    let started = Instant::now();
    let child = command.spawn().map_err(|cause| failed(&cause))?;
    drop(command);
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
    let all = Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_TRACEEXIT
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(pid, all).map_err(|cause| failed(&cause))?;
    let input = [b"go\n", call.stdin.as_slice()].concat();
    fill(writer, &input).map_err(|cause| failed(&cause))?;
    let mut followed = Followed { pid, began: false, peaks: BTreeMap::new(), processes: 0, status: None };
    followed.follow().map_err(|cause| failed(&cause))?;
    let (stdout, stderr) = pipes.read().map_err(|cause| failed(&cause))?;
    match followed.status {
        Some(WaitStatus::Exited(_, 0)) => {}
        status => return Err(call.failed(&said(&format!("{status:?}"), &stdout, &stderr))),
    }
    let peak = followed.peaks.values().copied().max().unwrap_or_default();
    let cost = Cost { peak, processes: followed.processes };
    Ok(Ran { time: started.elapsed(), stdout, cost: Some(cost) })
}

struct Followed {
    pid: Pid,
    /// Whether the shell has executed the program.
    began: bool,
    peaks: BTreeMap<Pid, u64>,
    processes: usize,
    status: Option<WaitStatus>,
}

impl Followed {
    /// Traces until the process and all processes that it started have ended.
    fn follow(&mut self) -> nix::Result<()> {
        loop {
            let status = match waitpid(None, Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)) {
                Err(Errno::ECHILD) => return Ok(()),
                Err(Errno::EINTR) => continue,
                status => status?,
            };
            let resumed = match status {
                WaitStatus::PtraceEvent(pid, _, event) => {
                    self.see(pid, event);
                    ptrace::cont(pid, None)
                }
                WaitStatus::Stopped(pid, signal) => ptrace::cont(pid, signal),
                WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, _, _) => {
                    if pid == self.pid {
                        self.status = Some(status);
                    }
                    Ok(())
                }
                _ => Ok(()),
            };
            match resumed {
                // Another thread has ended the process.
                Err(Errno::ESRCH) => {}
                resumed => resumed?,
            }
        }
    }

    fn see(&mut self, pid: Pid, event: i32) {
        match event {
            libc::PTRACE_EVENT_EXEC if pid == self.pid => self.began = true,
            _ if !self.began => {}
            libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK => self.processes += 1,
            // A clone without an exit signal is almost always a thread.
            libc::PTRACE_EVENT_CLONE => {
                let new = ptrace::getevent(pid).ok().and_then(|new| i32::try_from(new).ok());
                let is_process =
                    new.is_some_and(|new| status_of(new, "Tgid").is_some_and(|tgid| tgid == new as u64));
                self.processes += usize::from(is_process);
            }
            libc::PTRACE_EVENT_EXIT => {
                let id = status_of(pid.as_raw(), "Tgid").and_then(|id| i32::try_from(id).ok());
                let id = id.map_or(pid, Pid::from_raw);
                let peak = self.peaks.entry(id).or_default();
                *peak = (*peak).max(status_of(pid.as_raw(), "VmHWM").unwrap_or_default());
            }
            _ => {}
        }
    }
}

/// Reads a number from a file of a process in procfs.
fn status_of(pid: i32, key: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Call {
        let mut call = Call::new("/bin/sh");
        call.arguments = vec!["-c".into(), script.into()];
        call.env = vec![("PATH", "/usr/bin:/bin".into())];
        call.stdin = b"input".to_vec();
        call
    }

    /// A single test, so that no two tests wait for the same processes.
    #[test]
    fn processes_are_counted_and_the_largest_is_told() {
        let alone = traced(&sh("cat >/dev/null; true")).unwrap();
        assert_eq!(alone.cost.unwrap().processes, 1);
        let three = traced(&sh("cat; (true; cat </dev/null) ; cat /dev/null; :")).unwrap();
        assert_eq!(three.stdout, b"input");
        assert!((3..=4).contains(&three.cost.unwrap().processes), "{three:?}");
        let large = traced(&sh("dd if=/dev/zero of=/dev/null bs=64M count=1 2>/dev/null; :")).unwrap();
        assert!(large.cost.unwrap().peak >= 64 << 10, "{large:?}");
        assert!(alone.cost.unwrap().peak < 32 << 10, "{alone:?}");
        let failure = traced(&sh("echo why >&2; exit 2")).unwrap_err();
        assert!(failure.0.contains("why"), "{failure}");
    }
}
