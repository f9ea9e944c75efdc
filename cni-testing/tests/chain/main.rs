//! `Chain` against plugins that are shell scripts.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the failure that is wanted")]

mod attach;
mod cache;
mod failing;
mod plugins;
mod source;
mod upkeep;
