//! What a check is: data, and a function.

use std::fmt;

use cni_skel::types::SpecVersion;

use super::bench::Bench;
use super::ending::Outcome;
use super::level::{Kind, Level, Needs};

/// One thing that is asked of plugins.
#[derive(Clone, Copy)]
pub struct Check {
    pub(super) id: &'static str,
    pub(super) section: &'static str,
    pub(super) level: Level,
    pub(super) needs: Needs,
    pub(super) kinds: &'static [Kind],
    pub(super) since: SpecVersion,
    pub(super) with_ipam: bool,
    pub(super) as_process: bool,
    pub(super) expected: &'static str,
    pub(super) why: &'static str,
    pub(super) run: fn(&Bench<'_>) -> Outcome,
}

impl Check {
    pub(super) const fn new(
        level: Level,
        id: &'static str,
        section: &'static str,
        expected: &'static str,
        why: &'static str,
        run: fn(&Bench<'_>) -> Outcome,
    ) -> Self {
        Self {
            id,
            section,
            level,
            needs: Needs::Nothing,
            kinds: Kind::ALL,
            since: SpecVersion::V0_1_0,
            with_ipam: false,
            as_process: false,
            expected,
            why,
            run,
        }
    }

    /// It lets the plugin work.
    pub(super) const fn in_namespace(mut self) -> Self {
        self.needs = Needs::Namespace;
        self
    }

    /// It is about these kinds only.
    pub(super) const fn of(mut self, kinds: &'static [Kind]) -> Self {
        self.kinds = kinds;
        self
    }

    /// It is about this version and later ones only.
    pub(super) const fn since(mut self, version: SpecVersion) -> Self {
        self.since = version;
        self
    }

    /// It is about plugins whose configuration names an IPAM plugin, which the check plays.
    pub(super) const fn with_ipam(mut self) -> Self {
        self.with_ipam = true;
        self
    }

    /// It is about plugins that are executables.
    pub(super) const fn as_process(mut self) -> Self {
        self.as_process = true;
        self
    }

    /// Its stable name, `group/what-is-asked`.
    pub fn id(&self) -> &'static str {
        self.id
    }

    /// The first part of its name.
    pub fn group(&self) -> &'static str {
        self.id.split_once('/').map_or(self.id, |(group, _)| group)
    }

    /// Where it comes from: a link to a section of the specification.
    pub fn section(&self) -> String {
        format!("https://github.com/containernetworking/cni/blob/spec-v1.1.0/{}", self.section)
    }

    /// How binding it is.
    pub fn level(&self) -> Level {
        self.level
    }

    /// What it needs of the machine.
    pub fn needs(&self) -> Needs {
        self.needs
    }

    /// The kinds of plugins that it is about.
    pub fn kinds(&self) -> &'static [Kind] {
        self.kinds
    }

    /// The version of the specification from which on it applies.
    pub fn since_version(&self) -> SpecVersion {
        self.since
    }

    /// What a plugin is expected to do, as a sentence.
    pub fn expected(&self) -> &'static str {
        self.expected
    }

    /// Why.
    pub fn why(&self) -> &'static str {
        self.why
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Check").field(&self.id).finish()
    }
}
