//! What every request offers besides its own fields.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cni_types::{AddResult, CniArgs, Interface, NetworkName, PluginConfig, SpecVersion};
use serde::de::DeserializeOwned;

#[cfg(feature = "net")]
use crate::net::Net;
use crate::reply::UndoList;
use crate::{Env, Error, Host, Log, Result};

/// The part of a call that its request shares with its delegates.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) env: Env,
    pub(crate) config: PluginConfig,
    pub(crate) version: SpecVersion,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) log: Log,
    /// The interfaces in the results of delegates.
    delegated: Mutex<Vec<Interface>>,
}

impl Call {
    pub(crate) fn new(
        env: Env,
        config: PluginConfig,
        version: SpecVersion,
        host: Arc<dyn Host>,
        log: Log,
    ) -> Self {
        Self { env, config, version, host, log, delegated: Mutex::default() }
    }

    /// Records interfaces that a delegate described.
    pub(crate) fn add_delegated_interfaces(&self, interfaces: &[Interface]) {
        self.delegated.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(interfaces);
    }

    pub(crate) fn delegated_interfaces(&self) -> Vec<Interface> {
        self.delegated.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What every request offers besides its own fields. Each request derefs to it.
#[derive(Debug)]
pub struct Context {
    pub(crate) call: Arc<Call>,
    pub(crate) undo: Arc<UndoList>,
    prev_result: OnceLock<Option<AddResult>>,
}

impl Context {
    pub(crate) fn new(call: Call, undo: Arc<UndoList>) -> Self {
        Self { call: Arc::new(call), undo, prev_result: OnceLock::new() }
    }

    /// Decodes key `prevResult` when it is first called, so that it cannot fail a handler that does not need it.
    pub(crate) fn prev_result(&self) -> Result<Option<&AddResult>> {
        if let Some(decoded) = self.prev_result.get() {
            return Ok(decoded.as_ref());
        }
        let decoded = self.call.config.prev_result()?;
        Ok(self.prev_result.get_or_init(|| decoded).as_ref())
    }

    /// Returns the network's name: key `name` of the
    /// [configuration](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#deriving-execution-configuration-from-plugin-configuration).
    pub fn network(&self) -> &NetworkName {
        self.call.config.name()
    }

    /// Returns the version of the specification that the call uses: key `cniVersion`.
    pub fn cni_version(&self) -> SpecVersion {
        self.call.version
    }

    /// Returns the log of the call, which an operator can turn on: `info!(req.log(), "made {name}")`.
    pub fn log(&self) -> &Log {
        &self.call.log
    }

    /// Returns the environment of the call.
    pub fn env(&self) -> &Env {
        &self.call.env
    }

    /// Returns the configuration from stdin, with every key.
    pub fn plugin_config(&self) -> &PluginConfig {
        &self.call.config
    }

    /// Parses the extra arguments of the runtime: variable
    /// [`CNI_ARGS`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#parameters).
    ///
    /// # Errors
    /// Code 4 if the variable is not UTF-8 or has a pair without `=`.
    pub fn args(&self) -> Result<CniArgs> {
        let text = self.call.env.get("CNI_ARGS").unwrap_or_default();
        let text = text.to_str().ok_or_else(|| {
            Error::new(cni_types::ErrorCode::INVALID_ENVIRONMENT, format!("CNI_ARGS is not UTF-8: {text:?}"))
        })?;
        Ok(CniArgs::parse(text)?)
    }

    /// Decodes the value that the runtime passes for a capability: key `runtimeConfig.<capability>`, see
    /// [CONVENTIONS.md](https://github.com/containernetworking/cni/blob/spec-v1.1.0/CONVENTIONS.md#dynamic-plugin-specific-fields-capabilities--runtime-configuration).
    ///
    /// Returns `None` if the key is absent or `null`.
    ///
    /// # Errors
    /// Code 6 or 7, naming the JSON path, if the value is not a `T`.
    pub fn runtime_config<T: DeserializeOwned>(&self, capability: &str) -> Result<Option<T>> {
        Ok(self.call.config.runtime_config(capability)?)
    }

    /// Decodes a value that the runtime passes to every plugin of the network: key `args.cni.<key>`, see
    /// [CONVENTIONS.md](https://github.com/containernetworking/cni/blob/spec-v1.1.0/CONVENTIONS.md#args-in-network-config).
    ///
    /// Returns `None` if the key is absent or `null`.
    ///
    /// # Errors
    /// Code 6 or 7, naming the JSON path, if the value is not a `T`.
    pub fn args_cni<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        Ok(self.call.config.args_cni(key)?)
    }

    /// Opens the network of the namespace that the plugin itself runs in: on a node, the host's.
    ///
    /// # Errors
    /// Code 999 if no netlink socket can be opened.
    #[cfg(feature = "net")]
    pub fn net(&self) -> Result<Net> {
        self.call.host.net()
    }
}
