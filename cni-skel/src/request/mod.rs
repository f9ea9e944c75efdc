//! The five requests, one for each handler.

mod context;
mod conventions;
mod host_ifname;
mod invocation;
mod purpose;

use std::ops::Deref;
use std::sync::OnceLock;

use cni_types::{AddResult, Attachment, ContainerId, IfName};
use serde::Deserialize;
use serde::de::DeserializeOwned;

pub(crate) use context::Call;
pub use context::Context;
pub use invocation::Invocation;
pub(crate) use invocation::{Target, invalid_environment, require, target};
pub(crate) use purpose::{Purpose, Question};

use crate::{Error, Netns, Result};

/// The configuration of a plugin that has none of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct NoConfig {}

/// A request to attach a container to the network, or to change an attachment:
/// [ADD](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#add-add-container-to-network-or-apply-modifications).
#[derive(Debug)]
#[non_exhaustive]
pub struct AddRequest<C = NoConfig> {
    /// The container: variable `CNI_CONTAINERID`.
    pub container_id: ContainerId,
    /// The interface inside the container: variable `CNI_IFNAME`.
    pub ifname: IfName,
    /// The container's network namespace: variable `CNI_NETNS`. It is not the plugin's own.
    pub netns: Netns,
    /// The plugin's configuration.
    pub config: C,
    pub(crate) context: Context,
}

impl<C> AddRequest<C> {
    /// Returns the result of the previous plugins in the chain: key `prevResult`. Returns `None` for the first plugin.
    ///
    /// # Errors
    /// Code 6 or 7 if `prevResult` is not a valid result, and code 1 if its version is unknown.
    pub fn prev_result(&self) -> Result<Option<&AddResult>> {
        self.context.prev_result()
    }

    /// Registers a step that undoes what the handler has just done.
    ///
    /// The registered steps run in reverse order if the handler returns an error, if it panics, or if its result cannot be
    /// delivered. `what` completes the message "failed to ..", which the error contains if the step fails.
    ///
    /// ```
    /// # use cni_skel::{AddRequest, Result};
    /// fn add(req: &AddRequest) -> Result<()> {
    ///     std::fs::write("/run/example/c1", "up")?;
    ///     req.on_failure("remove the state", || std::fs::remove_file("/run/example/c1"));
    ///     Ok(())
    /// }
    /// ```
    pub fn on_failure<E: Into<Error>>(
        &self,
        what: impl Into<String>,
        undo: impl FnOnce() -> Result<(), E> + Send + 'static,
    ) {
        self.context.undo.push(what.into(), Box::new(|| undo().map_err(Into::into)));
    }
}

/// A request to detach a container from the network, or to undo the changes of an ADD:
/// [DEL](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#del-remove-container-from-network-or-un-apply-modifications).
#[derive(Debug)]
#[non_exhaustive]
pub struct DelRequest<C = NoConfig> {
    /// The container: variable `CNI_CONTAINERID`.
    pub container_id: ContainerId,
    /// The interface inside the container: variable `CNI_IFNAME`.
    pub ifname: IfName,
    /// The container's network namespace: variable `CNI_NETNS`.
    ///
    /// `None` if the runtime passed none, if the path does not exist any more, or if it leads to something other than the
    /// container's namespace, such as the plugin's own. The interfaces in the container are gone then, but the plugin
    /// still cleans up what it made elsewhere.
    pub netns: Option<Netns>,
    pub(crate) config: OnceLock<C>,
    pub(crate) context: Context,
}

impl<C> DelRequest<C> {
    /// Decodes the plugin's configuration when it is first called.
    ///
    /// An administrator can make a value invalid after the ADD. That must not block the DEL for ever, so a handler that does
    /// not need the configuration continues after an error.
    ///
    /// # Errors
    /// Code 6 or 7 if the configuration is not a `C`, naming the JSON path.
    pub fn config(&self) -> Result<&C>
    where
        C: DeserializeOwned,
    {
        decoded(&self.config, &self.context)
    }

    /// Returns the ADD result of the whole chain: key `prevResult`. Some runtimes omit it, for example after a failed ADD,
    /// and DEL must succeed without it.
    ///
    /// # Errors
    /// Code 6 or 7 if `prevResult` is not a valid result, and code 1 if its version is unknown.
    pub fn prev_result(&self) -> Result<Option<&AddResult>> {
        self.context.prev_result()
    }
}

/// A request to check that an attachment is still as ADD made it:
/// [CHECK](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#check-check-containers-networking-is-as-expected).
#[derive(Debug)]
#[non_exhaustive]
pub struct CheckRequest<C = NoConfig> {
    /// The container: variable `CNI_CONTAINERID`.
    pub container_id: ContainerId,
    /// The interface inside the container: variable `CNI_IFNAME`.
    pub ifname: IfName,
    /// The container's network namespace: variable `CNI_NETNS`.
    pub netns: Netns,
    /// The plugin's configuration.
    pub config: C,
    pub(crate) context: Context,
}

impl<C> CheckRequest<C> {
    /// Returns the ADD result of the whole chain: key `prevResult`.
    ///
    /// # Errors
    /// Code 7 if `prevResult` is missing, code 6 or 7 if it is not a valid result, and code 1 if its version is unknown.
    pub fn prev_result(&self) -> Result<&AddResult> {
        let prev_result = self.context.prev_result()?;
        prev_result.ok_or_else(|| Error::invalid_config("missing prevResult, which CHECK needs"))
    }
}

/// A request to remove everything that belongs to attachments that are not valid any more:
/// [GC](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#gc-clean-up-any-stale-resources).
#[derive(Debug)]
#[non_exhaustive]
pub struct GcRequest<C = NoConfig> {
    /// The attachments that are still valid: key `cni.dev/valid-attachments` or `cni.dev/attachments`.
    ///
    /// `None` if the runtime passed no list; nothing may be removed then. An empty list means that no attachment is valid.
    pub valid_attachments: Option<Vec<Attachment>>,
    pub(crate) config: OnceLock<C>,
    pub(crate) context: Context,
}

impl<C> GcRequest<C> {
    /// Decodes the plugin's configuration when it is first called. See [`DelRequest::config`].
    ///
    /// # Errors
    /// Code 6 or 7 if the configuration is not a `C`, naming the JSON path.
    pub fn config(&self) -> Result<&C>
    where
        C: DeserializeOwned,
    {
        decoded(&self.config, &self.context)
    }
}

/// A request to report whether the plugin can serve ADD:
/// [STATUS](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#status-check-plugin-status).
#[derive(Debug)]
#[non_exhaustive]
pub struct StatusRequest<C = NoConfig> {
    /// The plugin's configuration.
    pub config: C,
    pub(crate) context: Context,
}

fn decoded<'a, C: DeserializeOwned>(config: &'a OnceLock<C>, context: &Context) -> Result<&'a C> {
    if let Some(decoded) = config.get() {
        return Ok(decoded);
    }
    let decoded = context.plugin_config().decode()?;
    Ok(config.get_or_init(|| decoded))
}

macro_rules! deref_to_context {
    ($($request:ident)*) => {$(
        impl<C> Deref for $request<C> {
            type Target = Context;

            fn deref(&self) -> &Context {
                &self.context
            }
        }
    )*};
}

deref_to_context!(AddRequest DelRequest CheckRequest GcRequest StatusRequest);
