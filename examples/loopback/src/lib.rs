//! Sets up a container's `lo`, and takes it down again.
//!
//! `CNI_IFNAME` is ignored: the loopback interface of a namespace is always called `lo`.

use cni_skel::net::{Link, Net};
use cni_skel::types::{AddResult, ErrorCode, Interface, IpConfig};
use cni_skel::{AddRequest, CheckRequest, DelRequest, Error, NoConfig, Plugin, Result};

const LO: &str = "lo";

/// The plugin.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "a unit struct has nothing to add to")]
pub struct Loopback;

impl Plugin for Loopback {
    type Config = NoConfig;

    const ABOUT: &'static str = concat!("CNI loopback plugin ", env!("CARGO_PKG_VERSION"));

    fn add(&self, req: &AddRequest) -> Result<AddResult> {
        let prev_result = req.prev_result()?.cloned();
        let net = req.netns.net()?;
        let lo = net.link(LO)?;
        if !lo.flags.is_up() {
            let undo = net.clone();
            req.on_failure("set lo down again", move || undo.set_down(lo.index));
            net.set_up(lo.index)?;
        }
        let ips = addresses(&net, &lo)?;
        // In a chain, the result is that of the plugins before.
        Ok(prev_result.unwrap_or_else(|| {
            let mut result = AddResult::default();
            let index =
                result.push_interface(Interface::new(LO).mac("00:00:00:00:00:00").sandbox(&req.netns));
            result.ips = ips.into_iter().map(|ip| ip.interface(index)).collect();
            result
        }))
    }

    fn del(&self, req: &DelRequest) -> Result<()> {
        // No namespace, or the plugin's own, which the skeleton never passes on: there is no lo to set down.
        let Some(netns) = &req.netns else { return Ok(()) };
        let net = netns.net()?;
        Ok(net.set_down(net.link(LO)?.index)?)
    }

    fn check(&self, req: &CheckRequest) -> Result<()> {
        let net = req.netns.net()?;
        let lo = net.link(LO)?;
        if lo.flags.is_up() { Ok(()) } else { Err(Error::new(ErrorCode::INTERNAL, "interface lo is down")) }
    }
}

/// Returns the first address of each family.
///
/// # Errors
/// Code 999 if `lo` has an address that is not a loopback address, as the reference plugin.
fn addresses(net: &Net, lo: &Link) -> Result<Vec<IpConfig>> {
    let addresses = net.addresses(Some(lo.index))?;
    if let Some(foreign) = addresses.iter().find(|address| !address.address.addr().is_loopback()) {
        let msg = format!("interface lo has an address that is not a loopback address: {}", foreign.address);
        return Err(Error::new(ErrorCode::INTERNAL, msg));
    }
    let first =
        |wants_v4: bool| addresses.iter().find(|address| address.address.addr().is_ipv4() == wants_v4);
    Ok([first(true), first(false)]
        .into_iter()
        .flatten()
        .map(|address| IpConfig::new(address.address))
        .collect())
}
