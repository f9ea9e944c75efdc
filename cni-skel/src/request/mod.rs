//! The five requests that a handler can get.

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
    /// The container's network namespace, which is not the plugin's own: variable `CNI_NETNS`.
    pub netns: Netns,
    /// The plugin's configuration.
    pub config: C,
    pub(crate) context: Context,
}

impl<C> AddRequest<C> {
    /// What the plugins before this one have made: key `prevResult`. None when this is the first of the chain.
    ///
    /// # Errors
    /// Code 6 or 7 if `prevResult` is not a valid result, and code 1 if its version is unknown.
    pub fn prev_result(&self) -> Result<Option<&AddResult>> {
        self.context.prev_result()
    }

    /// Registers how to undo what the handler has just done.
    ///
    /// The registered steps run in reverse order if the handler returns an error, if it panics, and if its result cannot be
    /// delivered. `what` completes the sentence "failed to ..", which the error contains if the step fails.
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

/// A request to undo an ADD, as far as there is anything left to undo:
/// [DEL](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#del-remove-container-from-network-or-un-apply-modifications).
#[derive(Debug)]
#[non_exhaustive]
pub struct DelRequest<C = NoConfig> {
    /// The container: variable `CNI_CONTAINERID`.
    pub container_id: ContainerId,
    /// The interface inside the container: variable `CNI_IFNAME`.
    pub ifname: IfName,
    /// The container's network namespace: variable `CNI_NETNS`. None when the runtime gave none, when it is gone,
    /// and when the path now leads to something else, the plugin's own namespace included: then the container's
    /// side is gone, and what the plugin left elsewhere is still to be cleaned up.
    pub netns: Option<Netns>,
    pub(crate) config: OnceLock<C>,
    pub(crate) context: Context,
}

impl<C> DelRequest<C> {
    /// Decodes the plugin's configuration, when it is first called.
    ///
    /// A value that an administrator has made invalid since the ADD must not block the DEL for ever, so a handler that can
    /// do without the configuration goes on after an error.
    ///
    /// # Errors
    /// Code 6 or 7 if the configuration is not a `C`, naming the JSON path.
    pub fn config(&self) -> Result<&C>
    where
        C: DeserializeOwned,
    {
        decoded(&self.config, &self.context)
    }

    /// The result of the ADD, of the whole chain: key `prevResult`. Runtimes leave it out at times, after a failed
    /// ADD for one, and DEL must do without it.
    ///
    /// # Errors
    /// Code 6 or 7 if `prevResult` is not a valid result, and code 1 if its version is unknown.
    pub fn prev_result(&self) -> Result<Option<&AddResult>> {
        self.context.prev_result()
    }
}

/// A request to look whether an attachment is still as ADD made it:
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
    /// The result of the ADD, of the whole chain: key `prevResult`.
    ///
    /// # Errors
    /// Code 7 if `prevResult` is missing; code 6 or 7 if it is not a valid result, and code 1 if its version is unknown.
    pub fn prev_result(&self) -> Result<&AddResult> {
        let prev_result = self.context.prev_result()?;
        prev_result.ok_or_else(|| Error::invalid_config("missing prevResult, which CHECK needs"))
    }
}

/// A request to remove what belongs to no attachment that is still valid:
/// [GC](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#gc-clean-up-any-stale-resources).
#[derive(Debug)]
#[non_exhaustive]
pub struct GcRequest<C = NoConfig> {
    /// The attachments that are still valid: key `cni.dev/valid-attachments` or `cni.dev/attachments`. None when
    /// the runtime does not say, and then nothing may be collected; an empty list means that all is stale.
    pub valid_attachments: Option<Vec<Attachment>>,
    pub(crate) config: OnceLock<C>,
    pub(crate) context: Context,
}

impl<C> GcRequest<C> {
    /// Decodes the plugin's configuration, when it is first called. See [`DelRequest::config`].
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

/// A request to tell whether ADD could be served now:
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
