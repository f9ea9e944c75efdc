//! `iptables` of this crate against the programs of that name: both of its kinds.

mod changes;
mod machines;
mod rules;
