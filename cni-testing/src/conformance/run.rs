//! A run of a suite: the kind of the plugin, and each check on a host of its own.

use std::sync::Arc;
use std::time::Instant;

use cni_skel::System;

use super::CannotRun;
use super::bench::Bench;
use super::check::Check;
use super::ending::Ending;
use super::exchange::Exchange;
use super::ipam::Ipam;
use super::level::{Kind, Needs};
use super::probe;
use super::profile::Profile;
use super::report::{ADD_IS_BROKEN, ADD_WORKS, Finding, Verdict};
use super::setup::Setup;
use super::world::{World, isolated};
use crate::call::Subject;

/// A run of a suite.
pub(super) struct Run<'a> {
    pub(super) subject: &'a (dyn Subject + Sync),
    pub(super) setup: Setup,
    pub(super) profile: Profile,
    pub(super) namespaces: Result<(), String>,
    pub(super) count: usize,
    /// The checks in which a call did not end.
    pub(super) hung: Vec<&'static str>,
}

/// How many checks may hang before the run stops.
const TOO_MANY: usize = 4;

impl Run<'_> {
    pub(super) fn all(&mut self, checks: &[Check]) -> Result<Vec<Finding>, CannotRun> {
        let known = self.profile.clone();
        let supported = self.with_bench(&known, Needs::Nothing, false, probe::supported).0;
        self.profile.supported = supported.map_err(CannotRun)?;
        if self.namespaces.is_ok() {
            self.find_out();
        } else if !self.setup.before.is_empty() {
            self.profile.kind = Some(Kind::Chained);
        }
        if self.profile.kind == Some(Kind::Ipam) {
            self.setup.plays_ipam = false;
        }
        let mut findings = Vec::with_capacity(checks.len());
        for check in checks {
            findings.push(self.one(check));
            self.give_up_on_a_plugin_that_hangs()?;
        }
        if findings.iter().all(|finding| matches!(finding.verdict, Verdict::NotRun(_))) {
            let reason = findings.iter().find_map(|finding| match &finding.verdict {
                Verdict::NotRun(reason) => Some(reason.as_str()),
                _ => None,
            });
            let reason = reason.unwrap_or("no check is selected");
            return Err(CannotRun(format!("no check can run: {reason}")));
        }
        Ok(findings)
    }

    /// Finds the kind, and whether ADD works.
    fn find_out(&mut self) {
        let mut profile = self.profile.clone();
        if profile.kind.is_some() {
            profile.broken = self.with_bench(&profile, Needs::Namespace, false, probe::works).0.err();
            self.profile = profile;
            return;
        }
        match self.with_bench(&profile, Needs::Namespace, false, probe::kind).0 {
            Ok(kind) => profile.kind = Some(kind),
            Err(alone) => {
                profile.kind = Some(Kind::Chained);
                if let Err(chained) = self.with_bench(&profile, Needs::Namespace, false, probe::works).0 {
                    profile.kind = None;
                    let same = chained == alone;
                    let both = format!("{alone}; after another plugin: {chained}");
                    profile.broken = Some(if same { alone } else { both });
                }
            }
        }
        self.profile = profile;
    }

    fn one(&mut self, check: &Check) -> Finding {
        let started = Instant::now();
        let (verdict, trail) = match self.reason_against(check) {
            Some(reason) => (Verdict::NotRun(reason), Vec::new()),
            None => {
                let profile = self.profile.clone();
                let (outcome, trail) =
                    self.with_bench(&profile, check.needs, check.with_ipam, |bench| (check.run)(bench));
                let verdict = match outcome {
                    Ok(()) => Verdict::Passed,
                    Err(Ending::Failed(found)) => Verdict::Failed(found),
                    Err(Ending::Hung(found)) => {
                        self.hung.push(check.id);
                        Verdict::Failed(found)
                    }
                    Err(Ending::NotRun(reason)) => Verdict::NotRun(reason),
                };
                (verdict, trail)
            }
        };
        Finding::new(*check, verdict, &trail, started.elapsed())
    }

    /// A plugin that hangs in some calls fails those checks. One that always hangs would take many minutes.
    fn give_up_on_a_plugin_that_hangs(&self) -> Result<(), CannotRun> {
        if self.hung.len() < TOO_MANY {
            return Ok(());
        }
        let (checks, timeout) = (self.hung.join(", "), self.setup.timeout);
        Err(CannotRun(format!("it hangs: calls of {checks} did not end within {timeout:?}")))
    }

    fn reason_against(&self, check: &Check) -> Option<String> {
        let version = self.setup.version();
        if check.since > version {
            return Some(format!(
                "the configuration has version {version}, and the check is for {} and later",
                check.since
            ));
        }
        if check.as_process && self.subject.program().is_none() {
            return Some("the plugin is not a program".to_owned());
        }
        if check.with_ipam && (self.setup.ipam().is_none() || self.profile.kind == Some(Kind::Ipam)) {
            return Some("it does not delegate to an IPAM plugin".to_owned());
        }
        if check.needs == Needs::Namespace {
            if let Err(why) = &self.namespaces {
                return Some(why.clone());
            }
            if let (Some(why), true) = (&self.profile.broken, check.id != ADD_WORKS) {
                return Some(format!("{ADD_IS_BROKEN}: {why}"));
            }
        }
        match self.profile.kind {
            Some(kind) if !check.kinds.contains(&kind) => {
                let kinds: Vec<_> = check.kinds.iter().map(|kind| kind.as_str()).collect();
                Some(format!(
                    "it is a plugin of kind {kind}, and the check is for kind {}",
                    kinds.join(" or ")
                ))
            }
            None if check.kinds.len() < Kind::ALL.len() => Some("the kind of plugin is not known".to_owned()),
            _ => None,
        }
    }

    /// Takes a step, on a host of its own if it needs namespaces.
    fn with_bench<T>(
        &mut self,
        profile: &Profile,
        needs: Needs,
        plays_ipam: bool,
        step: impl FnOnce(&Bench<'_>) -> T + Send,
    ) -> (T, Vec<Exchange>)
    where
        T: From<Bad> + Send,
    {
        self.count += 1;
        let folder = self.setup.scratch.join(self.count.to_string());
        let (subject, setup) = (self.subject, &self.setup);
        let is_isolated = self.namespaces.is_ok() && needs == Needs::Namespace;
        let inner = || -> (T, Vec<Exchange>) {
            let bad = |why: String| (T::from(Bad(why)), Vec::new());
            let mut ipam = None;
            if let Some(name) = setup.ipam().filter(|_| plays_ipam || setup.plays_ipam) {
                let made = std::fs::create_dir_all(&folder).and_then(|()| Ipam::install(&folder, name));
                match made {
                    Ok(made) => ipam = Some(made),
                    Err(why) => return bad(format!("cannot make the scripted IPAM plugin: {why}")),
                }
            }
            let mut world = None;
            if is_isolated {
                match World::prepare(&setup.uplinks, &setup.folders) {
                    Ok(made) => world = Some(made),
                    Err(why) => return bad(why.to_string()),
                }
            }
            let bench = Bench::new(subject, setup, profile, Arc::new(System::new()), world, ipam);
            let value = step(&bench);
            (value, bench.into_trail())
        };
        if !is_isolated {
            return inner();
        }
        match isolated(&setup.folders, inner) {
            Ok(outcome) => outcome,
            Err(why) => (T::from(Bad(format!("cannot make namespaces: {why}"))), Vec::new()),
        }
    }
}

/// Why a step could not begin.
struct Bad(String);

impl<T> From<Bad> for Result<T, String> {
    fn from(bad: Bad) -> Self {
        Err(bad.0)
    }
}

impl From<Bad> for Result<(), Ending> {
    fn from(bad: Bad) -> Self {
        Err(Ending::NotRun(bad.0))
    }
}
