//! The suite: which checks run, for which plugin.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use super::check::Check;
use super::level::{Kind, Level};
use super::profile::Profile;
use super::report::Report;
use super::run::Run;
use super::setup::{Options, Setup};
use super::world::isolated;
use super::{CannotRun, checks};
use crate::call::Subject;

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
    options: Options,
    namespaces: Result<(), String>,
    only: Vec<String>,
    skip: Vec<String>,
    level: Level,
    scratch: Option<PathBuf>,
}

impl<'a> Suite<'a> {
    /// Makes a suite for a plugin: `&plugin` for one in this process, [`Binary`](crate::Binary) for an executable.
    /// `config` is the plugin's stdin, or a whole list. In a list, an executable is the plugin of its name, or the IPAM
    /// plugin of that name. A plugin in this process is the last one.
    pub fn new(subject: impl Subject + Sync + 'a, config: impl Serialize) -> Self {
        Self {
            subject: Box::new(subject),
            config: serde_json::to_value(config).unwrap_or_default(),
            kind: None,
            options: Options {
                // Runtimes always send one.
                path: vec![PathBuf::from("/opt/cni/bin")],
                plays_ipam: false,
                ifname: None,
                timeout: Duration::from_secs(10),
            },
            namespaces: Ok(()),
            only: Vec::new(),
            skip: Vec::new(),
            level: Level::Manners,
            scratch: None,
        }
    }

    /// Sets the kind of the plugin. By default the suite finds it by calling the plugin.
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Sets the folders with the plugins that it calls and those before it, `/opt/cni/bin` by default.
    pub fn path(mut self, folders: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        self.options.path = folders.into_iter().map(Into::into).collect();
        self
    }

    /// Replaces the IPAM plugin with a scripted one in all checks. By default that is so only where its answers matter.
    pub fn play_ipam(mut self) -> Self {
        self.options.plays_ipam = true;
        self
    }

    /// Leaves out checks that need namespaces.
    pub fn without_namespaces(mut self) -> Self {
        self.namespaces = Err("namespaces are not wanted".to_owned());
        self
    }

    /// Leaves out checks that need namespaces, for this reason.
    #[doc(hidden)]
    pub fn without_namespaces_because(mut self, reason: impl Into<String>) -> Self {
        self.namespaces = Err(reason.into());
        self
    }

    /// Sets the name of the container's interface. The default is `eth0`, and `lo` for a plugin called `loopback`.
    pub fn ifname(mut self, ifname: impl Into<String>) -> Self {
        self.options.ifname = Some(ifname.into());
        self
    }

    /// Sets the timeout of a call of an executable, ten seconds by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = timeout;
        self
    }

    /// Runs only these checks or groups of checks.
    pub fn only(mut self, ids: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.only = ids.into_iter().map(Into::into).collect();
        self
    }

    /// Leaves out these checks or groups of checks.
    pub fn skip(mut self, ids: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.skip = ids.into_iter().map(Into::into).collect();
        self
    }

    /// Leaves out checks that are less binding than this level.
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// Sets the folder for the suite's own files. The default is that for temporary files.
    pub fn scratch(mut self, folder: impl Into<PathBuf>) -> Self {
        self.scratch = Some(folder.into());
        self
    }

    /// Runs the checks.
    ///
    /// # Errors
    /// There is nothing to check: the plugin, the configuration or a selected check is not valid, or the plugin does not
    /// answer or hangs repeatedly.
    pub fn run(self) -> Result<Report, CannotRun> {
        let started = Instant::now();
        let checks = self.selected()?;
        let (mut setup, is_ipam) = Setup::parse(&self.config, self.program_name(), &self.options)?;
        let parent = self.scratch.clone().unwrap_or_else(std::env::temp_dir);
        let scratch = tempfile::tempdir_in(&parent)
            .map_err(|why| CannotRun(format!("cannot make a folder in {}: {why}", parent.display())))?;
        setup.scratch = scratch.path().to_owned();
        let mut run = Run {
            subject: &*self.subject,
            setup,
            profile: Profile { kind: self.kind.or(is_ipam), ..Profile::default() },
            namespaces: self.namespaces.clone(),
            count: 0,
            hung: Vec::new(),
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
