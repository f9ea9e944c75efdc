//! The process edge: environment, stdin and stdout of a plugin's process.

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

/// How much a runtime may send. The configurations of real networks have a few kilobytes.
const MAX_INPUT: usize = 16 << 20;
/// How much of stdin is read for VERSION, which needs none of it.
const MAX_VERSION_INPUT: usize = 1 << 20;
/// How long VERSION waits for the version that it is asked in. Old runtimes send nothing and leave stdin open.
const VERSION_TIMEOUT: Duration = Duration::from_millis(50);

/// Runs a plugin: reads the environment and stdin, calls [`dispatch()`](crate::dispatch()), and answers on stdout.
///
/// While the plugin works, file descriptor 1 is stderr, so that neither a `println!` nor a child process can spoil
/// the answer. A result that cannot be written is a failed ADD and is undone. A panic is an error with code 999, and what was
/// done is undone: for that the program must unwind, so do not build it with `panic = "abort"`.
///
/// The runtime also gets an error with code 999 if the process aborts (memory or stack has run out, or a value panicked when
/// it was dropped during a panic) or calls `exit`. Then nothing is undone: the runtime calls DEL for what is left. VERSION
/// calls no handler, and has no such error.
///
/// SIGPIPE and SIGXFSZ are ignored: a write that they would end the process for is an error. Other signals end it without an
/// answer.
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
        // Nothing is called that could print into the reply.
        Err(cause) => (Reply::failed(&Error::io("cannot put stdout aside", cause)), Stdout::InPlace),
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
            invocation.stdout = stdio::kept();
        }
        Err(error) => return Reply::failed(&error),
    }
    let host = Arc::new(System::new());
    let reply = panic::catch(|| respond(plugin, purpose, invocation, host, register_last_words));
    // `respond` catches the panics of an author's code; this is for its own.
    reply.unwrap_or_else(|error| Reply::failed(&error))
}

/// Registers an error document to print if the process aborts or exits before it has replied.
fn register_last_words(cni_version: &str) {
    let error = Error::new(ErrorCode::INTERNAL, "the plugin ended before it answered")
        .with_details("it aborted or exited; what it said about that is on stderr");
    if let Some(stdout) = stdio::kept() {
        last_words::register(error.to_object(cni_version).encode(), stdout);
    }
}

/// Writes the reply and returns the exit code.
fn deliver(reply: Reply, mut stdout: Stdout) -> u8 {
    while !last_words::claim() {
        // A thread calls `exit`, and prints the error document.
        thread::park();
    }
    let code = reply.deliver(&mut stdout).unwrap_or_else(|undelivered| {
        let stderr = Stderr::of_process();
        stderr.line(&format!("{undelivered}: {}", undelivered.cause));
        if let Err(left) = undelivered.undone {
            stderr.line(&format!("{left}: {}", left.details().unwrap_or_default()));
        }
        1
    });
    last_words::set_exit_code(code);
    code
}

/// Reads what the purpose needs of stdin: nothing for a person's question; what comes at once for VERSION and an unknown
/// command; else all of it.
fn read_stdin(purpose: &Purpose) -> Result<Vec<u8>> {
    let mut input = Vec::new();
    match purpose {
        Purpose::Question(_) => return Ok(input),
        Purpose::Command(Command::Version) | Purpose::UnknownCommand(_) => {
            read_what_comes_at_once(&mut input);
            return Ok(input);
        }
        Purpose::Command(_) => {}
    }
    if stdin_is_terminal() {
        let hint = "reading the network configuration from the terminal; end it with Ctrl-D";
        Stderr::of_process().line(hint);
    }
    let unread = |cause| Error::io("cannot read the network configuration from stdin", cause);
    while read_more(&mut input).map_err(unread)? > 0 {
        if input.len() > MAX_INPUT {
            let msg = format!("the network configuration on stdin is larger than {} MiB", MAX_INPUT >> 20);
            return Err(Error::new(ErrorCode::DECODING_FAILURE, msg));
        }
    }
    Ok(input)
}

/// Reads until the end of stdin, until it holds a whole document, or until the time is over. There is a reply in any case, so
/// a failure here is the same as silence.
fn read_what_comes_at_once(input: &mut Vec<u8>) {
    let stdin = io::stdin();
    let until = Instant::now() + VERSION_TIMEOUT;
    while input.len() < MAX_VERSION_INPUT && !is_whole(input) {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        let is_ready = matches!(poll(&mut [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)], timeout), Ok(1..));
        if !is_ready || !matches!(read_more(input), Ok(1..)) {
            break;
        }
    }
}

/// Returns whether this is a document with a version. It is parsed only if it looks like the end of one.
fn is_whole(input: &[u8]) -> bool {
    input.trim_ascii_end().ends_with(b"}") && PluginConfig::version_of(input).is_some()
}
