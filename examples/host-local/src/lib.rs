//! wip
#![forbid(unsafe_code)]
#![allow(dead_code, reason = "wip")]
mod address;
mod range;
mod range_set;
