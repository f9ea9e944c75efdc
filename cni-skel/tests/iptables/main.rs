//! `iptables` of this crate where iptables is nftables underneath: no program is run. What the programs of that name make of
//! it, and the older kind, is in the target `compare`.
//!
//! This needs root or a user namespace around it, which cargo's runner makes. Where no namespace can be made the tests
//! fail.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

mod changes;
mod rules;
#[path = "../support/mod.rs"]
mod support;
