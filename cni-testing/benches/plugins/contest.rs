//! Runs several programs in turn.

use std::thread;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::options::Options;
use crate::process::{Ran, Runner, timed};
use crate::results::{Cost, Job, Operation, Results, Row};
use crate::stats::Times;
use crate::subject::Subject;
use crate::traced::traced;

/// The minimum number of runs, however long they take.
const LEAST: usize = 5;
/// The number of runs before those that count.
const WARM_UPS: usize = 2;

/// One program, and its work in one run, after which everything is as before.
pub(crate) struct Contestant<'a> {
    pub(crate) subject: Subject,
    pub(crate) round: Box<dyn FnMut(Runner) -> Result<Vec<Step>, Failure> + 'a>,
}

/// A part of a run.
pub(crate) struct Step {
    pub(crate) operation: Operation,
    pub(crate) time: Duration,
    pub(crate) cost: Option<Cost>,
}

impl Step {
    /// Returns a part that consisted of one or more calls.
    pub(crate) fn new(operation: Operation, calls: &[Ran]) -> Self {
        let costs: Option<Vec<Cost>> = calls.iter().map(|ran| ran.cost).collect();
        let cost = costs.map(|costs| Cost {
            peak: costs.iter().map(|cost| cost.peak).max().unwrap_or_default(),
            processes: costs.iter().map(|cost| cost.processes).sum(),
        });
        Self { operation, time: calls.iter().map(|ran| ran.time).sum(), cost }
    }
}

/// Runs all programs in turn, starting with another one in each round, and records their times. A program that fails is recorded
/// and does not run again.
pub(crate) fn hold(
    options: &Options,
    (job, others): (Job, usize),
    pause: Duration,
    contestants: Vec<Contestant<'_>>,
    results: &mut Results,
) {
    let mut entries: Vec<Entry<'_>> =
        contestants.into_iter().map(|one| Entry::new(one, job, others)).collect();
    for entry in &mut entries {
        entry.warm_up(options, pause);
    }
    let most = entries.iter().map(|entry| entry.runs).max().unwrap_or_default();
    for round in 0..most {
        let count = entries.len();
        for turn in 0..count {
            let entry = &mut entries[(round + turn) % count];
            if takes_part(round, most, entry.runs) {
                entry.run(pause);
            }
        }
    }
    for entry in &mut entries {
        entry.follow(pause);
    }
    for entry in entries {
        results
            .failures
            .extend(entry.failure.map(|why| format!("{} {job:?}: {why}", entry.contestant.subject)));
        results.rows.extend(entry.rows.into_iter().filter(|row| row.times.len() > 0));
    }
}

/// Returns whether a program that runs less often than others runs in this round. Its rounds are distributed evenly.
fn takes_part(round: usize, of: usize, runs: usize) -> bool {
    (round + 1) * runs / of > round * runs / of
}

/// Returns the number of runs for a program whose run takes this long.
fn runs(time: Duration, budget: Duration, most: usize) -> usize {
    let fit = budget.as_nanos() / time.as_nanos().max(1);
    usize::try_from(fit).unwrap_or(usize::MAX).clamp(LEAST.min(most), most)
}

struct Entry<'a> {
    contestant: Contestant<'a>,
    job: Job,
    others: usize,
    runs: usize,
    rows: Vec<Row>,
    failure: Option<Failure>,
}

impl<'a> Entry<'a> {
    fn new(contestant: Contestant<'a>, job: Job, others: usize) -> Self {
        Self { contestant, job, others, runs: 0, rows: Vec::new(), failure: None }
    }

    /// Determines the number of runs.
    fn warm_up(&mut self, options: &Options, pause: Duration) {
        let mut time = Duration::ZERO;
        for _ in 0..WARM_UPS {
            let started = Instant::now();
            self.go(timed, pause);
            time = started.elapsed();
        }
        self.runs = if self.failure.is_none() { runs(time, options.budget, options.runs) } else { 0 };
    }

    fn run(&mut self, pause: Duration) {
        for step in self.go(timed, pause) {
            self.row(step.operation).times.push(step.time);
        }
    }

    fn follow(&mut self, pause: Duration) {
        for step in self.go(traced, pause) {
            self.row(step.operation).cost = step.cost;
        }
    }

    fn go(&mut self, runner: Runner, pause: Duration) -> Vec<Step> {
        if self.failure.is_some() {
            return Vec::new();
        }
        thread::sleep(pause);
        (self.contestant.round)(runner).unwrap_or_else(|failure| {
            self.failure = Some(failure);
            Vec::new()
        })
    }

    fn row(&mut self, operation: Operation) -> &mut Row {
        let at = self.rows.iter().position(|row| row.operation == operation).unwrap_or_else(|| {
            let (job, others, subject) = (self.job, self.others, self.contestant.subject);
            self.rows.push(Row { job, others, operation, subject, times: Times::default(), cost: None });
            self.rows.len() - 1
        });
        &mut self.rows[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_one_runs_less_often_and_evenly() {
        assert_eq!((0..10).filter(|round| takes_part(*round, 10, 3)).collect::<Vec<_>>(), [3, 6, 9]);
        for runs in 0..=10 {
            assert_eq!((0..10).filter(|round| takes_part(*round, 10, runs)).count(), runs);
        }
    }

    #[test]
    fn as_many_runs_are_made_as_there_is_time_for() {
        let (ms, s) = (Duration::from_millis, Duration::from_secs);
        assert_eq!(runs(ms(100), s(2), 100), 20);
        assert_eq!(runs(ms(1), s(2), 100), 100);
        assert_eq!(runs(s(2), s(2), 100), LEAST);
        assert_eq!(runs(s(2), s(2), 1), 1);
        assert_eq!(runs(ms(0), s(2), 100), 100);
    }

    #[test]
    fn the_parts_of_a_step_add_up_but_only_the_largest_counts() {
        let ran = |millis, peak| Ran {
            time: Duration::from_millis(millis),
            stdout: Vec::new(),
            cost: Some(Cost { peak, processes: 2 }),
        };
        let step = Step::new(Operation::Add, &[ran(1, 500), ran(2, 400)]);
        assert_eq!(step.time, Duration::from_millis(3));
        assert_eq!(step.cost, Some(Cost { peak: 500, processes: 4 }));
    }
}
