//! The program `cnitest`, started as people start it, with plugins that are scripts. With Debian's plugins it is started in
//! the target `compare`.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the failure that is wanted")]

mod bad_input;
mod build;
mod interrupted;
mod ordinary_user;
#[path = "../support/program.rs"]
mod program;
mod scripts;
#[path = "../support/ordinary_user.rs"]
mod user;
