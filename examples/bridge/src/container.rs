//! The container's interface: its addresses and routes.

use std::net::IpAddr;
use std::time::Duration;

use cni_skel::net::{Address, Link, Net, Route};
use cni_skel::types::{AddResult, ErrorCode, IfName, IpConfig};
use cni_skel::{AddRequest, Error, Result, Sysctl};
use ipnet::IpNet;

use crate::config::Config;

/// The index of the container's interface in the result, after the bridge and the host's end.
pub(crate) const INDEX: usize = 2;

/// How long ADD waits for duplicate address detection. It takes two seconds at most on an idle machine.
const DAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The container's interface, while it is still down.
pub(crate) struct Inside {
    net: Net,
    pub(crate) link: Link,
}

impl Inside {
    /// Finds the interface.
    pub(crate) fn find(req: &AddRequest<Config>, net: Net) -> Result<Self> {
        let link = net.link(&req.ifname)?;
        Ok(Self { net, link })
    }

    /// Writes the sysctls that an interface with addresses needs before it is up. Without IPAM, the one who adds the addresses
    /// chooses them.
    pub(crate) fn write_sysctls(&self, req: &AddRequest<Config>) -> Result<()> {
        req.netns.run(|| write_sysctls(req.ifname.as_str(), req.config.enabledad))?
    }

    /// Adds the addresses, sets the interface up and adds the routes.
    pub(crate) fn configure(&self, req: &AddRequest<Config>, result: &AddResult) -> Result<()> {
        if req.config.disable_container_interface {
            return Ok(());
        }
        let has_ipv6 = own_ips(result, &req.ifname).any(|ip| ip.address.addr().is_ipv6());
        if has_ipv6 {
            req.netns.run(|| write_sysctls_of_ipv6(req.ifname.as_str()))??;
        }
        let mut batch = self.net.batch();
        for ip in own_ips(result, &req.ifname) {
            let address = Address::new(self.link.index, ip.address);
            // IPAM assigns an address once, so detection is off unless it is configured.
            batch = batch.add_address(&if req.config.enabledad { address } else { address.no_dad() });
        }
        batch = batch.set_up(self.link.index);
        for route in &result.routes {
            let default = || gateway_of(result, &req.ifname, route.dst);
            let mut wanted = Route::try_from(route)?.link(self.link.index);
            wanted.gateway = wanted.gateway.or_else(default);
            batch = batch.add_route(&wanted);
        }
        batch.send()?;
        if req.config.enabledad && has_ipv6 {
            return self.detect_duplicates();
        }
        Ok(())
    }

    /// Waits until duplicate address detection has finished. An address cannot be used before.
    fn detect_duplicates(&self) -> Result<()> {
        let has_finished = |addresses: &[Address]| {
            addresses.iter().all(|address| !address.flags.is_tentative() || address.flags.is_dad_failed())
        };
        let addresses = self.net.wait_for_addresses(self.link.index, DAD_TIMEOUT, has_finished)?;
        match addresses.iter().find(|address| address.flags.is_dad_failed()) {
            Some(duplicate) => {
                let msg = format!(
                    "duplicate address detection found address {} on another host",
                    duplicate.address
                );
                Err(Error::new(ErrorCode::INTERNAL, msg))
            }
            None => Ok(()),
        }
    }
}

/// Returns the addresses that a result gives to the container's interface, and those that it gives to no known interface.
pub(crate) fn own_ips<'a>(result: &'a AddResult, ifname: &'a IfName) -> impl Iterator<Item = &'a IpConfig> {
    result.ips.iter().filter(move |ip| {
        let interface = ip.interface.and_then(|index| result.interfaces.get(index));
        interface.is_none_or(|interface| *ifname == *interface.name)
    })
}

/// Returns the gateway for a route that names none: the first of the container's interface in the family of `dst`.
pub(crate) fn gateway_of(result: &AddResult, ifname: &IfName, dst: IpNet) -> Option<IpAddr> {
    let mut gateways = own_ips(result, ifname).filter_map(|ip| ip.gateway);
    gateways.find(|gateway| gateway.is_ipv4() == dst.addr().is_ipv4())
}

/// Writes the sysctls that must be set before the interface is up. One that this kernel does not have is skipped.
fn write_sysctls(ifname: &str, detects_duplicates: bool) -> Result<()> {
    // Announces the address when the interface comes up. A neighbour can have the previous owner in its cache.
    Sysctl::ipv4(ifname, "arp_notify")?.write("1")?;
    if detects_duplicates {
        // In hairpin mode the container receives its own probe. Enhanced detection recognises it.
        Sysctl::ipv6(ifname, "enhanced_dad")?.write("1")?;
        Sysctl::ipv6(ifname, "accept_dad")?.write("1")?;
    } else {
        // The same holds for the link-local address.
        Sysctl::ipv6(ifname, "accept_dad")?.write("0")?;
    }
    Ok(())
}

/// Writes the sysctls that an interface needs before it gets an IPv6 address.
fn write_sysctls_of_ipv6(ifname: &str) -> Result<()> {
    for name in ["lo", ifname] {
        let disable = Sysctl::ipv6(name, "disable_ipv6")?;
        if disable.read()?.is_some_and(|value| value != "0") {
            disable.write("0")?;
        }
    }
    Sysctl::ipv6(ifname, "keep_addr_on_down")?.write("1")?;
    Ok(())
}
