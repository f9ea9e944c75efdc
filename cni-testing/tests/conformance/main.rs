//! The conformance suite: that each check finds what it is there for, and nothing else; and `cnitest conform`.
//!
//! The plugin with faults is the example `faulty`, which cargo builds with the tests.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the failure that is wanted")]

mod bad_input;
mod end;
mod faults;
mod output;
mod program;
mod shell;
mod world;
