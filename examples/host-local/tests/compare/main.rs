//! This plugin beside the reference one. `cargo test` alone does not run it.
//!
//! It needs Debian's package containernetworking-plugins. A test whose program is missing fails.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

mod reference;
mod reference_inputs;
#[path = "../support/mod.rs"]
mod support;
