//! What a suite is given, taken apart.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cni_skel::types::{PluginConfig, SpecVersion};
use serde_json::{Map, Value};

use super::CannotRun;
use super::bench::Setup;
use super::check::Kind;
use super::suite::Suite;
use crate::isolation;

impl Suite<'_> {
    /// Takes the configuration apart; says if it is one of an IPAM plugin.
    pub(super) fn setup(&self) -> Result<(Setup, Option<Kind>), CannotRun> {
        let wrong = |why: String| CannotRun(format!("the configuration is not valid: {why}"));
        let Value::Object(whole) = &self.config else { return Err(wrong("it is no JSON object".to_owned())) };
        let mut before = Vec::new();
        let config = match whole.get("plugins") {
            None => whole.clone(),
            Some(Value::Array(entries)) => {
                let entries: Vec<_> = entries.iter().filter_map(|entry| one_of(whole, entry)).collect();
                let at = self.place_in(&entries)?;
                // An IPAM plugin has none before it.
                let count = if self.is_ipam_of(&entries[at]) { 0 } else { at };
                for config in &entries[..count] {
                    before.push((self.find(type_of(config))?, config.clone()));
                }
                entries[at].clone()
            }
            Some(_) => return Err(wrong("plugins is no list".to_owned())),
        };
        let text = Value::Object(config.clone()).to_string();
        let parsed = PluginConfig::parse(text.as_bytes()).map_err(|why| wrong(why.to_string()))?;
        parsed.cni_version().parse::<SpecVersion>().map_err(|why| wrong(format!("cniVersion: {why}")))?;
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let (kind, ipam) = (type_of(&config).to_owned(), ipam_of(&config).to_owned());
        let is_ipam = self.is_ipam_of(&config).then_some(Kind::Ipam);
        if let Some(name) = self.program_name().filter(|name| is_ipam.is_none() && *name != kind) {
            return Err(CannotRun(format!(
                "the configuration is for a plugin called {kind:?}, and the plugin is called {name:?}"
            )));
        }
        let mut folders: BTreeSet<PathBuf> = isolation::STATE_FOLDERS.map(PathBuf::from).into();
        let data = [config.get("dataDir"), config.get("ipam").and_then(|ipam| ipam.get("dataDir"))];
        folders.extend(data.into_iter().flatten().filter_map(Value::as_str).map(PathBuf::from));
        let uplinks = ["master", "device"].map(|key| text(config.get(key)));
        let uplinks = uplinks.into_iter().filter(|name| !name.is_empty()).collect();
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

    /// Which one of a list this plugin is: by its name, or by that of the IPAM plugin; a plugin without a name is the last.
    fn place_in(&self, entries: &[Map<String, Value>]) -> Result<usize, CannotRun> {
        let last = entries.len().checked_sub(1);
        let last = last.ok_or_else(|| {
            CannotRun("the configuration is not valid: its list of plugins is empty".into())
        })?;
        let Some(name) = self.program_name() else { return Ok(last) };
        let at = entries.iter().position(|entry| type_of(entry) == name);
        at.or_else(|| entries.iter().position(|entry| ipam_of(entry) == name)).ok_or_else(|| {
            let types: Vec<_> = entries.iter().map(type_of).collect();
            CannotRun(format!("the plugin is called {name:?}, and those of the list {}", types.join(", ")))
        })
    }

    fn is_ipam_of(&self, config: &Map<String, Value>) -> bool {
        self.program_name().is_some_and(|name| name == ipam_of(config))
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
