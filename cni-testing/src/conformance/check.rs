//! A check: data, and a function.

use std::fmt;

use cni_skel::types::SpecVersion;

use super::bench::Bench;
use super::ending::Outcome;
use super::level::{Kind, Level, Needs};

/// One requirement on plugins.
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

    /// In this check the plugin does its work.
    pub(super) const fn in_namespace(mut self) -> Self {
        self.needs = Needs::Namespace;
        self
    }

    /// Limits the check to these kinds of plugins.
    pub(super) const fn of(mut self, kinds: &'static [Kind]) -> Self {
        self.kinds = kinds;
        self
    }

    /// Limits the check to this version and later ones.
    pub(super) const fn since(mut self, version: SpecVersion) -> Self {
        self.since = version;
        self
    }

    /// Limits the check to plugins whose configuration names an IPAM plugin, which the check plays.
    pub(super) const fn with_ipam(mut self) -> Self {
        self.with_ipam = true;
        self
    }

    /// Limits the check to plugins that are executables.
    pub(super) const fn as_process(mut self) -> Self {
        self.as_process = true;
        self
    }

    /// Returns the stable name, `group/requirement`.
    pub fn id(&self) -> &'static str {
        self.id
    }

    /// Returns the first part of the name.
    pub fn group(&self) -> &'static str {
        self.id.split_once('/').map_or(self.id, |(group, _)| group)
    }

    /// Returns a link to the section of the specification that it comes from.
    pub fn section(&self) -> String {
        format!("https://github.com/containernetworking/cni/blob/spec-v1.1.0/{}", self.section)
    }

    /// Returns how binding it is.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Returns what it needs on the machine.
    pub fn needs(&self) -> Needs {
        self.needs
    }

    /// Returns the kinds of plugins that it applies to.
    pub fn kinds(&self) -> &'static [Kind] {
        self.kinds
    }

    /// Returns the first version of the specification that it applies to.
    pub fn since_version(&self) -> SpecVersion {
        self.since
    }

    /// Returns what a plugin must do, as a sentence.
    pub fn expected(&self) -> &'static str {
        self.expected
    }

    /// Returns the reason.
    pub fn why(&self) -> &'static str {
        self.why
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Check").field(&self.id).finish()
    }
}
