//! `Net` against the kernel, in throw-away namespaces. The machine's own network is not touched. What iproute2 says about it
//! is in the target `compare`.
//!
//! This needs root or a user namespace around it, which cargo's runner makes. Where no namespace can be made the tests
//! fail.

mod addresses;
mod links;
mod routes;
#[path = "../support/mod.rs"]
mod support;
mod waiting;

use support::{chain_of as chain, network};
