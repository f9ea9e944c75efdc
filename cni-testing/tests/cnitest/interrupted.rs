//! Ctrl-C and SIGTERM in the middle of a call: nothing of it goes on, neither plugins and what they have started nor their
//! namespaces, and no folder of the machine has changed.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::program::{CNITEST, Folder};

/// Answers VERSION, and hangs in ADD with a daemon beside it, after it has left all sorts of things.
const HANGS: &str = r#"
case $CNI_COMMAND in
VERSION) echo '{"cniVersion": "1.1.0", "supportedVersions": ["1.1.0"]}'; exit 0;;
ADD) ;;
*) exit 0;;
esac
readlink /proc/self/ns/net >>namespaces
readlink /proc/self/ns/mnt >>namespaces
ip link add left type bridge
mkdir -p /var/lib/cni/interrupted /run/cni/interrupted
ip netns add interrupted
touch /var/lib/cni/interrupted/file
setsid sleep 1000 >/dev/null 2>&1 </dev/null &
echo $! >>processes
sleep 1000 &
echo $! >>processes
echo $$ >>processes
mv processes started
wait
"#;

fn hanging() -> Folder {
    Folder::new(r#"{"cniVersion": "1.1.0", "name": "lan", "plugins": [{"type": "first"}]}"#)
        .plugin("first", HANGS)
}

/// Waits for what is bound to come; what never comes is the test runner's to end.
fn wait_until(is_so: impl Fn() -> bool) {
    while !is_so() {
        thread::sleep(Duration::from_millis(5));
    }
}

#[track_caller]
fn ends_at_once(mut child: Child, folder: &Folder, signal: Signal) {
    let started = folder.path("started");
    wait_until(|| started.exists());
    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
    let status = child.wait().unwrap();
    assert_eq!((status.code(), status.signal()), (Some(128 + signal as i32), None), "{signal}");
    for process in fs::read_to_string(started).unwrap().lines() {
        assert!(!Path::new("/proc").join(process).exists(), "process {process} goes on after {signal}");
    }
    let namespaces = fs::read_to_string(folder.path("namespaces")).unwrap();
    for namespace in namespaces.lines() {
        let kind = namespace.split(':').next().unwrap();
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let there = |process: fs::DirEntry| {
            fs::read_link(process.path().join("ns").join(kind)).is_ok_and(|of| of == Path::new(namespace))
        };
        assert!(!processes.into_iter().any(there), "a process is still in {namespace}");
    }
    for left in ["/var/lib/cni/interrupted", "/run/cni/interrupted", "/run/netns/interrupted", "/run/cnitest"]
    {
        assert!(!Path::new(left).exists(), "there is {left} on the machine");
    }
}

fn start(arguments: &[&str]) -> Child {
    let mut command = Command::new(CNITEST);
    command.args(arguments).env_remove("CNI_PATH").stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_run_that_is_interrupted_leaves_nothing_and_says_so_by_its_exit_status() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let folder = hanging();
        let (path, conflist) = (folder.path("").display().to_string(), folder.conflist());
        ends_at_once(start(&["run", "--path", &path, &conflist]), &folder, signal);
    }
}

#[test]
fn a_conformance_suite_that_is_interrupted_leaves_nothing_and_says_so_by_its_exit_status() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let folder = hanging();
        let (program, conflist) = (folder.path("first").display().to_string(), folder.conflist());
        ends_at_once(start(&["conform", &program, "--config", &conflist]), &folder, signal);
    }
}
