//! The real machine: plugins as child processes, namespaces of the kernel.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use cni_types::PluginName;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

#[cfg(feature = "net")]
use crate::net::Net;
use crate::{Env, Error, Executed, Execution, Host, Netns, Result, sys};

/// How much a plugin may print. The largest results of real networks have a few kilobytes.
const MAX_OUTPUT: usize = 16 << 20;
/// How long a program may stay "text file busy" (still open for writing by whoever installs it).
const BUSY_LIMIT: Duration = Duration::from_secs(5);
/// Where an administrator's programs are, whatever `PATH` says.
const FOLDERS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];
/// How often a plugin that went away without closing its stdout is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The machine that this process runs on.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct System;

impl System {
    /// The machine that this process runs on.
    pub fn new() -> Self {
        Self
    }
}

impl Host for System {
    fn find_plugin(&self, name: &PluginName, folders: &[PathBuf]) -> Result<PathBuf> {
        folders.iter().map(|folder| folder.join(name.as_str())).find(|program| program.is_file()).ok_or_else(
            || {
                let folders: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
                let cause = format!("failed to find plugin \"{name}\" in path [{}]", folders.join(" "));
                Error::new(cni_types::ErrorCode::IO_FAILURE, cause)
            },
        )
    }

    fn is_this_program(&self, name: &PluginName) -> bool {
        std::env::args_os().next().is_some_and(|program| is_program_of(name, &program))
    }

    fn find_program(&self, name: &str, env: &Env) -> Option<PathBuf> {
        let path = env.get("PATH").unwrap_or_default();
        let folders = std::env::split_paths(path).chain(FOLDERS.map(PathBuf::from));
        let mut programs = folders.filter(|folder| folder.is_absolute()).map(|folder| folder.join(name));
        programs.find(|program| program.is_file())
    }

    fn execute(&self, execution: &Execution<'_>) -> io::Result<Executed> {
        let deadline = Instant::now() + execution.deadline;
        let mut child = spawn(execution)?;
        let ended = converse(&mut child, execution.stdin, deadline)
            .and_then(|output| Ok((wait(&mut child, deadline)?, output)));
        if ended.is_err() {
            kill(&mut child);
        }
        let (status, [stdout, stderr]) = ended?;
        Ok(Executed::new(status.success(), status.to_string(), stdout).stderr(stderr))
    }

    fn open_netns(&self, path: &Path) -> io::Result<Netns> {
        Netns::open(path)
    }

    fn is_own_netns(&self, netns: &Netns) -> io::Result<bool> {
        Ok(netns.is_same(&Netns::own()?))
    }

    #[cfg(feature = "net")]
    fn net(&self) -> Result<Net> {
        Ok(Net::open()?)
    }
}

/// A plugin's program has its name.
fn is_program_of(name: &PluginName, program: &OsStr) -> bool {
    Path::new(program).file_name().is_some_and(|file| file == name.as_str())
}

/// Starts the program in a process group of its own, so that it can be killed together with what it started. Its
/// stderr is ours unless it is to be kept: what it says is seen while it says it.
fn spawn(execution: &Execution<'_>) -> io::Result<Child> {
    let mut command = Command::new(execution.program);
    command.args(execution.args).env_clear().envs(execution.env.iter()).process_group(0);
    let stderr = if execution.keeps_stderr { Stdio::piped() } else { Stdio::inherit() };
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
    let started = Instant::now();
    let mut pause = Duration::from_millis(5);
    loop {
        match command.spawn() {
            Err(busy) if busy.kind() == ErrorKind::ExecutableFileBusy && started.elapsed() < BUSY_LIMIT => {
                std::thread::sleep(pause);
                pause *= 2;
            }
            outcome => return outcome,
        }
    }
}

/// Feeds the child its stdin and takes what it prints on stdout and stderr, whichever it is ready for, until it closes
/// them.
fn converse(child: &mut Child, mut input: &[u8], deadline: Instant) -> io::Result<[Vec<u8>; 2]> {
    let mut stdin = child.stdin.take();
    let stdout = child.stdout.take().ok_or(ErrorKind::BrokenPipe)?;
    stdin.as_ref().map_or(Ok(()), do_not_block)?;
    let mut outputs =
        [Output::of(Some(OwnedFd::from(stdout)))?, Output::of(child.stderr.take().map(OwnedFd::from))?];
    loop {
        if let Some(pipe) = &mut stdin {
            match pipe.write(input) {
                Ok(n) => input = &input[n..],
                // It does not have to read what it does not need.
                Err(broken) if broken.kind() == ErrorKind::BrokenPipe => input = &[],
                Err(other) => pass_if_later(other)?,
            }
        }
        if input.is_empty() {
            // Closed before the wait below: most programs do nothing until they have seen the end.
            stdin = None;
        }
        outputs.iter_mut().try_for_each(Output::take_in)?;
        if outputs.iter().all(|output| output.pipe.is_none()) {
            break;
        }
        let pipes = outputs.iter().filter_map(|output| output.pipe.as_ref());
        if !ready(pipes, stdin.as_ref(), deadline)? && child.try_wait()?.is_some() {
            // It ended, but something that it started keeps its stdout open.
            break;
        }
    }
    Ok(outputs.map(|output| output.bytes))
}

/// What the child prints on one of its two.
struct Output {
    /// None once it is closed.
    pipe: Option<File>,
    bytes: Vec<u8>,
}

impl Output {
    fn of(pipe: Option<OwnedFd>) -> io::Result<Self> {
        pipe.as_ref().map_or(Ok(()), do_not_block)?;
        Ok(Self { pipe: pipe.map(File::from), bytes: Vec::new() })
    }

    /// Takes what is there.
    fn take_in(&mut self) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        let room = MAX_OUTPUT - self.bytes.len();
        match pipe.take(room as u64).read_to_end(&mut self.bytes) {
            Ok(n) if n < room => self.pipe = None,
            Ok(_) => return Err(io::Error::new(ErrorKind::FileTooLarge, "it printed more than 16 MiB")),
            Err(other) => pass_if_later(other)?,
        }
        Ok(())
    }
}

/// Waits until one of the pipes can be used, but not for ever: whether one can.
fn ready<'a>(
    outputs: impl Iterator<Item = &'a File>,
    stdin: Option<&impl AsFd>,
    deadline: Instant,
) -> io::Result<bool> {
    let mut fds: Vec<_> = outputs.map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)).collect();
    fds.extend(stdin.map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLOUT)));
    let pause = time_left(deadline)?.min(LOOK_EVERY);
    let timeout = PollTimeout::try_from(pause + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
    match poll(&mut fds, timeout) {
        Err(Errno::EINTR) => Ok(true),
        outcome => Ok(outcome? > 0),
    }
}

/// Waits for the end of a child that has closed its stdout, which is normally at hand.
fn wait(child: &mut Child, deadline: Instant) -> io::Result<ExitStatus> {
    let mut process = None;
    let mut pause = Duration::from_micros(50);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        let left = time_left(deadline)?;
        // It is not reaped yet, so the number is still its own.
        match process.get_or_insert_with(|| sys::open_process(child.id())) {
            Ok(process) => {
                let timeout =
                    PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
                match poll(&mut [PollFd::new(process.as_fd(), PollFlags::POLLIN)], timeout) {
                    Err(Errno::EINTR) => {}
                    outcome => {
                        outcome?;
                    }
                }
            }
            Err(_) => {
                std::thread::sleep(pause.min(left));
                pause = (pause * 2).min(Duration::from_millis(10));
            }
        }
    }
}

/// Ends the child and all that it started. Nobody is left to tell of a failure here: the call has failed already.
fn kill(child: &mut Child) {
    if let Ok(pid) = i32::try_from(child.id()) {
        let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
    }
    let _ = child.wait();
}

fn time_left(deadline: Instant) -> io::Result<Duration> {
    match deadline.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(ErrorKind::TimedOut.into()),
        left => Ok(left),
    }
}

fn do_not_block(pipe: &impl AsFd) -> io::Result<()> {
    fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(())
}

fn pass_if_later(error: io::Error) -> io::Result<()> {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted).then_some(()).ok_or(error)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn script(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("plugin");
        fs::write(&program, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        (folder, program)
    }

    fn execute(text: &str, stdin: &[u8], deadline: Duration) -> io::Result<Executed> {
        let (_folder, program) = script(text);
        let env = Env::new().with("CNI_COMMAND", "ADD").with("OTHER", "kept");
        System.execute(&Execution::new(&program, &env, stdin, deadline))
    }

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn a_plugin_gets_stdin_and_environment_whole() {
        let megabyte = vec![b'x'; 1 << 20];
        let executed = execute("echo $CNI_COMMAND $OTHER; exec /bin/cat", &megabyte, LONG).unwrap();
        assert!(executed.success);
        assert_eq!(executed.stdout.len(), (1 << 20) + "ADD kept\n".len());
    }

    #[test]
    fn a_plugin_sees_the_end_of_its_stdin_at_once() {
        let quickest = (0..5).map(|_| {
            let started = Instant::now();
            execute("/bin/cat >/dev/null", b"{}", LONG).unwrap();
            started.elapsed()
        });
        assert!(quickest.min().unwrap() < LOOK_EVERY);
    }

    #[test]
    fn a_plugin_that_does_not_read_its_stdin_is_no_failure() {
        let megabyte = vec![b'x'; 1 << 20];
        let executed = execute("exec 0<&-; echo done", &megabyte, LONG).unwrap();
        assert_eq!(executed.stdout, b"done\n");
    }

    #[test]
    fn how_a_plugin_ended_is_told() {
        let executed = execute("exit 3", b"", LONG).unwrap();
        assert!(!executed.success);
        assert_eq!(executed.status, "exit status: 3");
    }

    #[test]
    fn a_plugin_that_closes_its_stdout_early_is_waited_for() {
        let executed = execute("exec >&-; /bin/sleep 0.1; exit 3", b"", LONG).unwrap();
        assert_eq!(executed.status, "exit status: 3");
        let error = execute("exec >&-; /bin/sleep 60", b"", Duration::from_millis(200)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }

    #[test]
    fn a_plugin_that_hangs_is_killed_with_what_it_started() {
        let started = Instant::now();
        let error = execute("/bin/sleep 60 & /bin/sleep 60", b"", Duration::from_millis(200)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(started.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_plugin_that_leaves_a_daemon_behind_is_not_waited_for() {
        let started = Instant::now();
        let executed = execute("/bin/sleep 5 & echo ready", b"", LONG).unwrap();
        assert_eq!(executed.stdout, b"ready\n");
        assert!(started.elapsed() < Duration::from_secs(4));
    }

    #[test]
    fn a_plugin_that_prints_without_end_is_stopped() {
        let error = execute("exec /usr/bin/yes", b"", LONG).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_program_that_is_being_written_is_tried_again() {
        let (_folder, program) = script("echo written");
        let writer = fs::OpenOptions::new().append(true).open(&program).unwrap();
        let waiter = std::thread::spawn(move || {
            let env = Env::new();
            System.execute(&Execution::new(&program, &env, b"", LONG))
        });
        std::thread::sleep(Duration::from_millis(50));
        drop(writer);
        assert_eq!(waiter.join().unwrap().unwrap().stdout, b"written\n");
    }

    #[test]
    fn a_program_is_the_plugin_that_has_its_name() {
        let name = PluginName::try_from("host-local").unwrap();
        for (program, is_it) in
            [("host-local", true), ("/opt/cni/bin/host-local", true), ("./host-local2", false), ("", false)]
        {
            assert_eq!(is_program_of(&name, OsStr::new(program)), is_it, "{program}");
        }
    }

    #[test]
    fn the_first_regular_file_on_the_path_is_the_plugin() {
        let (folder, program) = script("");
        fs::create_dir_all(folder.path().join("x/plugin")).unwrap();
        let name = PluginName::try_from("plugin").unwrap();
        let folders = [folder.path().join("missing"), folder.path().join("x"), folder.path().to_owned()];
        assert_eq!(System.find_plugin(&name, &folders).unwrap(), program);
        let error = System.find_plugin(&name, &folders[..2]).unwrap_err();
        assert!(error.msg().starts_with("failed to find plugin \"plugin\" in path ["), "{error}");
    }
}
