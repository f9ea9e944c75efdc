//! VERSION: a process that starts, prints its versions, and ends.

use std::time::Duration;

use super::Bench;
use crate::contest::{Contestant, Step, hold};
use crate::failure::Failure;
use crate::process::Call;
use crate::results::{Job, Operation, Results};
use crate::subject::Subject;

pub(super) fn run(bench: &Bench<'_>, results: &mut Results) -> Result<(), Failure> {
    start(bench, Job::StartSmallest, "passthrough", results)?;
    start(bench, Job::Start, "bridge", results)
}

fn start(bench: &Bench<'_>, job: Job, plugin: &str, results: &mut Results) -> Result<(), Failure> {
    let contestants = bench.programs.subjects().into_iter().filter_map(|subject| {
        let call = match subject {
            Subject::Floor(_) => {
                let mut call = Call::new(bench.programs.find(subject, "floor")?);
                call.arguments = vec!["version".into()];
                call
            }
            _ => bench.call(subject, plugin, "VERSION")?,
        };
        let call = Call { stdin: br#"{"cniVersion": "1.0.0"}"#.to_vec(), ..call };
        let round =
            move |runner: crate::process::Runner| Ok(vec![Step::new(Operation::Version, &[runner(&call)?])]);
        Some(Contestant { subject, round: Box::new(round) })
    });
    let contestants = contestants.collect();
    hold(bench.options, (job, 0), Duration::ZERO, contestants, results);
    Ok(())
}
