//! The process edge: environment, stdin and stdout of a plugin's process.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cni_types::{Command, ErrorCode, PluginConfig, SpecVersion};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::about::Question;
use crate::stdio::{Stdout, read_more, stdin_is_terminal};
use crate::{Env, Error, Invocation, Plugin, Reply, Result, System, dispatch, panic, stdio, sys};

/// How much a runtime may send. The configurations of real networks have a few kilobytes.
const MAX_INPUT: usize = 16 << 20;
/// How much VERSION reads, which is answered without it too.
const MAX_VERSION_INPUT: usize = 1 << 20;
/// How long VERSION waits for the version that it is asked in. Old runtimes send none and leave stdin open.
const VERSION_PATIENCE: Duration = Duration::from_millis(50);

/// Runs a plugin: reads the environment and stdin, calls [`dispatch()`], and answers on stdout.
///
/// While the plugin works, file descriptor 1 is stderr, so that neither a `println!` nor a child process can spoil
/// the answer. A result that cannot be written is a failed ADD and is undone. A panic is an error with code 999, and what was
/// done is undone: for that the program must unwind, so do not build it with `panic = "abort"`.
///
/// The runtime also gets an error with code 999 where the process aborts, because memory or stack have run out or because a
/// value panics when it is dropped during a panic, and where something calls `exit`. Then nothing is undone, and what is left
/// is for the DEL that follows. Only VERSION, which calls no handler, has no such error.
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
    panic::record_places();
    sys::live_on();
    let env: Env = std::env::vars_os().collect();
    let mut args = std::env::args_os();
    let program = args.next().unwrap_or_default();
    let args: Vec<_> = args.collect();
    let (reply, stdout) = match Stdout::take() {
        Ok(stdout) => (call(&plugin, env, program, args), stdout),
        // Nothing is called whose words could get into the answer.
        Err(cause) => (Reply::failed(&Error::io("cannot put stdout aside", cause)), Stdout::in_place()),
    };
    let code = answer(reply, stdout);
    panic::let_go(plugin);
    ExitCode::from(code)
}

fn call<P: Plugin>(plugin: &P, env: Env, program: OsString, args: Vec<OsString>) -> Reply {
    let command = env.get("CNI_COMMAND").and_then(|command| command.to_str()?.parse().ok());
    let stdin = match read_stdin(&env, &args, command) {
        Ok(stdin) => stdin,
        Err(error) => return Reply::failed(&error),
    };
    // VERSION is a list, and must start as quickly as it can.
    if command != Some(Command::Version) {
        leave_last_words(&stdin);
    }
    let invocation = Invocation::new(env, stdin).program(program).args(args).log_to_stderr();
    let reply = panic::catch(|| dispatch(plugin, invocation, Arc::new(System::new())));
    // It catches what an author's code does; this is for what nobody has thought of.
    reply.unwrap_or_else(|error| Reply::failed(&error))
}

/// Has the runtime told should the process abort or exit while it works.
fn leave_last_words(stdin: &[u8]) {
    let error = Error::new(ErrorCode::INTERNAL, "the plugin ended before it answered");
    let error = error.with_details("it aborted or exited; what it said about that is on stderr");
    let version = PluginConfig::version_of(stdin).unwrap_or_else(|| SpecVersion::NEWEST.as_str().to_owned());
    sys::leave(error.to_object(version).encode(), stdio::kept());
}

fn answer(reply: Reply, mut stdout: Stdout) -> u8 {
    for note in reply.notes() {
        say(note);
    }
    sys::answers(1);
    let code = deliver(reply, &mut stdout);
    sys::answers(code);
    code
}

fn deliver(reply: Reply, stdout: &mut Stdout) -> u8 {
    match reply.deliver(stdout) {
        Ok(code) => code,
        Err(undelivered) => {
            say(&format!("{undelivered}: {}", undelivered.cause));
            if let Err(left) = undelivered.undone {
                say(&format!("{left}: {}", left.details().unwrap_or_default()));
            }
            1
        }
    }
}

/// Writes a line to stderr. There is nobody to tell if that fails.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Reads what the command needs of stdin: all of it; for VERSION, and for what is no command, what comes at once; for a
/// person's question nothing.
fn read_stdin(env: &Env, args: &[OsString], command: Option<Command>) -> Result<Vec<u8>> {
    let mut input = Vec::new();
    if Question::of(env, args).is_some() {
        return Ok(input);
    }
    if matches!(command, Some(Command::Version) | None) {
        read_what_comes_at_once(&mut input);
        return Ok(input);
    }
    if stdin_is_terminal() {
        say("reading the network configuration from the terminal; end it with Ctrl-D");
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

/// Reads until the end of stdin, until it holds a whole document, or until the time is over. There is an answer in any
/// case, so a failure here is the same as silence.
fn read_what_comes_at_once(input: &mut Vec<u8>) {
    let stdin = sys::stdin();
    let mut left = VERSION_PATIENCE;
    let mut until = None;
    while !left.is_zero() {
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        if !matches!(poll(&mut [PollFd::new(stdin, PollFlags::POLLIN)], timeout), Ok(1..)) {
            break;
        }
        if !matches!(read_more(input), Ok(1..)) || input.len() >= MAX_VERSION_INPUT || is_whole(input) {
            break;
        }
        // Nearly always all has come at once, and the clock need not be looked at.
        let until = *until.get_or_insert_with(|| Instant::now() + VERSION_PATIENCE);
        left = until.saturating_duration_since(Instant::now());
    }
}

/// Whether this is a document with a version. The parser is not asked before it looks like the end of one.
fn is_whole(input: &[u8]) -> bool {
    input.trim_ascii_end().ends_with(b"}") && cni_types::PluginConfig::version_of(input).is_some()
}
