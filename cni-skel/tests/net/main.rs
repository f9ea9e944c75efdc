//! `Net` against the kernel, in throw-away namespaces. The machine's own network is not touched.
//!
//! This needs root or a user namespace around it, which cargo's runner makes. Where no namespace can be made the tests
//! fail.

mod addresses;
mod links;
mod routes;
mod waiting;

use std::process::Command;
use std::thread;

use cni_skel::Netns;
use cni_skel::net::Net;
use nix::sched::{CloneFlags, unshare};
use serde_json::Value;

/// Makes a namespace that lives as long as the value.
#[track_caller]
fn namespace() -> Netns {
    let thread = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).expect("make a network namespace");
        Netns::own().expect("open the new network namespace")
    });
    thread.join().expect("the thread ends")
}

/// A namespace and a handle of its network.
#[track_caller]
fn network() -> (Netns, Net) {
    let netns = namespace();
    let net = netns.net().expect("open the new namespace's network");
    (netns, net)
}

/// Runs iproute2 inside a namespace and gives what it says.
#[track_caller]
fn ip(netns: &Netns, args: &str) -> Value {
    let words = args.split_whitespace();
    let run = || Command::new("ip").arg("-j").arg("-d").args(words).output().expect("run ip");
    let output = netns.run(run).expect("enter the namespace");
    assert!(output.status.success(), "ip {args}: {}", String::from_utf8_lossy(&output.stderr));
    if output.stdout.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&output.stdout).expect("ip -j prints JSON")
    }
}

/// The chain of causes as people get to see it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
