//! The plugin beside the reference one, and its rules as other programs see them: with iptables of either kind, and with `nft`.
//! `cargo test` alone does not run it.
//!
//! It needs Debian's packages containernetworking-plugins, iptables and nftables. A test whose program is missing fails.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

mod faults;
mod iptables;
mod layout;
mod many;
mod rival;
mod takeover;
#[path = "../portmap/world.rs"]
mod world;
