//! The whole of it: which checks, of which plugin, in which order.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cni_skel::System;
use cni_skel::types::{PluginConfig, SpecVersion};
use serde::Serialize;
use serde_json::{Map, Value};

use super::bench::{Bench, Setup};
use super::check::{Check, Ending, Kind, Level, Needs};
use super::delegate::Delegate;
use super::exchange::Exchange;
use super::profile::{self, Profile};
use super::report::{Finding, Report, Verdict};
use super::world::{World, isolated};
use super::{CannotRun, checks};
use crate::isolation;
use crate::subject::Subject;

/// The conformance suite for one plugin.
///
/// ```no_run
/// use cni_testing::conformance::{Level, Suite};
/// use cni_testing::{Binary, json};
///
/// let config = json!({"cniVersion": "1.1.0", "name": "lan", "type": "bridge", "ipam": {"type": "host-local"}});
/// let report = Suite::new(Binary::at("/opt/cni/bin/bridge"), config).path(["/opt/cni/bin"]).run()?;
/// assert_eq!(report.failures(Level::Must).count(), 0, "{report}");
/// # Ok::<(), cni_testing::conformance::CannotRun>(())
/// ```
#[must_use = "a suite does nothing until it is run"]
pub struct Suite<'a> {
    subject: Box<dyn Subject + Sync + 'a>,
    config: Value,
    kind: Option<Kind>,
    path: Vec<PathBuf>,
    plays_ipam: bool,
    namespaces: Result<(), String>,
    ifname: Option<String>,
    deadline: Duration,
    only: Vec<String>,
    skip: Vec<String>,
    level: Level,
    scratch: Option<PathBuf>,
}

impl<'a> Suite<'a> {
    /// A suite for a plugin: `&plugin` for one in this process, [`Binary`](crate::Binary) for any executable. The
    /// configuration is what the plugin gets on stdin, or a whole list, of which the plugin is the one of its name, or
    /// the last.
    pub fn new(subject: impl Subject + Sync + 'a, config: impl Serialize) -> Self {
        Self {
            subject: Box::new(subject),
            config: serde_json::to_value(config).unwrap_or_default(),
            kind: None,
            // Runtimes always send one.
            path: vec![PathBuf::from("/opt/cni/bin")],
            plays_ipam: false,
            namespaces: Ok(()),
            ifname: None,
            deadline: Duration::from_secs(10),
            only: Vec::new(),
            skip: Vec::new(),
            level: Level::Manners,
            scratch: None,
        }
    }

    /// Says what kind of plugin it is; otherwise that is found out by trying.
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Says where the plugins are that it calls, and those before it; `/opt/cni/bin` otherwise.
    pub fn path(mut self, folders: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        self.path = folders.into_iter().map(Into::into).collect();
        self
    }

    /// Plays the IPAM plugin in every check, instead of only where its answers matter.
    pub fn play_ipam(mut self) -> Self {
        self.plays_ipam = true;
        self
    }

    /// Leaves out all that needs namespaces.
    pub fn without_namespaces(mut self) -> Self {
        self.namespaces = Err("namespaces are not wanted".to_owned());
        self
    }

    /// Leaves out all that needs namespaces, and says why.
    #[doc(hidden)]
    pub fn without_namespaces_because(mut self, reason: impl Into<String>) -> Self {
        self.namespaces = Err(reason.into());
        self
    }

    /// Says which interface a container gets; `eth0` otherwise, and `lo` for a plugin that is called `loopback`.
    pub fn ifname(mut self, ifname: impl Into<String>) -> Self {
        self.ifname = Some(ifname.into());
        self
    }

    /// Sets how long a call of an executable may take; ten seconds otherwise.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Runs only these checks, or groups of checks.
    pub fn only(mut self, ids: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.only = ids.into_iter().map(Into::into).collect();
        self
    }

    /// Leaves out these checks, or groups of checks.
    pub fn skip(mut self, ids: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.skip = ids.into_iter().map(Into::into).collect();
        self
    }

    /// Leaves out all that is less binding.
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// Says where files of the suite's own may be; otherwise where temporary files are.
    pub fn scratch(mut self, folder: impl Into<PathBuf>) -> Self {
        self.scratch = Some(folder.into());
        self
    }

    /// Runs the checks.
    ///
    /// # Errors
    /// When there is nothing to check: no such plugin, no valid configuration, no such check, or a plugin that does not
    /// answer at all.
    pub fn run(self) -> Result<Report, CannotRun> {
        let started = Instant::now();
        let checks = self.selected()?;
        let (mut setup, is_ipam) = self.setup()?;
        let parent = self.scratch.clone().unwrap_or_else(std::env::temp_dir);
        let scratch = tempfile::tempdir_in(&parent)
            .map_err(|why| CannotRun(format!("no folder can be made in {}: {why}", parent.display())))?;
        setup.scratch = scratch.path().to_owned();
        let mut run = Run {
            subject: &*self.subject,
            setup,
            profile: Profile { kind: self.kind.or(is_ipam), ..Profile::default() },
            namespaces: self.namespaces.clone(),
            count: 0,
        };
        let folders = run.setup.folders.clone();
        let outcome = match run.namespaces {
            Ok(()) => match isolated(&folders, || run.all(&checks)) {
                Ok(outcome) => outcome,
                Err(why) => {
                    run.namespaces = Err(format!("the kernel allows no namespaces: {why}"));
                    run.all(&checks)
                }
            },
            Err(_) => run.all(&checks),
        };
        let findings = outcome?;
        Ok(Report {
            plugin: self.plugin_name(&run.setup),
            version: run.setup.version(),
            kind: run.profile.kind,
            supported: run.profile.supported,
            findings,
            took: started.elapsed(),
        })
    }

    fn selected(&self) -> Result<Vec<Check>, CannotRun> {
        for id in self.only.iter().chain(&self.skip) {
            if !checks::all().any(|check| names(id, &check)) {
                return Err(CannotRun(format!("there is no check {id:?}; see cnitest conform --list")));
            }
        }
        let is_in = |ids: &[String], check: &Check| ids.iter().any(|id| names(id, check));
        Ok(checks::all()
            .filter(|check| self.only.is_empty() || is_in(&self.only, check))
            .filter(|check| !is_in(&self.skip, check))
            .filter(|check| check.level <= self.level || is_in(&self.only, check))
            .collect())
    }

    fn program_name(&self) -> Option<&str> {
        self.subject.program()?.file_name()?.to_str()
    }

    fn plugin_name(&self, setup: &Setup) -> String {
        let own = self.program_name().map(str::to_owned);
        own.or_else(|| Some(setup.config.get("type")?.as_str()?.to_owned()))
            .unwrap_or_else(|| "plugin".into())
    }

    /// Takes the configuration apart; says if it is one of an IPAM plugin.
    fn setup(&self) -> Result<(Setup, Option<Kind>), CannotRun> {
        let wrong = |why: String| CannotRun(format!("the configuration is not valid: {why}"));
        let Value::Object(whole) = &self.config else { return Err(wrong("it is no JSON object".to_owned())) };
        let mut before = Vec::new();
        let config = match whole.get("plugins") {
            None => whole.clone(),
            Some(Value::Array(entries)) => {
                let entries: Vec<_> = entries.iter().filter_map(|entry| one_of(whole, entry)).collect();
                let is_this = |config: &Map<String, Value>| {
                    config.get("type").and_then(Value::as_str) == self.program_name()
                };
                let at = entries.iter().position(is_this).or(entries.len().checked_sub(1));
                let at = at.ok_or_else(|| wrong("its list of plugins is empty".to_owned()))?;
                for config in &entries[..at] {
                    let name = config.get("type").and_then(Value::as_str).unwrap_or_default();
                    before.push((self.find(name)?, config.clone()));
                }
                entries[at].clone()
            }
            Some(_) => return Err(wrong("plugins is no list".to_owned())),
        };
        let text = Value::Object(config.clone()).to_string();
        let parsed = PluginConfig::parse(text.as_bytes()).map_err(|why| wrong(why.to_string()))?;
        parsed.cni_version().parse::<SpecVersion>().map_err(|why| wrong(format!("cniVersion: {why}")))?;
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let kind = text(config.get("type"));
        let ipam = text(config.get("ipam").and_then(|ipam| ipam.get("type")));
        let mut is_ipam = None;
        if let Some(name) = self.program_name() {
            if name == ipam {
                is_ipam = Some(Kind::Ipam);
            } else if name != kind {
                return Err(CannotRun(format!(
                    "the configuration is for a plugin called {kind:?}, and the plugin is called {name:?}"
                )));
            }
        }
        let mut folders: BTreeSet<PathBuf> = isolation::STATE_FOLDERS.map(PathBuf::from).into();
        let data = [config.get("dataDir"), config.get("ipam").and_then(|ipam| ipam.get("dataDir"))];
        folders.extend(data.into_iter().flatten().filter_map(Value::as_str).map(PathBuf::from));
        let uplinks = [text(config.get("master"))].into_iter().filter(|name| !name.is_empty()).collect();
        let found = !ipam.is_empty() && self.find(&ipam).is_ok();
        let ifname = match (&self.ifname, kind.as_str()) {
            (Some(ifname), _) => ifname.clone(),
            (None, "loopback") => "lo".to_owned(),
            (None, _) => "eth0".to_owned(),
        };
        let setup = Setup {
            config,
            before,
            path: self.path.clone(),
            ifname,
            deadline: self.deadline,
            folders,
            uplinks,
            scratch: PathBuf::new(),
            plays_ipam: is_ipam.is_none() && (self.plays_ipam || !found),
        };
        Ok((setup, is_ipam))
    }

    fn find(&self, name: &str) -> Result<PathBuf, CannotRun> {
        let programs = self.path.iter().map(|folder| folder.join(name));
        let folders: Vec<_> = self.path.iter().map(|folder| Path::display(folder).to_string()).collect();
        programs
            .into_iter()
            .find(|program| program.is_file())
            .ok_or_else(|| CannotRun(format!("there is no plugin {name:?} in {}", folders.join(", "))))
    }
}

impl std::fmt::Debug for Suite<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Suite")
            .field("config", &self.config)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// Whether this names a check, or its group.
fn names(id: &str, check: &Check) -> bool {
    check.id == id || check.group() == id
}

/// The configuration that a runtime makes for one plugin of a list.
fn one_of(list: &Map<String, Value>, entry: &Value) -> Option<Map<String, Value>> {
    let mut config = entry.as_object()?.clone();
    for key in ["name", "cniVersion"] {
        config.insert(key.to_owned(), list.get(key)?.clone());
    }
    Some(config)
}

/// A suite under way.
struct Run<'a> {
    subject: &'a (dyn Subject + Sync),
    setup: Setup,
    profile: Profile,
    namespaces: Result<(), String>,
    count: usize,
}

impl Run<'_> {
    fn all(&mut self, checks: &[Check]) -> Result<Vec<Finding>, CannotRun> {
        let known = self.profile.clone();
        let supported = self.with_bench(&known, Needs::Nothing, false, profile::supported).0;
        self.profile.supported = supported.map_err(CannotRun)?;
        if self.namespaces.is_ok() {
            self.find_out();
        } else if !self.setup.before.is_empty() {
            self.profile.kind = Some(Kind::Chained);
        }
        if self.profile.kind == Some(Kind::Ipam) {
            self.setup.plays_ipam = false;
        }
        let findings: Vec<_> = checks.iter().map(|check| self.one(check)).collect();
        if findings.iter().all(|finding| matches!(finding.verdict, Verdict::NotRun(_))) {
            let reason = findings.iter().find_map(|finding| match &finding.verdict {
                Verdict::NotRun(reason) => Some(reason.as_str()),
                _ => None,
            });
            let reason = reason.unwrap_or("none is left");
            return Err(CannotRun(format!("none of the checks can be run: {reason}")));
        }
        Ok(findings)
    }

    /// Finds out the kind, and whether the plugin works at all.
    fn find_out(&mut self) {
        let mut profile = self.profile.clone();
        if profile.kind.is_some() {
            profile.broken = self.with_bench(&profile, Needs::Namespace, false, profile::works).0.err();
            self.profile = profile;
            return;
        }
        match self.with_bench(&profile, Needs::Namespace, false, profile::kind).0 {
            Ok(kind) => profile.kind = Some(kind),
            Err(alone) => {
                profile.kind = Some(Kind::Chained);
                if self.with_bench(&profile, Needs::Namespace, false, profile::works).0.is_err() {
                    profile.kind = None;
                    profile.broken = Some(alone);
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
                    Err(Ending::NotRun(reason)) => Verdict::NotRun(reason),
                };
                (verdict, trail)
            }
        };
        Finding::new(*check, verdict, &trail, started.elapsed())
    }

    fn reason_against(&self, check: &Check) -> Option<String> {
        let version = self.setup.version();
        if check.since > version {
            return Some(format!(
                "the configuration is of version {version}, this is about {} and later",
                check.since
            ));
        }
        if check.as_process && self.subject.program().is_none() {
            return Some("the plugin is no program of its own".to_owned());
        }
        if check.with_ipam && (self.setup.ipam().is_none() || self.profile.kind == Some(Kind::Ipam)) {
            return Some("it delegates to no IPAM plugin".to_owned());
        }
        if check.needs == Needs::Namespace {
            if let Err(why) = &self.namespaces {
                return Some(why.clone());
            }
            if let (Some(why), true) = (&self.profile.broken, check.id != "add/succeeds") {
                return Some(format!("ADD does not work: {why}"));
            }
        }
        match self.profile.kind {
            Some(kind) if !check.kinds.contains(&kind) => {
                let kinds: Vec<_> = check.kinds.iter().map(|kind| kind.as_str()).collect();
                Some(format!("it is a plugin of kind {kind}, this is about kind {}", kinds.join(" or ")))
            }
            None if check.kinds.len() < Kind::ALL.len() => Some("the kind of plugin is not known".to_owned()),
            _ => None,
        }
    }

    /// Calls a step, with a host of its own if it needs one. The others share one, if there can be any.
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
            let mut delegate = None;
            if let Some(name) = setup.ipam().filter(|_| plays_ipam || setup.plays_ipam) {
                let made = std::fs::create_dir_all(&folder).and_then(|()| Delegate::install(&folder, name));
                match made {
                    Ok(made) => delegate = Some(made),
                    Err(why) => return bad(format!("no IPAM plugin can be played: {why}")),
                }
            }
            let mut world = None;
            if is_isolated {
                match World::prepare(&setup.uplinks, &setup.folders) {
                    Ok(made) => world = Some(made),
                    Err(why) => return bad(why),
                }
            }
            let bench = Bench::new(subject, setup, profile, Arc::new(System::new()), world, delegate);
            let value = step(&bench);
            (value, bench.into_trail())
        };
        if !is_isolated {
            return inner();
        }
        match isolated(&setup.folders, inner) {
            Ok(outcome) => outcome,
            Err(why) => (T::from(Bad(format!("no namespaces can be made: {why}"))), Vec::new()),
        }
    }
}

/// Why a step could not even begin.
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
