//! Prints CONFORMANCE.md: the results of the conformance suite for Debian's plugins and for the plugins of this repository.
//!
//! ```console
//! $ cargo run --package cni-testing --example conformance_table > cni-testing/CONFORMANCE.md
//! ```
//!
//! It takes some minutes. Run it on a machine that does nothing else, because calls wait in the kernel of a busy one. `plugins`
//! lists the plugins, `reasons` explains their deviations, and `page` writes the page. For a deviation without an explanation,
//! the page has what was found.
#![allow(clippy::print_stdout, reason = "that is what it is for")]

mod page;
mod plugins;
mod reasons;

use std::process::ExitCode;

use cni_testing::conformance::{Report, Suite};
use cni_testing::{Binary, isolation};

use page::Row;
use plugins::Subject;

fn main() -> ExitCode {
    // Cargo must build our plugins outside of the namespaces.
    let subjects = plugins::all();
    if let Err(cause) = isolation::enter() {
        eprintln!("conformance_table: {cause}");
        return ExitCode::from(2);
    }
    let rows: Vec<_> = subjects
        .iter()
        .map(|subject| Row { name: subject.name, origin: subject.origin, report: run(subject) })
        .collect();
    print!("{}", page::page(&rows));
    for reason in reasons::unused(rows.iter().flat_map(Row::findings)) {
        eprintln!("unused reason: {reason}");
    }
    ExitCode::SUCCESS
}

fn run(subject: &Subject) -> Result<Report, String> {
    eprintln!("{}", subject.program.display());
    let suite = Suite::new(Binary::at(&subject.program), &subject.config).path(subject.program.parent());
    suite.run().map_err(|cause| cause.to_string())
}
