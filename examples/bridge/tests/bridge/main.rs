//! The plugin in process, against real namespaces, with the real `host-local` behind it.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

mod bad_input;
mod duplicates;
mod failing;
mod faults;
mod in_memory;
mod interrupted;
mod life;
mod masquerade;
mod options;
mod places;
mod schema;
mod spoof;
mod world;
