//! The container's end: its addresses and routes.

use std::net::IpAddr;
use std::time::Duration;

use cni_skel::net::{Address, Link, Net, Route};
use cni_skel::types::{AddResult, ErrorCode};
use cni_skel::{AddRequest, Error, Result, Sysctl};

use crate::config::Config;
use crate::network::is_same_family;

/// Where the container's interface stands in the result: behind the bridge and the host's end.
pub(crate) const INDEX: usize = 2;

/// How long the kernel may look for duplicates of addresses. It takes two seconds at most, and the machine may be busy.
const DAD_DEADLINE: Duration = Duration::from_secs(10);

/// The container's interface, which is not up yet.
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

    /// Sets what must be set before an interface that will have addresses is up. Without IPAM they are somebody else's
    /// business, and so is how they are announced and looked for.
    pub(crate) fn expect_addresses(&self, req: &AddRequest<Config>) -> Result<()> {
        req.netns.run(|| write_sysctls(req.ifname.as_str(), req.config.enabledad))?
    }

    /// Gives the interface its addresses, sets it up and adds the routes.
    pub(crate) fn configure(&self, req: &AddRequest<Config>, result: &AddResult) -> Result<()> {
        if req.config.disable_container_interface {
            return Ok(());
        }
        let has_ipv6 = result.ips.iter().any(|ip| ip.address.addr().is_ipv6());
        if has_ipv6 {
            req.netns.run(|| write_sysctls_of_ipv6(req.ifname.as_str()))??;
        }
        let mut batch = self.net.batch();
        for ip in &result.ips {
            let address = Address::new(self.link.index, ip.address);
            // IPAM has seen to it that nobody else has the address, so there is nothing to detect unless it is asked for.
            batch = batch.add_address(&if req.config.enabledad { address } else { address.no_dad() });
        }
        batch = batch.set_up(self.link.index);
        for route in &result.routes {
            let default = || gateway_of(result, route.dst);
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

    /// Waits until the kernel knows whether somebody else has an IPv6 address. Until then it cannot be used.
    fn detect_duplicates(&self) -> Result<()> {
        let is_known = |addresses: &[Address]| {
            addresses.iter().all(|address| !address.flags.is_tentative() || address.flags.is_dad_failed())
        };
        let addresses = self.net.wait_for_addresses(self.link.index, DAD_DEADLINE, is_known)?;
        match addresses.iter().find(|address| address.flags.is_dad_failed()) {
            Some(duplicate) => {
                let msg = format!("address {} is somebody else's already", duplicate.address);
                Err(Error::new(ErrorCode::INTERNAL, msg))
            }
            None => Ok(()),
        }
    }
}

/// The gateway that routes of a family take unless they name one.
pub(crate) fn gateway_of(result: &AddResult, dst: ipnet::IpNet) -> Option<IpAddr> {
    result.ips.iter().filter_map(|ip| ip.gateway).find(|gateway| is_same_family(*gateway, dst))
}

/// What must be set before the interface is up. Settings that this kernel does not have are not missed.
fn write_sysctls(ifname: &str, detects_duplicates: bool) -> Result<()> {
    // Announces the address when the interface comes up: a neighbour may remember another container that had it.
    Sysctl::ipv4(ifname, "arp_notify")?.write("1")?;
    if detects_duplicates {
        // A port in hairpin mode brings one's own question back, which is not to be taken for another's.
        Sysctl::ipv6(ifname, "enhanced_dad")?.write("1")?;
        Sysctl::ipv6(ifname, "accept_dad")?.write("1")?;
    } else {
        // Nor is there a duplicate of the link-local address to look for.
        Sysctl::ipv6(ifname, "accept_dad")?.write("0")?;
    }
    Ok(())
}

/// What an interface needs before it can have an IPv6 address.
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
