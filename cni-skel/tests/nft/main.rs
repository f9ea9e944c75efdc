//! `Nft` against the kernel, in throw-away namespaces. What `nft` says about it is in the target `compare`.
//!
//! This needs root or a user namespace around it, which cargo's runner makes. Where no namespace can be made the tests
//! fail.

mod batches;
mod flows;
mod layouts;
mod rules;
mod sets;
#[path = "../support/mod.rs"]
mod support;

use support::chain_of;
use support::nft::{nat_chain, ruleset, table_and_chain};
