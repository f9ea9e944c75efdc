//! The machine as a host: plugins are child processes, and namespaces are the kernel's.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use cni_types::PluginName;

use super::child::Process;
#[cfg(feature = "net")]
use crate::net::Net;
use crate::{Child, Env, Error, Execution, Host, Netns, Result};

/// Folders with an administrator's programs, which need not be in `PATH`.
const FOLDERS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// The machine that this process runs on.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct System;

impl System {
    /// Returns the machine that this process runs on.
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

    fn start(&self, execution: &Execution<'_>) -> io::Result<Box<dyn Child>> {
        Ok(Box::new(Process::start(execution)?))
    }

    fn open_netns(&self, path: &Path) -> io::Result<Netns> {
        Netns::open(path)
    }

    fn is_own_netns(&self, netns: &Netns) -> io::Result<bool> {
        netns.is_own()
    }

    #[cfg(feature = "net")]
    fn net(&self) -> Result<Net> {
        Ok(Net::open()?)
    }
}

/// Returns whether the program of a plugin with this name was started.
fn is_program_of(name: &PluginName, program: &OsStr) -> bool {
    Path::new(program).file_name().is_some_and(|file| file == name.as_str())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::ErrorKind;
    use std::os::unix::fs::PermissionsExt;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::Output;

    fn script(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("plugin");
        fs::write(&program, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        (folder, program)
    }

    fn execute(text: &str, stdin: &[u8], timeout: Duration) -> io::Result<Output> {
        let (_folder, program) = script(text);
        let env = Env::new().with("CNI_COMMAND", "ADD").with("OTHER", "kept");
        System.execute(&Execution::new(&program, &env, stdin, timeout))
    }

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn a_plugin_gets_all_of_stdin_and_environment() {
        let megabyte = vec![b'x'; 1 << 20];
        let output = execute("echo $CNI_COMMAND $OTHER; exec /bin/cat", &megabyte, LONG).unwrap();
        assert!(output.success);
        assert_eq!(output.stdout.len(), (1 << 20) + "ADD kept\n".len());
    }

    #[test]
    fn a_plugin_sees_the_end_of_its_stdin_at_once() {
        let quickest = (0..5).map(|_| {
            let started = Instant::now();
            execute("/bin/cat >/dev/null", b"{}", LONG).unwrap();
            started.elapsed()
        });
        // Otherwise it would see the end only after the next poll.
        assert!(quickest.min().unwrap() < Duration::from_millis(100));
    }

    #[test]
    fn a_plugin_need_not_read_its_stdin() {
        let megabyte = vec![b'x'; 1 << 20];
        let output = execute("exec 0<&-; echo done", &megabyte, LONG).unwrap();
        assert_eq!(output.stdout, b"done\n");
    }

    #[test]
    fn the_output_has_the_exit_status() {
        let output = execute("exit 3", b"", LONG).unwrap();
        assert!(!output.success);
        assert_eq!(output.status, "exit status: 3");
    }

    #[test]
    fn a_plugin_that_closes_its_stdout_early_is_waited_for() {
        let output = execute("exec >&-; /bin/sleep 0.1; exit 3", b"", LONG).unwrap();
        assert_eq!(output.status, "exit status: 3");
        let error = execute("exec >&-; /bin/sleep 60", b"", Duration::from_millis(200)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }

    #[test]
    fn a_plugin_that_closes_its_stdout_and_then_reads_more_than_a_pipe_holds_gets_all_of_it() {
        let megabyte = vec![b'x'; 1 << 20];
        let output = execute("exec >&-; [ $(/usr/bin/wc -c) = 1048576 ]", &megabyte, LONG).unwrap();
        assert!(output.success, "{output:?}");
    }

    #[test]
    fn a_timeout_may_be_the_longest_duration() {
        assert_eq!(execute("echo done", b"", Duration::MAX).unwrap().stdout, b"done\n");
    }

    #[test]
    fn a_plugin_that_hangs_is_killed_with_its_children() {
        let started = Instant::now();
        let error = execute("/bin/sleep 60 & /bin/sleep 60", b"", Duration::from_millis(200)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(started.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_daemon_that_a_plugin_started_is_not_waited_for() {
        let started = Instant::now();
        let output = execute("/bin/sleep 5 & echo ready", b"", LONG).unwrap();
        assert_eq!(output.stdout, b"ready\n");
        assert!(started.elapsed() < Duration::from_secs(4));
    }

    #[test]
    fn a_plugin_that_prints_without_end_is_killed() {
        let error = execute("exec /usr/bin/yes", b"", LONG).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_child_runs_before_it_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (_program_folder, program) = script("echo started; /bin/cat; echo $0 > $FOLDER/done");
        let env = Env::new().with("FOLDER", folder.path());
        let running = System.start(&Execution::new(&program, &env, b"{}", LONG)).unwrap();
        let until = Instant::now() + LONG;
        while !folder.path().join("done").exists() {
            assert!(Instant::now() < until);
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(running.finish().unwrap().stdout, b"started\n{}");
    }

    #[test]
    fn a_child_gets_all_of_a_stdin_that_is_larger_than_a_pipe() {
        let (_folder, program) = script("exec /bin/cat");
        let megabyte = vec![b'x'; 1 << 20];
        let running = System
            .start(&Execution::new(&program, &Env::new(), &megabyte, LONG))
            .expect("cat can be started");
        drop(program);
        assert_eq!(running.finish().unwrap().stdout, megabyte);
    }

    #[test]
    fn a_dropped_child_is_waited_for_and_leaves_no_descriptor() {
        let folder = tempfile::tempdir().unwrap();
        let (_program_folder, program) = script("/bin/sleep 0.1; echo > $FOLDER/done");
        let env = Env::new().with("FOLDER", folder.path());
        let process = Process::start(&Execution::new(&program, &env, b"{}", LONG)).unwrap();
        let (pid, pipes) = (process.pid(), process.pipes());
        drop(process);
        assert!(folder.path().join("done").exists());
        assert_eq!(nix::sys::wait::waitpid(pid, None), Err(nix::errno::Errno::ECHILD));
        let is_open = |pipe: &PathBuf| {
            fs::read_dir("/proc/self/fd")
                .unwrap()
                .any(|fd| fs::read_link(fd.unwrap().path()).is_ok_and(|to| to == *pipe))
        };
        assert!(!pipes.is_empty() && !pipes.iter().any(is_open), "{pipes:?}");
    }

    #[test]
    fn a_dropped_child_is_killed_at_its_timeout() {
        let started = Instant::now();
        let (_folder, program) = script("/bin/sleep 60 & /bin/sleep 60");
        let timeout = Duration::from_millis(200);
        let process = Process::start(&Execution::new(&program, &Env::new(), b"", timeout)).unwrap();
        let pid = process.pid();
        drop(process);
        assert_eq!(nix::sys::wait::waitpid(pid, None), Err(nix::errno::Errno::ECHILD));
        assert!(started.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_program_starts_with_default_signals_and_in_its_own_process_group() {
        let output = execute("/bin/cat /proc/self/status; /bin/cat /proc/self/stat", b"", LONG).unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let set = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            u64::from_str_radix(line.trim(), 16).unwrap()
        };
        let sigpipe = 1 << (nix::libc::SIGPIPE - 1);
        assert_eq!((set("SigIgn:") & sigpipe, set("SigBlk:")), (0, 0), "{text}");
        let group = text.lines().last().unwrap().rsplit(") ").next().unwrap().split(' ').nth(2).unwrap();
        assert_ne!(group, nix::unistd::getpgrp().to_string());
    }

    #[test]
    fn a_program_that_cannot_be_started_is_an_error() {
        let (folder, program) = script("");
        let start = |program: &Path| {
            System
                .start(&Execution::new(program, &Env::new(), b"", LONG))
                .expect_err("it is not a program")
                .kind()
        };
        assert_eq!(start(&folder.path().join("missing")), ErrorKind::NotFound);
        fs::write(&program, "not a program").unwrap();
        let no_format = System.start(&Execution::new(&program, &Env::new(), b"", LONG)).unwrap_err();
        assert_eq!(no_format.raw_os_error(), Some(nix::libc::ENOEXEC));
        fs::set_permissions(&program, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(start(&program), ErrorKind::PermissionDenied);
        let env = Env::new().with("NUL", "\0");
        let refused = System.start(&Execution::new(&program, &env, b"", LONG)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
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
    fn a_program_belongs_to_the_plugin_of_its_name() {
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
