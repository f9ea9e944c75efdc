//! `Nft` against the kernel, in throw-away namespaces, with `nft` as the witness.
//!
//! This needs root or a user namespace around it, which cargo's runner makes. Where no namespace can be made the tests
//! fail.

mod batches;
mod flows;
mod layouts;
mod rules;
mod sets;

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use cni_skel::Netns;
use cni_skel::nft::{Base, Chain, ChainType, Family, Hook, Nft, Table};
use nix::sched::{CloneFlags, unshare};

/// A namespace that lives as long as the value, and a handle of its ruleset.
#[track_caller]
fn ruleset() -> (Netns, Nft) {
    let thread = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).expect("make a network namespace");
        Netns::own().expect("open the new network namespace")
    });
    let netns = thread.join().expect("the thread ends");
    let nft = Nft::open_in(&netns).expect("open the new namespace's ruleset");
    (netns, nft)
}

/// Runs `nft` inside a namespace and gives what it says.
#[track_caller]
fn nft_says(netns: &Netns, args: &[&str]) -> String {
    let output = netns.run(|| Command::new("nft").args(args).output().expect("run nft"));
    let output = output.expect("enter the namespace");
    assert!(output.status.success(), "nft {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("nft prints text")
}

/// What `nft list ruleset` prints, without indentation and empty lines.
#[track_caller]
fn listed(netns: &Netns) -> Vec<String> {
    let text = nft_says(netns, &["list", "ruleset"]);
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Has `nft` carry out a script.
#[track_caller]
fn nft_does(netns: &Netns, script: &str) {
    let run = || {
        let mut child = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().expect("run nft");
        child.stdin.take().expect("stdin is piped").write_all(script.as_bytes()).expect("write to nft");
        child.wait().expect("nft ends")
    };
    assert!(netns.run(run).expect("enter the namespace").success(), "nft refuses {script}");
}

/// A table with a chain that packets do not come to.
fn table_and_chain(family: Family) -> (Table, Chain) {
    let table = Table::new(family, "t");
    let chain = Chain::new(&table, "c");
    (table, chain)
}

/// A chain where flows can be rewritten.
fn nat_chain(table: &Table, hook: Hook, priority: i32) -> Chain {
    Chain::base(table, "c", Base::new(ChainType::Nat, hook, priority))
}

/// The chain of causes as people get to see it.
fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
