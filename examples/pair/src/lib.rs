//! A veth pair between host and container: a plugin with a configuration, IPAM and errors of its own.

use cni_skel::net::{Address, Veth};
use cni_skel::types::{AddResult, ErrorCode, Interface};
use cni_skel::{AddRequest, CheckRequest, DelRequest, Error, Plugin, Result};

const NO_ADDRESS: ErrorCode = ErrorCode::plugin(100);
const ADDRESS_MISSING: ErrorCode = ErrorCode::plugin(101);

/// The plugin.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "a unit struct has nothing to add to")]
pub struct Pair;

/// The plugin's keys of the network configuration.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[non_exhaustive]
pub struct Config {
    /// The MTU of both ends in bytes: key `mtu`.
    pub mtu: u32,
}

impl Plugin for Pair {
    type Config = Config;

    fn add(&self, req: &AddRequest<Config>) -> Result<AddResult> {
        let mut result = req.ipam()?.add()?; // IPAM gets a DEL if anything below fails
        if result.ips.is_empty() {
            return Err(Error::new(NO_ADDRESS, "IPAM returned no address"));
        }
        let veth = Veth::new(req.host_ifname("pair")?, &req.ifname).mtu(req.config.mtu).up();
        let pair = req.net()?.add_veth(&veth, &req.netns)?;
        req.on_failure("delete the veth pair", move || pair.delete());

        let inside = req.netns.net()?;
        let link = inside.link(&req.ifname)?.index;
        let interface = result.push_interface(Interface::new(&req.ifname).sandbox(&req.netns));
        let mut batch = inside.batch();
        for ip in &mut result.ips {
            ip.interface = Some(interface);
            batch = batch.add_address(&Address::new(link, ip.address));
        }
        batch.set_up(link).send()?;
        Ok(result)
    }

    fn del(&self, req: &DelRequest<Config>) -> Result<()> {
        let host = req.net()?;
        if let Some(link) = host.find_link(req.host_ifname("pair")?)? {
            host.delete_link_if_exists(link.index)?;
        }
        // The container cannot use the address any more, so IPAM may give it to another one.
        req.ipam_if_any()?.map_or(Ok(()), |ipam| ipam.del())
    }

    fn check(&self, req: &CheckRequest<Config>) -> Result<()> {
        let inside = req.netns.net()?;
        let present = inside.addresses(Some(inside.link(&req.ifname)?.index))?;
        let result = req.prev_result()?;
        let own = result.interfaces.iter().position(|interface| req.ifname == *interface.name);
        for ip in result.ips.iter().filter(|ip| ip.interface == own) {
            if !present.iter().any(|address| address.address == ip.address) {
                let msg = format!("address {} is missing on {}", ip.address, req.ifname);
                return Err(Error::new(ADDRESS_MISSING, msg));
            }
        }
        req.ipam()?.check()
    }
}
