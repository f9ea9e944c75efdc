//! The network in memory: it agrees with the kernel, and plugins run on it.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

mod agreement;
mod calls;
mod raw;
mod requests;
mod scene;
