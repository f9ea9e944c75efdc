//! The plugin in process, against real namespaces, with `nft` as the witness and traffic as the judge.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

mod bad_input;
mod conditions;
mod faults;
mod iptables;
mod layout;
mod life;
mod nothing;
mod rival;
mod schema;
mod takeover;
mod traffic;
mod world;
