//! This crate beside other programs: what `ip`, `nft` and both kinds of `iptables` make of what it tells the kernel, and it
//! of theirs. `cargo test` alone does not run it.
//!
//! It needs Debian's packages iproute2, iptables and nftables. A test whose program is missing fails.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

mod iptables;
mod net;
mod nft;
#[path = "../support/mod.rs"]
mod support;

use std::io;

/// What came of starting a program.
///
/// # Panics
/// Panics if the program was not started, and names the package to install.
#[track_caller]
fn started<T>(program: &str, outcome: io::Result<T>) -> T {
    let package = if program == "ip" { "iproute2" } else { "nftables" };
    outcome.unwrap_or_else(|why| panic!("cannot run {program}: {why}; install Debian's package {package}"))
}
