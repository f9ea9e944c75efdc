//! Packets from 127.0.0.1 to a container: the kernel routes them only where it is told to.

use cni_skel::net::Net;
use cni_skel::{Result, Sysctl};

use crate::config::Settings;
use crate::ports::Ports;

/// Lets the link that leads to a container route the loopback addresses, where a port can be reached by one of them.
///
/// Like forwarding this belongs to the network, and stays: other containers on the same bridge need it too.
pub(crate) fn enable(host: &Net, settings: &Settings, all: &[Ports]) -> Result<()> {
    let reached = |ports: &&Ports| {
        ports.is_ipv4() && ports.mappings.iter().any(|m| m.host_ip.is_none_or(|ip| ip.is_loopback()))
    };
    let Some(ports) = all.iter().find(reached).filter(|_| settings.snat) else { return Ok(()) };
    // Where no route leads to the container there is nothing to let through.
    let Some(link) = host.route_link(ports.address())? else { return Ok(()) };
    let name = host.link_by_index(link)?.name;
    let sysctl = Sysctl::ipv4(&name, "route_localnet")?;
    if sysctl.read()?.is_some_and(|value| value != "1") {
        sysctl.write("1")?;
    }
    Ok(())
}
