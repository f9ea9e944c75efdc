//! Hands out the addresses that the configuration or the runtime names. There is no state: nothing is kept, nothing is
//! released.
#![forbid(unsafe_code)]

mod config;

use cni_skel::types::{AddResult, ErrorCode};
use cni_skel::{
    AddRequest, CheckRequest, DelRequest, Error, GcRequest, NoConfig, Plugin, Result, StatusRequest,
};

use config::Config;

/// The IPAM plugin `static`.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to it")]
pub struct Static;

impl Plugin for Static {
    /// ADD, CHECK and STATUS read the configuration themselves: a DEL must not fail over one that has become invalid.
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
            // A plugin that delegates may have found a gateway where the configuration has none.
            if ip.gateway.is_some_and(|gateway| there.gateway != Some(gateway)) {
                let msg = format!("address {address} has another gateway in prevResult");
                return Err(Error::new(ErrorCode::INTERNAL, msg));
            }
        }
        Ok(())
    }

    /// Succeeds if the configuration is valid, without what a runtime adds to it for a container.
    fn status(&self, req: &StatusRequest) -> Result<()> {
        let addresses =
            Config::decode(req).and_then(|config| config.addresses(&req.args()?, req.cni_version()));
        addresses.map(drop).map_err(|error| error.with_code(ErrorCode::NOT_AVAILABLE))
    }

    /// There is nothing that could be stale.
    fn gc(&self, _: &GcRequest) -> Result<()> {
        Ok(())
    }
}
