//! The plugin in process, against real namespaces, with traffic as the judge. What other programs say about its rules
//! is in the target `compare`.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

mod bad_input;
mod conditions;
mod faults;
mod layout;
mod life;
mod nothing;
mod schema;
mod traffic;
mod world;
