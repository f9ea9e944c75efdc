//! The goals, as ratios within one run.

use crate::results::{Backend, Job, Kind, Operation, Results};
use crate::stats::thousands;
use crate::subject::{Linking, Subject};

/// A goal: a ratio that must not exceed a limit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Goal {
    pub(crate) what: String,
    pub(crate) linking: Linking,
    pub(crate) of: &'static str,
    pub(crate) limit: f64,
    /// `None` if it was not measured.
    pub(crate) measured: Option<f64>,
}

impl Goal {
    pub(crate) fn is_reached(&self) -> Option<bool> {
        // The tolerance is for the rounding of floating-point numbers.
        self.measured.map(|measured| measured <= self.limit * (1.0 + 1e-9))
    }
}

/// The number of addresses in use, and of other containers, in the goals about growth.
const TAKEN: usize = 50_000;
const OTHERS: usize = 1_000;

type At = (Job, usize, Operation);

/// Returns the goals for each linking that was measured, in order.
pub(crate) fn all(results: &Results) -> Vec<Goal> {
    let mut linkings: Vec<Linking> = results.subjects().into_iter().filter_map(Subject::linking).collect();
    linkings.dedup();
    linkings.sort();
    linkings.dedup();
    linkings.into_iter().flat_map(|linking| of(results, linking)).collect()
}

fn of(results: &Results, linking: Linking) -> Vec<Goal> {
    let ours = Subject::Ours(linking);
    let floor = |at: At| results.ratio((at, ours), (at, Subject::Floor(linking)));
    let go = |at: At| results.ratio((at, ours), (at, Subject::Go));
    let itself = |at: At, of: At| results.ratio((at, ours), (of, ours));
    let musl_or = |musl: f64, other: f64| if linking == Linking::Musl { musl } else { other };
    let mut goals = Vec::new();
    let mut goal = |what: String, of, limit, measured| {
        goals.push(Goal { what, linking, of, limit, measured });
    };

    for (job, plugin) in [(Job::StartSmallest, "passthrough"), (Job::Start, "bridge")] {
        goal(format!("start of {plugin}"), FLOOR, musl_or(1.5, 1.3), floor((job, 0, Operation::Version)));
    }
    for operation in [Operation::Add, Operation::Del] {
        let at = |taken| (Job::HostLocal, taken, operation);
        let name = format!("host-local {}", operation.as_str());
        // A folder with many files is slower on the disk, for the floor too.
        for taken in [10_000, TAKEN, 60_000] {
            let more = floor(at(taken)).zip(floor(at(0))).map(|(full, empty)| full / empty);
            let what = format!("ratio of {name} to the floor with {} addresses in use", thousands(taken));
            goal(what, "the ratio with none", 1.3, more);
        }
        let what = format!("{name} with {} addresses in use", thousands(TAKEN));
        goal(what, GO, 1.0 / 50.0, go(at(TAKEN)));
    }
    for (kind, name) in [(Kind::Alone, "bridge"), (Kind::Gateway, "bridge with gateway")] {
        let at = (Job::Bridge(kind), 0, Operation::Add);
        goal(format!("{name} and host-local ADD"), FLOOR, 1.25, floor(at));
        goal(format!("{name} and host-local ADD"), GO, musl_or(1.0 / 5.0, 1.0 / 3.0), go(at));
    }
    for backend in Backend::ALL {
        let by = backend.as_str();
        let at = (Job::Bridge(Kind::Masquerade(backend)), 0, Operation::Add);
        goal(
            format!("bridge ADD with ipMasq by {by}"),
            go_of(backend),
            musl_or(1.0 / 12.0, 1.0 / 7.0),
            go(at),
        );
    }
    for backend in Backend::ALL {
        let by = backend.as_str();
        let portmap = |others| (Job::Portmap(backend), others, Operation::Add);
        goal(format!("portmap ADD by {by}"), go_of(backend), 1.0 / 12.0, go(portmap(0)));
        let what = format!("portmap ADD by {by} with 1,000 other containers");
        goal(what.clone(), go_of(backend), 1.0 / 40.0, go(portmap(OTHERS)));
        goal(what, "itself without others", 1.2, itself(portmap(OTHERS), portmap(0)));
    }
    for backend in Backend::ALL {
        let chain = |operation| (Job::Chain(backend), 0, operation);
        let by = backend.as_str();
        goal(format!("chain ADD by {by}"), go_of(backend), 1.0 / 9.0, go(chain(Operation::Add)));
        goal(format!("chain DEL by {by}"), go_of(backend), 1.0 / 4.0, go(chain(Operation::Del)));
    }
    for backend in Backend::ALL {
        let at = (Job::Pods(backend), OTHERS, Operation::Add);
        goal(format!("ADD of 40 pods at once by {}", backend.as_str()), go_of(backend), 1.0 / 20.0, go(at));
    }
    for (name, jobs) in LARGEST {
        let what = format!("largest process of {name}");
        goal(what, GO, 1.0 / 3.0, worst_peak(results, ours, &jobs.map(|job| (job, 0))));
    }
    let full = [
        (Job::HostLocal, TAKEN),
        (Job::Portmap(Backend::Iptables), OTHERS),
        (Job::Portmap(Backend::Nftables), OTHERS),
    ];
    let what = "largest process with 50,000 addresses or 1,000 containers".to_owned();
    goal(what, GO, 1.0 / 3.0, worst_peak(results, ours, &full));
    goals
}

/// The goals for memory: names and jobs.
const LARGEST: [(&str, [Job; 2]); 4] = [
    ("VERSION and host-local", [Job::Start, Job::HostLocal]),
    ("bridge", [Job::Bridge(Kind::Gateway), Job::Bridge(Kind::Masquerade(Backend::Nftables))]),
    ("portmap", [Job::Portmap(Backend::Iptables), Job::Portmap(Backend::Nftables)]),
    ("the chain", [Job::Chain(Backend::Iptables), Job::Chain(Backend::Nftables)]),
];
const FLOOR: &str = "the floor";
const GO: &str = "Go";

/// Names what our plugins are compared with. The Go plugins always use iptables.
fn go_of(backend: Backend) -> &'static str {
    match backend {
        Backend::Iptables => GO,
        Backend::Nftables => "Go's iptables",
    }
}

/// Returns the highest ratio of our largest process to Go's among these jobs.
fn worst_peak(results: &Results, ours: Subject, among: &[(Job, usize)]) -> Option<f64> {
    let rows =
        results.rows.iter().filter(|row| row.subject == ours && among.contains(&(row.job, row.others)));
    let ratios =
        rows.filter_map(|row| results.peak_ratio((row.job, row.others, row.operation), ours, Subject::Go));
    ratios.reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::machine::Machine;
    use crate::results::{Cost, Row};
    use crate::stats::Times;

    fn row(at: At, subject: Subject, micros: u64, peak: u64) -> Row {
        let (job, others, operation) = at;
        let mut times = Times::default();
        times.push(Duration::from_micros(micros));
        let cost = Some(Cost { peak, processes: 1 });
        Row { job, others, operation, subject, times, cost }
    }

    fn is_reached(goals: &[Goal], what: &str, linking: Linking, of: &str) -> Option<bool> {
        let is_it = |goal: &&Goal| goal.what == what && goal.linking == linking && goal.of == of;
        goals.iter().find(is_it).unwrap().is_reached()
    }

    #[test]
    fn a_goal_is_reached_at_its_limit_and_missed_above_it() {
        let mut results = Results::new(Machine::default());
        let at = (Job::Bridge(Kind::Alone), 0, Operation::Add);
        results.rows = vec![
            row(at, Subject::Go, 9_000, 3_000),
            row(at, Subject::Ours(Linking::Default), 3_000, 1_000),
            row(at, Subject::Floor(Linking::Default), 2_000, 800),
            row(at, Subject::Ours(Linking::Musl), 2_000, 500),
        ];
        let goals = all(&results);
        let bridge = "bridge and host-local ADD";
        assert_eq!(is_reached(&goals, bridge, Linking::Default, "Go"), Some(true));
        assert_eq!(is_reached(&goals, bridge, Linking::Default, "the floor"), Some(false));
        // musl has another goal, and its floor was not measured.
        assert_eq!(is_reached(&goals, bridge, Linking::Musl, "Go"), Some(false));
        assert_eq!(is_reached(&goals, bridge, Linking::Musl, "the floor"), None);
        assert_eq!(
            is_reached(&goals, "largest process of VERSION and host-local", Linking::Default, "Go"),
            None
        );
        assert_eq!(is_reached(&goals, "start of bridge", Linking::Default, "the floor"), None);
    }

    #[test]
    fn the_growth_of_host_local_is_compared_with_that_of_the_floor() {
        let mut results = Results::new(Machine::default());
        let ours = Subject::Ours(Linking::Default);
        let floor = Subject::Floor(Linking::Default);
        for (taken, of_ours, of_floor) in [(0, 1_000, 1_000), (10_000, 2_000, 2_000), (50_000, 2_000, 1_000)]
        {
            let at = (Job::HostLocal, taken, Operation::Add);
            results.rows.extend([row(at, ours, of_ours, 1), row(at, floor, of_floor, 1)]);
        }
        let goals = all(&results);
        let flat = |taken: &str| {
            let what = format!("ratio of host-local ADD to the floor with {taken} addresses in use");
            is_reached(&goals, &what, Linking::Default, "the ratio with none")
        };
        assert_eq!((flat("10,000"), flat("50,000"), flat("60,000")), (Some(true), Some(false), None));
    }

    #[test]
    fn the_worst_peak_is_compared() {
        let mut results = Results::new(Machine::default());
        let (start, add) = ((Job::Start, 0, Operation::Version), (Job::HostLocal, 0, Operation::Add));
        let ours = Subject::Ours(Linking::Musl);
        results.rows = vec![row(start, Subject::Go, 1, 100), row(add, Subject::Go, 1, 100)];
        results.rows.extend([row(start, ours, 1, 10), row(add, ours, 1, 40)]);
        let among = [(Job::Start, 0), (Job::HostLocal, 0)];
        assert_eq!(worst_peak(&results, ours, &among), Some(0.4));
        assert_eq!(worst_peak(&results, ours, &among[..1]), Some(0.1));
        assert_eq!(worst_peak(&results, ours, &[(Job::HostLocal, 1)]), None);
    }
}
