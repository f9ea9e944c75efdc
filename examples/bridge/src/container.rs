//! The container's end: its addresses and routes.

use std::net::IpAddr;

use cni_skel::net::{Address, Link, Net, Route};
use cni_skel::types::AddResult;
use cni_skel::{AddRequest, Result, Sysctl};

use crate::config::Config;
use crate::network::is_same_family;

/// Where the container's interface stands in the result: behind the bridge and the host's end.
pub(crate) const INDEX: usize = 2;

/// Gives the interface its addresses, sets it up and adds the routes; gives back the interface.
pub(crate) fn configure(req: &AddRequest<Config>, result: &AddResult) -> Result<Link> {
    let ifname = req.ifname.as_str();
    let has_ipv6 = result.ips.iter().any(|ip| ip.address.addr().is_ipv6());
    // One visit for both: sysctls belong to the namespace of the thread that writes them.
    let net = req.netns.run(|| {
        prepare(ifname, has_ipv6)?;
        Ok::<_, cni_skel::Error>(Net::open()?)
    })??;
    let link = net.link(ifname)?;
    if req.config.disable_container_interface {
        return Ok(link);
    }
    let mut batch = net.batch();
    for ip in &result.ips {
        // IPAM has seen to it that nobody else has the address, so there is nothing to detect.
        batch = batch.add_address(&Address::new(link.index, ip.address).no_dad());
    }
    batch = batch.set_up(link.index);
    for route in &result.routes {
        let default = || gateway_of(result, route.dst);
        let mut wanted = Route::from(route).link(link.index);
        wanted.gateway = wanted.gateway.or_else(default);
        batch = batch.add_route(&wanted);
    }
    batch.send()?;
    Ok(link)
}

/// The gateway that routes of a family take unless they name one.
pub(crate) fn gateway_of(result: &AddResult, dst: ipnet::IpNet) -> Option<IpAddr> {
    result.ips.iter().filter_map(|ip| ip.gateway).find(|gateway| is_same_family(*gateway, dst))
}

/// What must be set before the interface is up. Settings that this kernel does not have are not missed.
fn prepare(ifname: &str, has_ipv6: bool) -> Result<()> {
    // Announces the address when the interface comes up: a neighbour may remember another container that had it.
    Sysctl::ipv4(ifname, "arp_notify")?.write("1")?;
    // Nor is there a duplicate of the link-local address to look for.
    Sysctl::ipv6(ifname, "accept_dad")?.write("0")?;
    if !has_ipv6 {
        return Ok(());
    }
    for name in ["lo", ifname] {
        let disable = Sysctl::ipv6(name, "disable_ipv6")?;
        if disable.read()?.is_some_and(|value| value != "0") {
            disable.write("0")?;
        }
    }
    Sysctl::ipv6(ifname, "keep_addr_on_down")?.write("1")?;
    Ok(())
}
