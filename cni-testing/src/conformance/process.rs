//! A plugin as a process with unusual descriptors, which the ordinary way of calling one cannot give it.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::request::{Pipes, Request};
use crate::Answer;
use crate::call::{LEFT_OPEN, Output};
use crate::process::group;

/// Calls the program with the pipes that the request asks for.
pub(super) fn call(program: &Path, request: &Request, deadline: Duration) -> io::Result<Answer> {
    let mut command = match request.pipes {
        Pipes::NoStdin => {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", "exec \"$0\" <&-"]).arg(program);
            shell
        }
        _ => Command::new(program),
    };
    command.env_clear().envs(request.env.iter()).process_group(0);
    command.stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(match request.pipes {
        Pipes::FullStdout => Stdio::from(OpenOptions::new().write(true).open("/dev/full")?),
        // The end to read from is closed here and now.
        Pipes::ClosedStdout => Stdio::from(io::pipe()?.1),
        _ => Stdio::piped(),
    });
    let mut child = command.spawn()?;
    let stdin = child.stdin.take();
    let held = match (request.pipes, stdin) {
        (Pipes::OpenStdin, stdin) => stdin,
        (Pipes::Slow, Some(mut pipe)) => {
            let bytes = request.bytes();
            let piece = bytes.len().div_ceil(8).max(1);
            for piece in bytes.chunks(piece) {
                // A plugin need not read all that it is given.
                if pipe.write_all(piece).and_then(|()| pipe.flush()).is_err() {
                    break;
                }
                thread::sleep(Duration::from_millis(5));
            }
            None
        }
        (Pipes::NoStdin, _) => None,
        (_, Some(mut pipe)) => {
            let _ = pipe.write_all(&request.bytes());
            None
        }
        (_, None) => None,
    };
    let stdout = child.stdout.take().map(Output::collect);
    let stderr = child.stderr.take().map(Output::collect);
    let status = group::wait(&mut child, deadline);
    drop(held);
    // What it started may have its pipes still.
    group::signal_group(&child, Signal::SIGKILL);
    let until = Instant::now() + LEFT_OPEN;
    let text = |output: Option<Output>| output.map(|output| output.text(until)).unwrap_or_default();
    Ok(Answer { exit_code: status?.code(), stdout: text(stdout), stderr: text(stderr) })
}

/// Starts an ordinary call and sends it a signal after a while, and all that it started. It has until the deadline to end.
pub(super) fn cut_off(
    program: &Path,
    request: &Request,
    pause: Duration,
    signal: Signal,
    deadline: Duration,
) -> io::Result<()> {
    let mut command = Command::new(program);
    command.env_clear().envs(request.env.iter()).process_group(0);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        let _ = pipe.write_all(&request.bytes());
    }
    thread::sleep(pause);
    group::signal_group(&child, signal);
    let ended = group::wait(&mut child, deadline);
    group::signal_group(&child, Signal::SIGKILL);
    ended.map(drop)
}
