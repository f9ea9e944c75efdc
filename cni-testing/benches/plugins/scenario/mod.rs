//! What is measured.

use std::time::Duration;

use crate::builds::Programs;
use crate::failure::Failure;
use crate::options::Options;
use crate::results::Results;

mod attach;
mod bridge;
mod chain;
mod host_local;
mod plugin;
mod pods;
mod portmap;
mod start;

/// Between two runs that change the kernel's state, so that what it still does for one is not counted for the other.
const PAUSE: Duration = Duration::from_millis(15);

/// What every scenario works with.
struct Bench<'a> {
    options: &'a Options,
    programs: &'a Programs,
}

type Scenario = fn(&Bench<'_>, &mut Results) -> Result<(), Failure>;

const ALL: [(&str, &str, Scenario); 6] = [
    ("start", "VERSION: what a process costs that does nothing", start::run),
    ("host-local", "an address from a pool of which many are taken", host_local::run),
    ("bridge", "a container on a bridge: alone, with a gateway, masqueraded", bridge::run),
    ("portmap", "a published port beside those of other containers", portmap::run),
    ("chain", "bridge with masquerading, then portmap", chain::run),
    ("pods", "40 containers at once on a node with 1,000", pods::run),
];

pub(crate) fn is_one(name: &str) -> bool {
    ALL.iter().any(|(known, _, _)| *known == name)
}

pub(crate) fn list() -> String {
    ALL.map(|(name, about, _)| format!("{name:<12}{about}")).join("\n")
}

/// Runs the scenarios that are wanted. Where one fails the others go on.
pub(crate) fn run_all(options: &Options, programs: &Programs, results: &mut Results) {
    let bench = Bench { options, programs };
    for (name, about, run) in ALL {
        if !options.wants(name) {
            continue;
        }
        eprintln!("{name}: {about}");
        if let Err(failure) = run(&bench, results) {
            results.failures.push(format!("{name}: {failure}"));
        }
    }
}
