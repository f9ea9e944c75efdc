//! A network configuration, run as a runtime runs it.
//!
//! Order of use inside: `base64`, `error`, `cache`; `call` runs one plugin; `attach` and `upkeep` run the list.

mod attach;
mod base64;
mod cache;
mod call;
mod error;
mod source;
mod upkeep;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cni_skel::types::{Command, NetworkList, SpecVersion};
use serde::Serialize;

use crate::TestNetns;
pub use call::PluginCall;
pub use error::{ChainError, ChainFailure};

/// How long a plugin may take. Generous, because test machines are slow and busy.
const TIMEOUT: Duration = Duration::from_secs(60);

type Observer<'a> = dyn Fn(&PluginCall<'_>) + Send + Sync + 'a;

/// A network configuration with real plugins, run the way
/// [libcni](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#section-3-execution-of-network-configurations)
/// does it for container engines.
///
/// ADD goes along the list and hands each plugin's result to the next as it was printed, to the digit; CHECK and DEL
/// get the last one back from the [cache](Self::cache). Each plugin is an executable found in the given folders, in any
/// language.
///
/// ```
/// use std::os::unix::fs::PermissionsExt;
/// use cni_testing::{Chain, json, types::{Attachment, ContainerId, IfName}};
///
/// # let folder = tempfile::tempdir()?;
/// # let plugin = folder.path().join("hello");
/// # std::fs::write(&plugin, r#"#!/bin/sh
/// # [ $CNI_COMMAND != ADD ] || echo '{"cniVersion": "1.1.0", "ips": [{"address": "10.1.0.2/16"}]}'"#)?;
/// # std::fs::set_permissions(&plugin, std::fs::Permissions::from_mode(0o755))?;
/// let conflist = json!({"cniVersion": "1.1.0", "name": "lan", "plugins": [{"type": "hello"}]});
/// let chain = Chain::parse(conflist.to_string())?.plugin_path([folder.path()]).cache(folder.path());
///
/// let attachment = Attachment::new(ContainerId::try_from("c1")?, IfName::try_from("eth0")?);
/// let result = chain.add(&attachment, "/run/netns/c1")?;
/// assert_eq!(result.ips[0].address.to_string(), "10.1.0.2/16");
/// chain.check(&attachment, "/run/netns/c1")?;
/// chain.del(&attachment, Some("/run/netns/c1".as_ref()))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Chain<'a> {
    text: Vec<u8>,
    list: NetworkList,
    version: SpecVersion,
    plugin_path: Vec<PathBuf>,
    /// Folders that plugins look into before the plugin path, and the chain itself does not.
    delegate_path: Vec<PathBuf>,
    cache: Option<PathBuf>,
    host: Option<&'a TestNetns>,
    args: String,
    /// For each capability its JSON.
    capabilities: BTreeMap<String, String>,
    timeout: Duration,
    observer: Option<Arc<Observer<'a>>>,
}

impl<'a> Chain<'a> {
    /// Parses a `.conflist`, or a `.conf` with a single plugin.
    ///
    /// # Errors
    /// When it is none (the JSON path is named), and when none of its versions is known.
    pub fn parse(conflist: impl Into<Vec<u8>>) -> Result<Self, ChainError> {
        Self::aggregate(conflist.into(), &[])
    }

    /// Reads a `.conflist` or `.conf`, and as engines do the files `*.conf` in the folder with the network's name beside
    /// it: plugins that come after those in the list, unless it has
    /// [`loadOnlyInlinedPlugins`](NetworkList::load_only_inlined_plugins).
    ///
    /// # Errors
    /// When a file cannot be read, it and the path in it are named; and as [`parse`](Self::parse).
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ChainError> {
        let text = source::read(path.as_ref())?;
        let others = source::beside(path.as_ref(), &text)?;
        Self::aggregate(text, &others)
    }

    fn aggregate(text: Vec<u8>, others: &[Vec<u8>]) -> Result<Self, ChainError> {
        let list = NetworkList::aggregate(&text, others)?;
        let version = list.select_version()?;
        Ok(Self {
            text,
            list,
            version,
            plugin_path: Vec::new(),
            delegate_path: Vec::new(),
            cache: None,
            host: None,
            args: String::new(),
            capabilities: BTreeMap::new(),
            timeout: TIMEOUT,
            observer: None,
        })
    }

    /// Sets the folders in which plugins are found, and theirs: `CNI_PATH`.
    #[must_use]
    pub fn plugin_path(mut self, folders: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        self.plugin_path = folders.into_iter().map(Into::into).collect();
        self
    }

    /// Sets folders in which plugins look for other plugins first. They go in front of [`plugin_path`] in `CNI_PATH`,
    /// but the plugins of the list are not taken from there: a place for stand-ins of IPAM plugins.
    ///
    /// [`plugin_path`]: Self::plugin_path
    #[must_use]
    pub fn delegate_path(mut self, folders: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        self.delegate_path = folders.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the folder of the result cache, below which `results` is made; engines use `/var/lib/cni`. Without it
    /// nothing is remembered: CHECK cannot be called, DEL has no `prevResult`, and GC finds nothing stale.
    #[must_use]
    pub fn cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache = Some(folder.into());
        self
    }

    /// Runs the plugins inside this namespace: to them it is the host.
    #[must_use]
    pub fn host(mut self, netns: &'a TestNetns) -> Self {
        self.host = Some(netns);
        self
    }

    /// Sets `CNI_ARGS`.
    #[must_use]
    pub fn args(mut self, args: impl Into<String>) -> Self {
        self.args = args.into();
        self
    }

    /// Sets what a plugin that declares this capability gets in `runtimeConfig`.
    ///
    /// # Panics
    /// When the value is nothing that JSON has.
    #[must_use]
    pub fn capability(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        let json = serde_json::to_string(&value).expect("a capability's value is JSON");
        self.capabilities.insert(name.into(), json);
        self
    }

    /// Sets how long each plugin may take before it is killed, with all that it started; a minute otherwise.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Has each call of a plugin told, as soon as it has ended.
    #[must_use]
    pub fn observe(mut self, observer: impl Fn(&PluginCall<'_>) + Send + Sync + 'a) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// The configuration.
    pub fn list(&self) -> &NetworkList {
        &self.list
    }

    /// The version that calls are made in.
    pub fn version(&self) -> SpecVersion {
        self.version
    }

    /// Why the plugins are not called with this command, where that is so: the configuration's version is older, or it
    /// says `disableCheck` or `disableGC`.
    pub fn reason_to_skip(&self, command: Command) -> Option<String> {
        let disabled = match command {
            Command::Check if self.list.disable_check() => Some("disableCheck"),
            Command::Gc if self.list.disable_gc() => Some("disableGC"),
            _ => None,
        };
        match disabled {
            Some(key) => Some(format!("the configuration says {key}")),
            None if self.version < command.since() => Some(format!(
                "the configuration is of version {}, {command} came with {}",
                self.version,
                command.since()
            )),
            None => None,
        }
    }
}

impl fmt::Debug for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain")
            .field("list", &self.list)
            .field("plugin_path", &self.plugin_path)
            .field("cache", &self.cache)
            .field("args", &self.args)
            .field("capabilities", &self.capabilities)
            .finish_non_exhaustive()
    }
}
