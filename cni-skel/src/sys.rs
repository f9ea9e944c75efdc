//! The one module with unsafe code: system calls that nix does not wrap, and what only Linux has.
//!
//! Plugins run on Linux. Elsewhere the crate is built for tests, which need no kernel.
#![allow(unsafe_code, reason = "each block states why it is sound")]

mod child;
mod last_words;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;
mod signals;
mod stdio;

pub(crate) use child::reap;
pub(crate) use last_words::{answers, leave};
#[cfg(target_os = "linux")]
pub(crate) use linux::{enter_netns, open_process, stdout_was_closed, why_no_netns};
#[cfg(not(target_os = "linux"))]
pub(crate) use other::{enter_netns, open_process, stdout_was_closed, why_no_netns};
pub(crate) use signals::live_on;
pub(crate) use stdio::{stdin, stdout};
