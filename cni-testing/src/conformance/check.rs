//! What a check is: data, and a function.

use std::fmt;
use std::io;

use cni_skel::types::SpecVersion;

use super::bench::Bench;

/// How binding it is what a check asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Level {
    /// The specification demands it, or a runtime cannot work without it.
    Must,
    /// The specification or its conventions recommend it, or it follows from them.
    Should,
    /// Nobody demands it; plugins that do it cause less trouble.
    Manners,
}

impl Level {
    /// All levels, the most binding one first.
    pub const ALL: [Self; 3] = [Self::Must, Self::Should, Self::Manners];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Should => "should",
            Self::Manners => "manners",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a check needs of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Needs {
    /// Nothing: only calls that a plugin has to refuse, or that change nothing.
    Nothing,
    /// Network and mount namespaces of its own: the plugin does its work.
    Namespace,
}

impl Needs {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Namespace => "namespace",
        }
    }
}

/// What sort of plugin is under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// It makes an interface in the container.
    Interface,
    /// It assigns addresses, for another plugin to use.
    Ipam,
    /// It works on what the plugins before it made.
    Chained,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Interface, Self::Ipam, Self::Chained];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Interface => "interface",
            Self::Ipam => "ipam",
            Self::Chained => "chained",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How a check ended, if not well.
#[derive(Debug)]
pub(super) enum Ending {
    /// What came back instead of what was expected.
    Failed(String),
    /// Nothing came back: a call did not end, and was killed.
    Hung(String),
    /// Why it says nothing about this plugin.
    NotRun(String),
}

pub(super) type Outcome = Result<(), Ending>;

/// Ends a check because of what came back.
pub(super) fn fail<T>(found: impl Into<String>) -> Result<T, Ending> {
    Err(Ending::Failed(found.into()))
}

/// Ends a check that does not apply.
pub(super) fn not_run<T>(reason: impl Into<String>) -> Result<T, Ending> {
    Err(Ending::NotRun(reason.into()))
}

/// Ends a check because there is no answer: a plugin that does not end is at fault, and one that cannot be started, or that
/// the kernel holds back, is not. The text is of where that was.
pub(super) fn unanswered<T>(text: &str, why: &io::Error) -> Result<T, Ending> {
    let text = format!("{text}{why}");
    if why.kind() == io::ErrorKind::TimedOut { Err(Ending::Hung(text)) } else { not_run(text) }
}

/// Ends a check because of what is not as it was.
pub(super) fn unchanged(changes: &[String]) -> Outcome {
    if changes.is_empty() { Ok(()) } else { fail(changes.join("\n")) }
}

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
            kinds: &Kind::ALL,
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
