//! What the tests of the network share.
#![allow(dead_code, reason = "each test target uses its part")]

#[cfg(feature = "iptables")]
#[allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]
pub(crate) mod iptables;
#[cfg(feature = "nft")]
pub(crate) mod nft;

use std::thread;

use cni_skel::Netns;
use cni_skel::net::Net;
use nix::sched::{CloneFlags, unshare};

/// Makes a namespace that lives as long as the value.
#[track_caller]
pub(crate) fn namespace() -> Netns {
    let thread = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).expect("make a network namespace");
        Netns::own().expect("open the new network namespace")
    });
    thread.join().expect("the thread ends")
}

/// A namespace and a handle of its network.
#[track_caller]
pub(crate) fn network() -> (Netns, Net) {
    let netns = namespace();
    let net = netns.net().expect("open the new namespace's network");
    (netns, net)
}

/// The chain of causes as people get to see it.
pub(crate) fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
