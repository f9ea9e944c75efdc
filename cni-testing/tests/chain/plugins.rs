//! A folder of shell scripts that record how they were called.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use cni_testing::types::{Attachment, ContainerId, IfName};
use cni_testing::{Chain, json};
use serde_json::Value;

/// A path that is handed around only.
pub(crate) const NETNS: &str = "/run/netns/made up";

/// Throw-away plugins, and a folder for the cache.
pub(crate) struct Plugins {
    folder: tempfile::TempDir,
}

impl Plugins {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        Self { folder }
    }

    /// Adds a plugin whose ADD prints this, and which otherwise does what a piece of shell does.
    pub(crate) fn add(self, name: &str, result: &str, shell: &str) -> Self {
        let folder = self.folder.path().display();
        let text = format!(
            "#!/bin/sh\nPATH=/usr/bin:/bin\ncat >'{folder}/{name}.'$CNI_COMMAND.stdin\n\
             env >'{folder}/{name}.'$CNI_COMMAND.env\necho $CNI_COMMAND {name} $CNI_CONTAINERID >>'{folder}/log'\n\
             {shell}\n[ $CNI_COMMAND != ADD ] || cat <<'EOF'\n{result}\nEOF\n"
        );
        let program = self.folder.path().join("bin").join(name);
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    /// Two plugins, `first` and `second`, which do what is right.
    pub(crate) fn two() -> Self {
        let result = r#"{"cniVersion": "1.1.0", "ips": [{"address": "10.1.0.2/16"}]}"#;
        Self::new().add("first", result, "").add("second", result, "")
    }

    pub(crate) fn bin(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// The configuration `lan` of `first` and `second`.
    pub(crate) fn chain(&self, version: &str) -> Chain<'static> {
        self.chain_of(json!({
            "cniVersion": version, "name": "lan", "plugins": [{"type": "first"}, {"type": "second"}],
        }))
    }

    pub(crate) fn chain_of(&self, conflist: Value) -> Chain<'static> {
        Chain::parse(conflist.to_string()).unwrap().plugin_path([self.bin()]).cache(self.cache())
    }

    /// The calls so far: command, plugin, container.
    pub(crate) fn log(&self) -> Vec<String> {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        log.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// What a plugin got on stdin at its last call of this command.
    pub(crate) fn stdin(&self, plugin: &str, command: &str) -> String {
        fs::read_to_string(self.folder.path().join(format!("{plugin}.{command}.stdin"))).unwrap()
    }

    pub(crate) fn request(&self, plugin: &str, command: &str) -> Value {
        serde_json::from_str(&self.stdin(plugin, command)).unwrap()
    }

    /// The variables of the protocol that it got, sorted.
    pub(crate) fn env(&self, plugin: &str, command: &str) -> Vec<String> {
        let env = fs::read_to_string(self.folder.path().join(format!("{plugin}.{command}.env"))).unwrap();
        let mut env: Vec<_> =
            env.lines().filter(|line| line.starts_with("CNI_")).map(str::to_owned).collect();
        env.sort();
        env
    }
}

pub(crate) fn attachment(id: &str) -> Attachment {
    Attachment::new(ContainerId::try_from(id).unwrap(), IfName::try_from("eth0").unwrap())
}

pub(crate) fn netns() -> Option<&'static Path> {
    Some(Path::new(NETNS))
}
