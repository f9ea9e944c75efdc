//! A plugin with one fault, which is named by the last two folders of its path. If it is started as `del/silent/faulty`, it
//! prints something on DEL. Each fault has the name of the conformance check that must find it.
//!
//! The plugin implements the protocol itself, because one that uses `cni_skel::run` cannot have most of these faults. It uses
//! only types and netlink of that crate.
#![allow(clippy::print_stdout, reason = "it implements the protocol itself")]
#![allow(clippy::unwrap_used, reason = "checks must handle a panic of the plugin")]

mod chained;
mod environment;
mod input;
mod interface;
mod ipam;
mod leaves;
mod reply;
mod version;

use std::process::ExitCode;

use reply::Reply;

/// Returns whether the plugin has this fault.
fn has(fault: &str) -> bool {
    let program = std::env::args().next().unwrap_or_default();
    program.ends_with(&format!("/{fault}/faulty"))
}

fn main() -> ExitCode {
    let command = std::env::var("CNI_COMMAND").unwrap_or_default();
    if command.is_empty() {
        if has("env/no-command") {
            println!("hello");
        }
        eprintln!("a plugin with a fault");
        return ExitCode::SUCCESS;
    }
    if command == "VERSION" || (command == "version" && has("env/command-case")) {
        return version::answer();
    }
    if has("load/terminated") {
        leave_at_sigterm();
    }
    run_on(&command);
    match answer(&command) {
        Ok(text) => reply::deliver(&text, 0),
        Err(reply) => reply.deliver(),
    }
}

fn answer(command: &str) -> Result<String, Reply> {
    let call = environment::read(command)?;
    let call = input::read(call)?;
    match call.config["kind"].as_str() {
        Some("ipam") => ipam::answer(&call),
        Some("chained") => chained::answer(&call),
        _ => interface::answer(&call),
    }
}

/// Leaves something behind when it gets SIGTERM.
fn leave_at_sigterm() {
    use nix::sys::signal::{SigSet, Signal};

    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.thread_block().unwrap();
    std::thread::spawn(move || {
        signals.wait().unwrap();
        leave("terminated");
        std::process::exit(1);
    });
}

/// Starts a process that does not end with the plugin, in commands of which only these checks look at that.
#[expect(clippy::zombie_processes, reason = "this is the fault")]
fn run_on(command: &str) {
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    let mut sleep = Command::new("/bin/sleep");
    sleep.arg("60").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if has("end/output-closed") && command == "CHECK" {
        sleep.stdout(Stdio::inherit()).process_group(0).spawn().unwrap();
    }
    if has("end/stderr-closed") && command == "STATUS" {
        sleep.stderr(Stdio::inherit()).process_group(0).spawn().unwrap();
    }
    if has("end/nothing-runs-on") && command == "GC" {
        sleep.spawn().unwrap();
    }
}

/// Creates a file in a folder that a check looks at.
fn leave(name: &str) {
    let folder = ipam::state().join("left");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), "").unwrap();
}
