//! Prints CONFORMANCE.md: what the conformance suite finds in Debian's plugins and in those of this repository.
//!
//! ```console
//! $ cargo run --package cni-testing --example conformance_table > cni-testing/CONFORMANCE.md
//! ```
//!
//! It takes some minutes, on a machine that does nothing else: a busy one lets calls wait in the kernel. `plugins` says who is
//! checked, and `reasons` why who deviates; `page` puts it together. A deviation without a reason is told as it was found.
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
    // Cargo builds ours outside of the namespaces.
    let subjects = plugins::all();
    if let Err(why) = isolation::enter() {
        eprintln!("conformance_table: {why}");
        return ExitCode::from(2);
    }
    let rows: Vec<_> = subjects
        .iter()
        .map(|subject| Row { name: subject.name, whose: subject.whose, report: run(subject) })
        .collect();
    print!("{}", page::page(&rows));
    for reason in reasons::unused(rows.iter().flat_map(Row::findings)) {
        eprintln!("not seen this time: {reason}");
    }
    ExitCode::SUCCESS
}

fn run(subject: &Subject) -> Result<Report, String> {
    eprintln!("{}", subject.program.display());
    let suite = Suite::new(Binary::at(&subject.program), &subject.config).path(subject.program.parent());
    suite.run().map_err(|why| why.to_string())
}
