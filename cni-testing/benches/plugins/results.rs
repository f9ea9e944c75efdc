//! The results of all measurements.

use std::time::Duration;

use crate::machine::Machine;
use crate::stats::{Times, ratio};
use crate::subject::Subject;

/// The command of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Version,
    Add,
    Del,
}

impl Operation {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Version => "VERSION",
            Self::Add => "ADD",
            Self::Del => "DEL",
        }
    }
}

/// The scenarios, in the order of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Job {
    /// VERSION of the smallest plugin.
    StartSmallest,
    Start,
    HostLocal,
    Bridge(Kind),
    Portmap(Backend),
    Chain(Backend),
    Pods(Backend),
}

/// The configuration of a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Alone,
    Gateway,
    Masquerade(Backend),
}

/// The backend for rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Backend {
    Iptables,
    Nftables,
}

impl Backend {
    pub(crate) const ALL: [Self; 2] = [Self::Iptables, Self::Nftables];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Iptables => "iptables",
            Self::Nftables => "nftables",
        }
    }
}

/// The cost of one call besides time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    /// The peak memory of its largest process, in KiB.
    pub(crate) peak: u64,
    /// The number of processes.
    pub(crate) processes: usize,
}

/// The times of one program in one job.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) job: Job,
    /// The number of others: addresses in use, containers with rules.
    pub(crate) others: usize,
    pub(crate) operation: Operation,
    pub(crate) subject: Subject,
    pub(crate) times: Times,
    pub(crate) cost: Option<Cost>,
}

/// All results.
#[derive(Debug)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    pub(crate) rows: Vec<Row>,
    /// The measurements that failed, and why.
    pub(crate) failures: Vec<String>,
    pub(crate) took: Duration,
}

impl Results {
    pub(crate) fn new(machine: Machine) -> Self {
        Self { machine, rows: Vec::new(), failures: Vec::new(), took: Duration::ZERO }
    }

    pub(crate) fn of(&self, job: Job) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.job == job)
    }

    pub(crate) fn row(&self, at: (Job, usize, Operation), subject: Subject) -> Option<&Row> {
        let (job, others, operation) = at;
        self.of(job).find(|row| row.others == others && row.operation == operation && row.subject == subject)
    }

    pub(crate) fn median(&self, at: (Job, usize, Operation), subject: Subject) -> Option<Duration> {
        self.row(at, subject)?.times.median()
    }

    /// Returns the ratio of two medians.
    pub(crate) fn ratio(
        &self,
        (at, subject): ((Job, usize, Operation), Subject),
        (of, whose): ((Job, usize, Operation), Subject),
    ) -> Option<f64> {
        ratio(self.median(at, subject)?, self.median(of, whose)?)
    }

    /// Returns the ratio of the peak memory of two subjects.
    pub(crate) fn peak_ratio(
        &self,
        at: (Job, usize, Operation),
        subject: Subject,
        whose: Subject,
    ) -> Option<f64> {
        let peak = |subject| Some(self.row(at, subject)?.cost?.peak as f64);
        Some(peak(subject)? / peak(whose)?).filter(|ratio| ratio.is_finite())
    }

    /// Returns the subjects, in order.
    pub(crate) fn subjects(&self) -> Vec<Subject> {
        let mut subjects: Vec<_> = self.rows.iter().map(|row| row.subject).collect();
        subjects.sort();
        subjects.dedup();
        subjects
    }
}
