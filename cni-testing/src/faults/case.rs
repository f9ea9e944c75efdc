//! One call with a fault, and what must be true after it.

use std::fmt;

use crate::{Outcome, Snapshot};

/// One call with a fault.
pub(super) struct Case {
    pub(super) title: String,
    pub(super) outcome: Outcome,
}

impl Case {
    pub(super) fn failed(&self) -> bool {
        self.outcome.exit_code() != Some(0)
    }

    #[track_caller]
    pub(super) fn assert_answered(&self) {
        if self.failed() {
            assert_eq!(self.outcome.exit_code(), Some(1), "{self}");
            assert!(self.outcome.json()["code"].is_u64(), "there is no error object\n{self}");
        }
    }

    #[track_caller]
    pub(super) fn assert_undone(
        &self,
        before: &Snapshot,
        kept: &Names,
        after: &Snapshot,
        may_differ: &impl Fn(&str) -> bool,
    ) {
        // Other containers may use them by then.
        let is_shared = |line: &str| {
            let of_host = ["host: sysctl ", "host: nftables: "].iter().any(|start| line.starts_with(start));
            of_host && (kept.has(line) || kept.sets_anew(line))
        };
        let is_fine = |line: &&str| is_shared(line) || may_differ(line);
        let left: Vec<_> = after.added_since(before).filter(|line| !is_fine(line)).collect();
        let gone: Vec<_> = before.added_since(after).filter(|line| !is_fine(line)).collect();
        assert!(
            left.is_empty() && gone.is_empty(),
            "a failed ADD has not been undone\n{}\n{self}",
            difference(&left, &gone)
        );
    }

    #[track_caller]
    pub(super) fn assert_unchanged(&self, before: &Snapshot, after: &Snapshot) {
        let (left, gone): (Vec<_>, Vec<_>) =
            (after.added_since(before).collect(), before.added_since(after).collect());
        assert!(
            left.is_empty() && gone.is_empty(),
            "a CHECK has changed something\n{}\n{self}",
            difference(&left, &gone)
        );
    }

    #[track_caller]
    pub(super) fn assert_clean(&self, before: &Snapshot, kept: &Names, after: &Snapshot) {
        let (before, after) = (Names::of(before), Names::of(after));
        let left: Vec<_> =
            after.0.iter().filter(|name| !before.has(name) && !kept.has_in_any_state(name)).collect();
        let gone: Vec<_> = before.0.iter().filter(|name| !after.has(name) && !kept.sets_anew(name)).collect();
        assert!(
            left.is_empty() && gone.is_empty(),
            "after a DEL that succeeded the world is not as it was\n{}\n{self}",
            difference(&left, &gone)
        );
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        self.outcome.fmt(f)
    }
}

pub(super) fn difference(left: &[impl fmt::Display], gone: &[impl fmt::Display]) -> String {
    let left = left.iter().map(|line| format!("+ {line}"));
    let gone = gone.iter().map(|line| format!("- {line}"));
    left.chain(gone).collect::<Vec<_>>().join("\n")
}

/// The names of what exists: of a file without its content. A network may remember which address it gave out last.
pub(super) struct Names(pub(super) Vec<String>);

impl Names {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let name = |line: &str| match line.split_once("file ").and_then(|(_, rest)| rest.split_once(": ")) {
            Some((name, _)) if line.starts_with("file ") => format!("file {name}"),
            _ => line.to_owned(),
        };
        Self(snapshot.lines().map(name).collect())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|own| own == name)
    }

    /// Whether this is a setting that has another value here.
    fn sets_anew(&self, name: &str) -> bool {
        let setting = |line: &str| {
            let (name, _) = line.split_once(" = ").filter(|(name, _)| name.contains("sysctl "))?;
            Some(name.to_owned())
        };
        let of = setting(name);
        of.is_some() && !self.has(name) && self.0.iter().any(|own| setting(own) == of)
    }

    /// Whether a link of this name exists here, in any state. A link that belongs to the network may be half configured
    /// after faults; the next ADD finishes it.
    fn has_in_any_state(&self, name: &str) -> bool {
        let without_state = |line: &str| line.split(" (").next().map(ToOwned::to_owned);
        self.0.iter().any(|own| without_state(own) == without_state(name))
    }
}
