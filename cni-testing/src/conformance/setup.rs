//! The input of a suite, parsed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cni_skel::types::{PluginConfig, SpecVersion};
use serde_json::{Map, Value};

use super::CannotRun;
use super::level::Kind;
use crate::isolation;

/// The configuration of the plugin, and the plugins before it.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub(super) config: Map<String, Value>,
    /// The programs and configurations of the plugins before it.
    pub(super) before: Vec<(PathBuf, Map<String, Value>)>,
    pub(super) path: Vec<PathBuf>,
    pub(super) ifname: String,
    pub(super) timeout: Duration,
    pub(super) folders: BTreeSet<PathBuf>,
    pub(super) uplinks: Vec<String>,
    pub(super) scratch: PathBuf,
    /// Whether the IPAM plugin is scripted in all checks, and not only in those about delegation.
    pub(super) plays_ipam: bool,
}

/// The input besides plugin and configuration.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) path: Vec<PathBuf>,
    pub(super) plays_ipam: bool,
    pub(super) ifname: Option<String>,
    pub(super) timeout: Duration,
}

impl Setup {
    /// Parses the input. `program` is the name of the plugin's executable, if it is one. Returns the kind if the
    /// configuration names the plugin as an IPAM plugin.
    pub(super) fn parse(
        config: &Value,
        program: Option<&str>,
        options: &Options,
    ) -> Result<(Self, Option<Kind>), CannotRun> {
        let wrong = |why: String| CannotRun(format!("the configuration is not valid: {why}"));
        let is_ipam_of = |config: &Map<String, Value>| program.is_some_and(|name| name == ipam_of(config));
        let Value::Object(whole) = config else { return Err(wrong("it is not a JSON object".to_owned())) };
        let mut before = Vec::new();
        let config = match whole.get("plugins") {
            None => whole.clone(),
            Some(Value::Array(entries)) => {
                let entries: Vec<_> = entries.iter().filter_map(|entry| one_of(whole, entry)).collect();
                let at = place_in(&entries, program)?;
                // An IPAM plugin has no plugins before it.
                let count = if is_ipam_of(&entries[at]) { 0 } else { at };
                for config in &entries[..count] {
                    before.push((find(type_of(config), &options.path)?, config.clone()));
                }
                entries[at].clone()
            }
            Some(_) => return Err(wrong("plugins is not a list".to_owned())),
        };
        let text = Value::Object(config.clone()).to_string();
        let parsed = PluginConfig::parse(text.as_bytes()).map_err(|why| wrong(why.to_string()))?;
        parsed.cni_version().parse::<SpecVersion>().map_err(|why| wrong(format!("cniVersion: {why}")))?;
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let (kind, ipam) = (type_of(&config).to_owned(), ipam_of(&config).to_owned());
        let is_ipam = is_ipam_of(&config).then_some(Kind::Ipam);
        if let Some(name) = program.filter(|name| is_ipam.is_none() && *name != kind) {
            return Err(CannotRun(format!(
                "the configuration is for plugin {kind:?}, but the plugin is called {name:?}"
            )));
        }
        let mut folders: BTreeSet<PathBuf> = isolation::STATE_FOLDERS.map(PathBuf::from).into();
        let data = [config.get("dataDir"), config.get("ipam").and_then(|ipam| ipam.get("dataDir"))];
        folders.extend(data.into_iter().flatten().filter_map(Value::as_str).map(PathBuf::from));
        let uplinks = ["master", "device"].map(|key| text(config.get(key)));
        let uplinks = uplinks.into_iter().filter(|name| !name.is_empty()).collect();
        let found = !ipam.is_empty() && find(&ipam, &options.path).is_ok();
        let ifname = match (&options.ifname, kind.as_str()) {
            (Some(ifname), _) => ifname.clone(),
            (None, "loopback") => "lo".to_owned(),
            (None, _) => "eth0".to_owned(),
        };
        let setup = Self {
            config,
            before,
            path: options.path.clone(),
            ifname,
            timeout: options.timeout,
            folders,
            uplinks,
            scratch: PathBuf::new(),
            plays_ipam: is_ipam.is_none() && (options.plays_ipam || !found),
        };
        Ok((setup, is_ipam))
    }

    pub(super) fn version(&self) -> SpecVersion {
        let version = self.config.get("cniVersion").and_then(Value::as_str).unwrap_or_default();
        version.parse().unwrap_or(SpecVersion::ABSENT)
    }

    pub(super) fn ipam(&self) -> Option<&str> {
        self.config.get("ipam")?.get("type")?.as_str().filter(|name| !name.is_empty() && !name.contains('/'))
    }
}

/// The place of a plugin in a list: the entry of its name, or the one that names it as its IPAM plugin. A plugin in this
/// process is the last.
fn place_in(entries: &[Map<String, Value>], program: Option<&str>) -> Result<usize, CannotRun> {
    let last = entries.len().checked_sub(1);
    let last =
        last.ok_or_else(|| CannotRun("the configuration is not valid: its list of plugins is empty".into()))?;
    let Some(name) = program else { return Ok(last) };
    let at = entries.iter().position(|entry| type_of(entry) == name);
    at.or_else(|| entries.iter().position(|entry| ipam_of(entry) == name)).ok_or_else(|| {
        let types: Vec<_> = entries.iter().map(type_of).collect();
        CannotRun(format!("the plugin is called {name:?}, but the list has {}", types.join(", ")))
    })
}

fn find(name: &str, path: &[PathBuf]) -> Result<PathBuf, CannotRun> {
    let program = path.iter().map(|folder| folder.join(name)).find(|program| program.is_file());
    let folders: Vec<_> = path.iter().map(|folder| Path::display(folder).to_string()).collect();
    program.ok_or_else(|| CannotRun(format!("there is no plugin {name:?} in {}", folders.join(", "))))
}

/// The configuration that a runtime makes for one plugin of a list.
fn one_of(list: &Map<String, Value>, entry: &Value) -> Option<Map<String, Value>> {
    let mut config = entry.as_object()?.clone();
    for key in ["name", "cniVersion"] {
        config.insert(key.to_owned(), list.get(key)?.clone());
    }
    Some(config)
}

fn type_of(config: &Map<String, Value>) -> &str {
    config.get("type").and_then(Value::as_str).unwrap_or_default()
}

fn ipam_of(config: &Map<String, Value>) -> &str {
    config.get("ipam").and_then(|ipam| ipam.get("type")?.as_str()).unwrap_or_default()
}
