//! `cnitest`: runs and checks CNI plugins from the shell.
//!
//! # Order of modules
//!
//! Each only those before it: `arguments`, `conform_options`, `options`; `event`, `text`, `report`; `descendants`; `cargo`,
//! `host`, `shim`, `wanted`; `traffic`, `containers`, `run`; `conform`.
#![forbid(unsafe_code)]

mod arguments;
mod conform_options;
mod options;

mod event;
mod report;
mod text;

mod descendants;

mod cargo;
mod host;
mod shim;
mod wanted;

mod containers;
mod run;
mod traffic;

mod conform;

use std::io::{self, Write};
use std::process::ExitCode;

use options::{HELP, Request};

/// Why the program could not do its work: exit status 2.
#[derive(Debug)]
struct Impossible(String);

fn main() -> ExitCode {
    if let Some(code) = shim::stand_in() {
        return code;
    }
    let done = options::parse(std::env::args_os().skip(1)).and_then(|request| match request {
        Request::Help => say(HELP),
        Request::Version => say(concat!("cnitest ", env!("CARGO_PKG_VERSION"), "\n")),
        Request::Run(options) => work(|| run::run(&options)),
        Request::Conform(request) => match request {
            conform_options::Request::Help => say(conform_options::HELP),
            conform_options::Request::List { json } => say(&conform::list(json)),
            conform_options::Request::Conform(options) => work(|| conform::conform(&options)),
        },
    });
    match done {
        Ok(code) => code,
        Err(Impossible(why)) => {
            let _ = writeln!(io::stderr(), "cnitest: {why}");
            ExitCode::from(2)
        }
    }
}

/// Does the work in the second process, or starts that process.
fn work(work: impl FnOnce() -> Result<bool, Impossible>) -> Result<ExitCode, Impossible> {
    if !descendants::is_worker() {
        return descendants::run_worker().map(ExitCode::from);
    }
    work().map(|is_well| if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn say(text: &str) -> Result<ExitCode, Impossible> {
    // If nobody reads stdout, nobody misses the text.
    let _ = io::stdout().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}
