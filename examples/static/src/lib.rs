//! Assigns the addresses that the configuration or the runtime names. It keeps no state, so DEL has nothing to release.
#![forbid(unsafe_code)]

mod config;

use cni_skel::types::{AddResult, ErrorCode};
use cni_skel::{
    AddRequest, CheckRequest, DelRequest, Error, GcRequest, NoConfig, Plugin, Result, StatusRequest,
};

use config::Config;

/// The IPAM plugin `static`.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "a unit struct has nothing to add to")]
pub struct Static;

impl Plugin for Static {
    /// ADD, CHECK and STATUS decode the configuration themselves, because it depends on what the runtime asks for.
    type Config = NoConfig;

    const ABOUT: &'static str = concat!("CNI static plugin ", env!("CARGO_PKG_VERSION"));

    fn add(&self, req: &AddRequest) -> Result<AddResult> {
        let config = Config::decode(req)?;
        let mut result = AddResult::default();
        result.ips = config.addresses(&req.args()?, req.cni_version())?;
        result.routes = config.routes;
        result.dns = config.dns;
        Ok(result)
    }

    fn del(&self, _: &DelRequest) -> Result<()> {
        Ok(())
    }

    fn check(&self, req: &CheckRequest) -> Result<()> {
        let wanted = Config::decode(req)?.addresses(&req.args()?, req.cni_version())?;
        let given = &req.prev_result()?.ips;
        for ip in wanted {
            let address = ip.address;
            let missing =
                || Error::new(ErrorCode::INTERNAL, format!("address {address} is not in prevResult"));
            let there = given.iter().find(|there| there.address == address).ok_or_else(missing)?;
            // The delegating plugin can have added a gateway that the configuration does not have.
            if ip.gateway.is_some_and(|gateway| there.gateway != Some(gateway)) {
                let msg = format!("address {address} has another gateway in prevResult");
                return Err(Error::new(ErrorCode::INTERNAL, msg));
            }
        }
        Ok(())
    }

    /// Succeeds if the configuration is valid. What the runtime adds for a container is not there yet.
    fn status(&self, req: &StatusRequest) -> Result<()> {
        let addresses =
            Config::decode(req).and_then(|config| config.addresses(&req.args()?, req.cni_version()));
        addresses.map(drop).map_err(|error| error.with_code(ErrorCode::NOT_AVAILABLE))
    }

    /// Does nothing: there is no state that could be stale.
    fn gc(&self, _: &GcRequest) -> Result<()> {
        Ok(())
    }
}
