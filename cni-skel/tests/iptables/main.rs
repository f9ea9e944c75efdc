//! `iptables` of this crate against the programs of that name, in throw-away namespaces: both of its kinds.
//!
//! This needs root or a user namespace around it, which cargo's runner makes, and both kinds of iptables: Debian's package
//! has them. Where something is missing the tests fail.

#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

mod changes;
mod machines;
mod rules;
mod world;
