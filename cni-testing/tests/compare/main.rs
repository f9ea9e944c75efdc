//! This crate with Debian's plugins and other programs. `cargo test` alone does not run it.
//!
//! It needs Debian's packages containernetworking-plugins, iproute2 and iptables. A test whose program is missing fails.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

mod iptables;
mod leaves;
mod links;
mod ordinary_user;
#[path = "../support/program.rs"]
mod program;
mod reference;
mod same_network;
#[path = "../support/ordinary_user.rs"]
mod user;
