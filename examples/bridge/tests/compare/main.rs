//! The plugin beside the reference one, and its rules as other programs see them: with iptables of either kind, and with `nft`.
//! `cargo test` alone does not run it.
//!
//! It needs Debian's packages containernetworking-plugins, iproute2, iptables and nftables. A test whose program is missing
//! fails.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

mod iptables;
#[path = "../killed/mod.rs"]
mod killed;
mod node;
#[path = "../bridge/places.rs"]
mod places;
mod rival;
mod takeover;
mod texts;
#[path = "../bridge/world.rs"]
mod world;

/// The hosts on which ADDs are killed.
const KILLED_ON: [killed::Way; 2] = [killed::Way::OlderIptables; 2];
