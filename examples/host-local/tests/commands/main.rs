//! Each command, in process, on a state directory of its own.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

mod calls;
#[path = "../support/mod.rs"]
mod support;

mod add;
mod check;
mod del;
mod gc;
mod leftovers;
mod ranges;
mod status;
