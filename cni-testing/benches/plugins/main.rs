//! Measures our plugins, Debian's Go plugins and the floor, the minimum that a program needs for the same work, in one run:
//!
//! ```sh
//! cargo bench -p cni-testing --bench plugins
//! cargo bench -p cni-testing --bench plugins -- --help
//! ```
//!
//! It needs root. It works in its own namespaces, with its own folders for state.
//!
//! A module uses only modules before it in this list: `failure`, `subject`; `stats`, `results`, `goals`; `svg`, `chart`,
//! `sections`, `pictures`, `page`; `process`, `traced`, `options`, `contest`; `builds`, `machine`, `node`; `scenario`.
#![allow(
    dead_code,
    unused_imports,
    reason = "cargo sets cfg(test) for a benchmark, which has no test harness; tests.rs runs the tests"
)]

mod builds;
mod chart;
mod contest;
mod failure;
mod goals;
mod machine;
mod node;
mod options;
mod page;
mod pictures;
mod process;
mod results;
mod scenario;
mod sections;
mod stats;
mod subject;
mod svg;
mod traced;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use cni_testing::isolation;

use builds::Programs;
use failure::Failure;
use machine::Machine;
use options::{Options, Request};
use results::Results;

fn main() -> ExitCode {
    match options::parse(std::env::args_os().skip(1)) {
        Ok(Request::Help) => say(options::HELP.trim_end()),
        Ok(Request::List) => say(&scenario::list()),
        Ok(Request::Run(options)) => match run(&options) {
            Ok(results) if results.failures.is_empty() => {}
            Ok(results) => {
                for failure in &results.failures {
                    eprintln!("{failure}");
                }
                return ExitCode::FAILURE;
            }
            Err(failure) => {
                eprintln!("{failure}");
                return ExitCode::FAILURE;
            }
        },
        Err(why) => {
            eprintln!("{why}; see --help");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn run(options: &Options) -> Result<Results, Failure> {
    let started = Instant::now();
    let programs = Programs::build(options)?;
    let folders: BTreeSet<PathBuf> = isolation::STATE_FOLDERS.iter().map(PathBuf::from).collect();
    isolation::enter().map_err(Failure::from("cannot enter new namespaces"))?;
    isolation::cover(&folders)
        .map_err(Failure::from("cannot mount empty folders over the machine's state"))?;
    let machine = Machine::look(&programs);
    let mut results = Results::new(machine);
    scenario::run_all(options, &programs, &mut results);
    results.took = started.elapsed();
    say(&page::text(&results));
    if let Some(folder) = &options.out {
        for file in page::files(&results) {
            file.write(folder)?;
        }
    }
    Ok(results)
}

#[expect(clippy::print_stdout, reason = "this is not a plugin")]
fn say(text: &str) {
    println!("{text}");
}
