//! The edge of a plugin's process: environment, stdin, stdout and exit code.

mod child;
mod last_words;
mod stdio;
mod system;

use std::io;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use cni_types::{Command, ErrorCode, PluginConfig};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::dispatch::respond;
use crate::log::Stderr;
use crate::reply::panic;
use crate::request::Purpose;
use crate::{Env, Error, Invocation, Plugin, Reply, Result, sys};
use stdio::{Stdout, read_more, stdin_is_terminal};
pub use system::System;

/// The maximum size of stdin in bytes. The configurations of real networks have a few kilobytes.
const MAX_INPUT: usize = 16 << 20;
/// The number of bytes of stdin that are read for VERSION, which needs only the version of the request.
const MAX_VERSION_INPUT: usize = 1 << 20;
/// The timeout for stdin of VERSION. Old runtimes send nothing and leave stdin open.
const VERSION_TIMEOUT: Duration = Duration::from_millis(50);

/// Runs a plugin: reads the environment and stdin, calls the handler, and prints the reply on stdout.
///
/// While the handler runs, file descriptor 1 is stderr, so that a `println!` or a child process cannot write into the reply. A
/// result that cannot be written is a failed ADD, which is undone. A panic is an error with code 999, and the ADD is undone.
/// Do not build a plugin with `panic = "abort"`, because it must unwind for that.
///
/// The runtime also gets an error with code 999 if the process aborts or calls `exit`. It aborts if memory or stack runs out, or
/// if a value panics when it is dropped during a panic. Nothing is undone then, but the runtime calls DEL after a failed ADD.
/// VERSION calls no handler and has no such error.
///
/// SIGPIPE and SIGXFSZ are ignored, so the write that causes one fails with an error. Other signals end the process without a
/// reply.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use cni_skel::types::AddResult;
/// use cni_skel::{AddRequest, CheckRequest, DelRequest, NoConfig, Plugin, Result};
///
/// struct Passthrough;
///
/// impl Plugin for Passthrough {
///     type Config = NoConfig;
///     fn add(&self, req: &AddRequest) -> Result<AddResult> { Ok(req.prev_result()?.cloned().unwrap_or_default()) }
///     fn del(&self, _: &DelRequest) -> Result<()> { Ok(()) }
///     fn check(&self, _: &CheckRequest) -> Result<()> { Ok(()) }
/// }
///
/// fn main() -> ExitCode { cni_skel::run(Passthrough) }
/// ```
pub fn run<P: Plugin>(plugin: P) -> ExitCode {
    panic::note_panics_of_process();
    sys::set_signals();
    let env: Env = std::env::vars_os().collect();
    let mut args = std::env::args_os();
    let program = args.next().unwrap_or_default();
    let invocation = Invocation::new(env, []).program(program).args(args).log_to_stderr();
    let (reply, stdout) = match Stdout::take() {
        Ok(stdout) => (call(&plugin, invocation), stdout),
        // The handler is not called, because it could print into the reply.
        Err(cause) => (Reply::failed(&Error::io("cannot duplicate stdout", cause)), Stdout::InPlace),
    };
    let code = deliver(reply, stdout);
    panic::drop_without_unwinding(plugin);
    ExitCode::from(code)
}

fn call<P: Plugin>(plugin: &P, mut invocation: Invocation) -> Reply {
    let purpose = Purpose::of(&invocation.env, &invocation.args);
    match read_stdin(&purpose) {
        Ok(stdin) => {
            invocation.stdin = stdin;
            invocation.stdout = stdio::original_stdout();
        }
        Err(error) => return Reply::failed(&error),
    }
    let host = Arc::new(System::new());
    let reply = panic::catch(|| respond(plugin, purpose, invocation, host, register_last_words));
    // `respond` catches the panics of an author's code. This handles its own.
    reply.unwrap_or_else(|error| Reply::failed(&error))
}

/// Registers an error document to print if the process aborts or exits before it has replied.
fn register_last_words(cni_version: &str) {
    let error = Error::new(ErrorCode::INTERNAL, "the plugin ended without a reply")
        .with_details("it aborted or called exit; see its stderr");
    if let Some(stdout) = stdio::original_stdout() {
        last_words::register(error.to_object(cni_version).encode(), stdout);
    }
}

/// Writes the reply and returns the exit code.
fn deliver(reply: Reply, mut stdout: Stdout) -> u8 {
    while !last_words::claim() {
        // Another thread has called `exit` and prints the error document. It ends the process.
        thread::park();
    }
    let code = reply.deliver(&mut stdout).unwrap_or_else(|undelivered| {
        let stderr = Stderr::of_process();
        stderr.line(&format!("{undelivered}: {}", undelivered.cause));
        if let Err(failures) = undelivered.undone {
            stderr.line(&format!("{failures}: {}", failures.details().unwrap_or_default()));
        }
        1
    });
    last_words::set_exit_code(code);
    code
}

/// Reads stdin: nothing for a question from a person, for VERSION and an unknown command what arrives at once, and otherwise
/// all of it.
fn read_stdin(purpose: &Purpose) -> Result<Vec<u8>> {
    let mut input = Vec::new();
    match purpose {
        Purpose::Question(_) => return Ok(input),
        Purpose::Command(Command::Version) | Purpose::UnknownCommand(_) => {
            read_for_version(&mut input);
            return Ok(input);
        }
        Purpose::Command(_) => {}
    }
    if stdin_is_terminal() {
        let hint = "reading the network configuration from the terminal; end it with Ctrl-D";
        Stderr::of_process().line(hint);
    }
    let failed = |cause| Error::io("cannot read the network configuration from stdin", cause);
    while read_more(&mut input).map_err(failed)? > 0 {
        if input.len() > MAX_INPUT {
            let msg = format!("the network configuration on stdin is larger than {} MiB", MAX_INPUT >> 20);
            return Err(Error::new(ErrorCode::DECODING_FAILURE, msg));
        }
    }
    Ok(input)
}

/// Reads until the end of stdin, until the input is a document with a version, or until [`VERSION_TIMEOUT`]. Stops at an error,
/// because the reply does not need the version.
fn read_for_version(input: &mut Vec<u8>) {
    let stdin = io::stdin();
    let deadline = Instant::now() + VERSION_TIMEOUT;
    while input.len() < MAX_VERSION_INPUT && !has_version(input) {
        let time_left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(time_left).unwrap_or(PollTimeout::ZERO);
        let is_ready = matches!(poll(&mut [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)], timeout), Ok(1..));
        if !is_ready || !matches!(read_more(input), Ok(1..)) {
            break;
        }
    }
}

/// Returns whether the input is a document with a version. It is parsed only if it ends like a document.
fn has_version(input: &[u8]) -> bool {
    input.trim_ascii_end().ends_with(b"}") && PluginConfig::version_of(input).is_some()
}
