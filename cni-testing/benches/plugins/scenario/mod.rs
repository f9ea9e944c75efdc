//! The scenarios that are measured.

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

/// The pause between two runs that change the kernel's state, so that the kernel's clean-up after one does not slow down the other.
const PAUSE: Duration = Duration::from_millis(15);

/// The input and output of every scenario.
struct Bench<'a> {
    options: &'a Options,
    programs: &'a Programs,
}

type Scenario = fn(&Bench<'_>, &mut Results) -> Result<(), Failure>;

const ALL: [(&str, &str, Scenario); 6] = [
    ("start", "VERSION: a process that does nothing else", start::run),
    ("host-local", "an address from a pool with many addresses in use", host_local::run),
    ("bridge", "a container on a bridge: alone, with a gateway, with ipMasq", bridge::run),
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

/// Runs the selected scenarios. If one fails, the others still run.
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
