//! What holds for any value and any input, with the strategies that authors get.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

mod call;
mod config;
mod conventions;
mod documents;
mod result;
