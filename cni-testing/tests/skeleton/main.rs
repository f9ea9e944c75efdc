//! What the skeleton does for every plugin, driven through `Call` and so through `dispatch`.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

mod delegation;
mod input;
mod newer_keys;
mod pending;
mod plugin;
mod trace;
mod undo;
