//! `nft` of this crate against the program of that name.

mod batches;
mod layouts;
mod rules;
mod sets;

use std::io::Write;
use std::process::{Command, Stdio};

use cni_skel::Netns;

use crate::started;

/// Runs `nft` inside a namespace and returns what it prints.
#[track_caller]
pub(crate) fn nft_says(netns: &Netns, args: &[&str]) -> String {
    let output = netns.run(|| started("nft", Command::new("nft").args(args).output()));
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
pub(crate) fn nft_does(netns: &Netns, script: &str) {
    let run = || {
        let mut child = started("nft", Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn());
        child.stdin.take().expect("stdin is piped").write_all(script.as_bytes()).expect("write to nft");
        child.wait().expect("nft ends")
    };
    assert!(netns.run(run).expect("enter the namespace").success(), "nft refuses {script}");
}
