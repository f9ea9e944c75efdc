//! Routing of packets from 127.0.0.1 to a container, which the kernel refuses by default.

use cni_skel::net::Net;
use cni_skel::{Result, Sysctl};

use crate::config::Settings;
use crate::ports::Ports;

/// Sets `route_localnet` on the host's link to the container, if a port is mapped for a loopback address.
///
/// DEL does not reset it, because other containers on the same bridge may need it.
pub(crate) fn enable(host: &Net, settings: &Settings, all: &[Ports]) -> Result<()> {
    let reached = |ports: &&Ports| {
        ports.is_ipv4() && ports.mappings.iter().any(|m| m.host_ip.is_none_or(|ip| ip.is_loopback()))
    };
    let Some(ports) = all.iter().find(reached).filter(|_| settings.snat) else { return Ok(()) };
    // Without a route to the container there is no link to set it on.
    let Some(link) = host.route_link(ports.address())? else { return Ok(()) };
    let name = host.link_by_index(link)?.name;
    let sysctl = Sysctl::ipv4(&name, "route_localnet")?;
    if sysctl.read()?.is_some_and(|value| value != "1") {
        sysctl.write("1")?;
    }
    Ok(())
}
