//! A network configuration, run as a runtime does.
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

/// The timeout of each call. Generous, because test machines are slow and busy.
const TIMEOUT: Duration = Duration::from_secs(60);

type Observer<'a> = dyn Fn(&PluginCall<'_>) + Send + Sync + 'a;

/// A network configuration with real plugins, run as
/// [libcni](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#section-3-execution-of-network-configurations)
/// runs it for container engines.
///
/// ADD calls each plugin of the list with the result of the plugin before it, byte for byte. CHECK and DEL get the last
/// result from the [cache](Self::cache). The plugins are executables in any language.
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
    /// Folders in which plugins look for other plugins first. The chain itself does not look there.
    delegate_path: Vec<PathBuf>,
    cache: Option<PathBuf>,
    host: Option<&'a TestNetns>,
    args: String,
    /// The JSON of each capability.
    capabilities: BTreeMap<String, String>,
    timeout: Duration,
    observer: Option<Arc<Observer<'a>>>,
}

impl<'a> Chain<'a> {
    /// Parses a `.conflist`, or a `.conf` with a single plugin.
    ///
    /// # Errors
    /// It is not a valid configuration (the error has the JSON path), or none of its versions is known.
    pub fn parse(conflist: impl Into<Vec<u8>>) -> Result<Self, ChainError> {
        Self::aggregate(conflist.into(), &[])
    }

    /// Reads a `.conflist` or `.conf`. Like engines, it appends the plugins from the files `*.conf` in the folder beside
    /// it that has the network's name, unless the list has
    /// [`loadOnlyInlinedPlugins`](NetworkList::load_only_inlined_plugins).
    ///
    /// # Errors
    /// A file cannot be read (the error has its path). See also [`parse`](Self::parse).
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

    /// Sets `CNI_PATH`, the folders with the plugins of the list and those that they call.
    #[must_use]
    pub fn plugin_path(mut self, folders: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        self.plugin_path = folders.into_iter().map(Into::into).collect();
        self
    }

    /// Sets folders in which plugins look for other plugins first. They come before [`plugin_path`] in `CNI_PATH`, but
    /// the plugins of the list are not taken from them. This is the place for scripted IPAM plugins.
    ///
    /// [`plugin_path`]: Self::plugin_path
    #[must_use]
    pub fn delegate_path(mut self, folders: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        self.delegate_path = folders.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the folder of the result cache. Results are stored in `results` below it. Engines use `/var/lib/cni`.
    /// Without a cache, CHECK is an error, DEL has no `prevResult`, and GC finds nothing stale.
    #[must_use]
    pub fn cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache = Some(folder.into());
        self
    }

    /// Runs the plugins inside this namespace, which they take for the host.
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

    /// Sets the value of a capability. Plugins that declare the capability get it in `runtimeConfig`.
    ///
    /// # Panics
    /// If the value cannot be written as JSON.
    #[must_use]
    pub fn capability(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        let json = serde_json::to_string(&value).expect("a capability's value is JSON");
        self.capabilities.insert(name.into(), json);
        self
    }

    /// Sets the timeout of each call, one minute by default. After that the plugin is killed with everything it started.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Calls `observer` after each call of a plugin.
    #[must_use]
    pub fn observe(mut self, observer: impl Fn(&PluginCall<'_>) + Send + Sync + 'a) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Returns the configuration.
    pub fn list(&self) -> &NetworkList {
        &self.list
    }

    /// Returns the version in which plugins are called.
    pub fn version(&self) -> SpecVersion {
        self.version
    }

    /// Returns why plugins are not called with this command, or `None` if they are. Either the configuration's version
    /// does not have the command, or it has `disableCheck` or `disableGC`.
    pub fn reason_to_skip(&self, command: Command) -> Option<String> {
        let disabled = match command {
            Command::Check if self.list.disable_check() => Some("disableCheck"),
            Command::Gc if self.list.disable_gc() => Some("disableGC"),
            _ => None,
        };
        match disabled {
            Some(key) => Some(format!("the configuration has {key}")),
            None if self.version < command.since() => Some(format!(
                "the configuration has version {}, and {command} exists since {}",
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
