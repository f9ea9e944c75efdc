//! What an author writes: the trait with one method a command.

use cni_types::{AddResult, ErrorCode, SpecVersion};
use serde::de::DeserializeOwned;

use crate::{AddRequest, CheckRequest, DelRequest, GcRequest, Result, StatusRequest};

/// A CNI plugin: one method a command. Hand it to [`run`](crate::run()) in `main`.
///
/// A handler gets a request that parsed, in a version that the plugin speaks, and returns its result in the newest
/// shape; [`dispatch`](crate::dispatch()) sees to everything else.
pub trait Plugin {
    /// The plugin's own keys of the network configuration, deserialised from the whole object beside the common
    /// keys; [`NoConfig`] if there are none. Keys match exactly, else ignoring ASCII case. Do not use
    /// `#[serde(flatten)]` in it: it hides the path of an error.
    type Config: DeserializeOwned;

    /// What the plugin is, in a line, for a person who starts it by hand: `CNI bridge plugin 1.2.0`. If it is
    /// empty, the program's name stands for it.
    const ABOUT: &'static str = "";

    /// The plugin's configuration as [JSON Schema](https://json-schema.org/), which `--schema` prints:
    /// `Some(include_str!("../schema.json"))`.
    const SCHEMA: Option<&'static str> = None;

    /// The versions of the specification that the plugin speaks, in ascending order and at least one: all, unless
    /// it says otherwise.
    fn supported_versions(&self) -> &[SpecVersion] {
        SpecVersion::ALL
    }

    /// Attaches the container to the network.
    ///
    /// # Errors
    /// What is returned goes to the runtime, after everything that was told to
    /// [`on_failure`](AddRequest::on_failure) has been undone.
    fn add(&self, req: &AddRequest<Self::Config>) -> Result<AddResult>;

    /// Undoes an ADD. It depends on the request alone, goes on after a failure (see [`Errors`](crate::Errors)) and
    /// succeeds when there is nothing left to do.
    ///
    /// # Errors
    /// What could not be removed.
    fn del(&self, req: &DelRequest<Self::Config>) -> Result<()>;

    /// Looks whether the attachment is as ADD made it, and changes nothing.
    ///
    /// # Errors
    /// What is missing or different.
    fn check(&self, req: &CheckRequest<Self::Config>) -> Result<()>;

    /// Tells whether ADD could be served now. Unless the plugin says otherwise, the IPAM plugin is asked, as the
    /// specification demands.
    ///
    /// # Errors
    /// Code 50 when ADD cannot be served, 51 when containers would have limited connectivity.
    fn status(&self, req: &StatusRequest<Self::Config>) -> Result<()> {
        req.status_of_ipam()
    }

    /// Removes what belongs to no valid attachment. Unless the plugin says otherwise, the IPAM plugin is told to, as
    /// the specification demands; a plugin with a GC of its own calls
    /// [`gc_of_ipam`](GcRequest::gc_of_ipam) in it.
    ///
    /// # Errors
    /// What could not be removed.
    fn gc(&self, req: &GcRequest<Self::Config>) -> Result<()> {
        req.gc_of_ipam()
    }
}

impl<C> StatusRequest<C> {
    /// Asks the IPAM plugin, where the configuration names one that is not this plugin itself, for its status.
    ///
    /// # Errors
    /// What the IPAM plugin answers, and code 50 when it is not there.
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
    /// Passes the request on to the IPAM plugin, where the configuration names one that is not this plugin itself.
    ///
    /// # Errors
    /// What the IPAM plugin answers.
    pub fn gc_of_ipam(&self) -> Result<()> {
        if self.is_ipam()? {
            return Ok(());
        }
        self.ipam_if_any()?.map_or(Ok(()), |ipam| ipam.gc())
    }
}
