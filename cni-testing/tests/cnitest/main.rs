//! The program `cnitest`, started as people start it.
//!
//! Debian's plugins (package `containernetworking-plugins`) must be in /usr/lib/cni.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the failure that is wanted")]

mod bad_input;
mod build;
mod interrupted;
mod ordinary_user;
mod program;
mod reference;
mod same_network;
mod scripts;
