//! The trait that a plugin author implements, with one method for each command.

use cni_types::{AddResult, ErrorCode, SpecVersion};
use serde::de::DeserializeOwned;

use crate::{AddRequest, CheckRequest, DelRequest, GcRequest, Result, StatusRequest};

/// A CNI plugin, with one method for each command. Pass it to [`run`](crate::run()) in `main`.
///
/// A handler gets a request that has been parsed, in a version that the plugin supports, and returns its result in the newest
/// version. [`dispatch`](crate::dispatch()) does everything else.
pub trait Plugin {
    /// The plugin's own keys of the network configuration, or [`NoConfig`](crate::NoConfig) if it has none.
    ///
    /// The type is deserialised from the whole object on stdin, so it ignores the common keys. A key matches exactly, or else
    /// ignoring ASCII case. Do not use `#[serde(flatten)]`, because errors then have no JSON path.
    type Config: DeserializeOwned;

    /// One line that says what the plugin is, for a person who starts it by hand: `CNI bridge plugin 1.2.0`. If it is empty,
    /// the program's name is printed instead.
    const ABOUT: &'static str = "";

    /// The [JSON Schema](https://json-schema.org/) of the plugin's configuration, which option `--schema` prints:
    /// `Some(include_str!("../schema.json"))`.
    const SCHEMA: Option<&'static str> = None;

    /// Returns the versions of the specification that the plugin supports: at least one, in ascending order. By default, the
    /// plugin supports all versions.
    fn supported_versions(&self) -> &[SpecVersion] {
        SpecVersion::ALL
    }

    /// Attaches the container to the network:
    /// [ADD](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#add-add-container-to-network-or-apply-modifications).
    ///
    /// # Errors
    /// The runtime gets the error after the steps registered with [`on_failure`](AddRequest::on_failure) have run.
    fn add(&self, req: &AddRequest<Self::Config>) -> Result<AddResult>;

    /// Undoes an ADD:
    /// [DEL](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#del-remove-container-from-network-or-un-apply-modifications).
    ///
    /// It depends on the request alone, continues after a failure (see [`Errors`](crate::Errors)), and succeeds if there is
    /// nothing to remove.
    ///
    /// # Errors
    /// Something could not be removed.
    fn del(&self, req: &DelRequest<Self::Config>) -> Result<()>;

    /// Checks that the attachment is as ADD made it, and changes nothing:
    /// [CHECK](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#check-check-containers-networking-is-as-expected).
    ///
    /// # Errors
    /// Something is missing or changed.
    fn check(&self, req: &CheckRequest<Self::Config>) -> Result<()>;

    /// Checks that the plugin can serve ADD:
    /// [STATUS](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#status-check-plugin-status).
    ///
    /// The default calls STATUS of the IPAM plugin, as the specification requires. A plugin that implements it calls
    /// [`status_of_ipam`](StatusRequest::status_of_ipam) too.
    ///
    /// # Errors
    /// Code 50 if the plugin cannot serve ADD, and code 51 if containers would have limited connectivity.
    fn status(&self, req: &StatusRequest<Self::Config>) -> Result<()> {
        req.status_of_ipam()
    }

    /// Removes everything that belongs to attachments that are not valid any more:
    /// [GC](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#gc-clean-up-any-stale-resources).
    ///
    /// The default calls GC of the IPAM plugin, as the specification requires. A plugin that implements it calls
    /// [`gc_of_ipam`](GcRequest::gc_of_ipam) too.
    ///
    /// # Errors
    /// Something could not be removed.
    fn gc(&self, req: &GcRequest<Self::Config>) -> Result<()> {
        req.gc_of_ipam()
    }
}

impl<C> StatusRequest<C> {
    /// Calls STATUS of the IPAM plugin. Does nothing if the configuration names none, or this plugin itself.
    ///
    /// # Errors
    /// The error of the IPAM plugin, or code 50 if the IPAM plugin is not installed.
    pub fn status_of_ipam(&self) -> Result<()> {
        if self.is_ipam()? {
            return Ok(());
        }
        let ipam = self.ipam_if_any().map_err(|error| match error.code() {
            ErrorCode::IO_FAILURE => error.with_code(ErrorCode::NOT_AVAILABLE),
            _ => error,
        })?;
        ipam.map_or(Ok(()), |ipam| ipam.status())
    }
}

impl<C> GcRequest<C> {
    /// Calls GC of the IPAM plugin. Does nothing if the configuration names none, or this plugin itself.
    ///
    /// # Errors
    /// The error of the IPAM plugin, or code 5 if the IPAM plugin is not installed.
    pub fn gc_of_ipam(&self) -> Result<()> {
        if self.is_ipam()? {
            return Ok(());
        }
        self.ipam_if_any()?.map_or(Ok(()), |ipam| ipam.gc())
    }
}
