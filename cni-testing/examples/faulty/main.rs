//! A plugin that is right, but for one fault: that which the two folders above the name that it is started under are called.
//! Started as `del/silent/faulty` it prints something on DEL. Each fault is named as the conformance check that has to find it.
//!
//! What a plugin built on `cni_skel::run` cannot do wrong, this one can: it speaks the protocol by itself, and takes only types
//! and netlink from there.
#![allow(clippy::print_stdout, reason = "it speaks the protocol by itself")]
#![allow(clippy::unwrap_used, reason = "a panic is an answer that a check has to cope with")]

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

/// Whether this is the fault that the plugin has.
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
        mind_the_end();
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

/// Leaves something when it is told to end.
fn mind_the_end() {
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

/// Starts something that does not end with the plugin: in commands that the suite calls only where it looks at that.
#[expect(clippy::zombie_processes, reason = "that is the fault")]
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

/// Makes a file where a check sees it.
fn leave(name: &str) {
    let folder = ipam::state().join("left");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), "").unwrap();
}
