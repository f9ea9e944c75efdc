//! The comparison of an attachment with the result of its ADD.

use cni_skel::net::{Link, Net};
use cni_skel::types::{AddResult, ErrorCode, Interface};
use cni_skel::{CheckRequest, Error, Errors, Result};

use crate::config::Config;
use crate::container::gateway_of;
use crate::vlan::PortVlans;
use crate::{gateway, masquerade, network, spoof};

/// Looks whether everything is as ADD made it. What later plugins of the chain added is in the result too.
pub(crate) fn compare(req: &CheckRequest<Config>, result: &AddResult) -> Result<()> {
    let host = req.net()?;
    let inside = req.netns.net()?;
    let bridge =
        network::find(&host, &req.config)?.ok_or_else(|| missing("bridge", req.config.bridge.as_str()))?;
    let link = inside.find_link(&req.ifname)?;
    let link = link.ok_or_else(|| missing("container interface", req.ifname.as_str()))?;
    let mut errors = Errors::new();
    errors.attempt(check_bridge(req, &bridge, result));
    errors.attempt(check_port(req, &host, &bridge, &link));
    errors.attempt(check_gateway(req, &host, &bridge, result));
    errors.attempt(check_link(req, &link, result));
    errors.attempt(check_addresses(&inside, &link, result));
    errors.attempt(check_routes(&inside, result));
    if req.config.ip_masq {
        errors.attempt(masquerade::check(req, result));
    }
    errors.finish()
}

fn check_bridge(req: &CheckRequest<Config>, bridge: &Link, result: &AddResult) -> Result<()> {
    let told = result
        .interfaces
        .iter()
        .find(|interface| interface.name == bridge.name && interface.sandbox.is_none());
    // Without an address of its own it takes that of another port when ports come and go.
    if req.config.is_gateway() && req.config.vlan == 0 {
        check_mac(bridge, told)?;
    }
    if !bridge.flags.is_up() {
        return Err(different(format!("bridge {} is down", bridge.name)));
    }
    if req.config.promisc_mode && !bridge.flags.is_promisc() {
        return Err(different(format!("bridge {} is not promiscuous", bridge.name)));
    }
    Ok(())
}

/// The host's end is the link that the container's names as its peer.
fn check_port(req: &CheckRequest<Config>, host: &Net, bridge: &Link, link: &Link) -> Result<()> {
    let peer = link.peer.ok_or_else(|| different(format!("container interface {} is no veth", link.name)))?;
    let port = host.link_by_index(peer)?;
    if port.peer != Some(link.index) || port.master != Some(bridge.index) {
        return Err(different(format!(
            "host interface {} is not a port of bridge {}",
            port.name, bridge.name
        )));
    }
    let options = port.port.as_ref();
    let has = |wanted: bool, is: Option<bool>| !wanted || is == Some(true);
    if !has(req.config.hairpin_mode, options.map(|port| port.hairpin)) {
        return Err(different(format!("host interface {} is not in hairpin mode", port.name)));
    }
    if !has(req.config.port_isolation, options.map(|port| port.isolated)) {
        return Err(different(format!("host interface {} is not isolated", port.name)));
    }
    let mut errors = Errors::new();
    if let Some(vlans) = PortVlans::of(&req.config)? {
        errors.attempt(vlans.check(host, &port));
    }
    if let Some(mac) = link.mac.as_ref().filter(|_| req.config.macspoofchk) {
        errors.attempt(spoof::check(req, &port.name, mac));
    }
    errors.finish()
}

/// The interface of the host's that is the gateway of the VLAN, and its way to the bridge.
fn check_gateway(req: &CheckRequest<Config>, host: &Net, bridge: &Link, result: &AddResult) -> Result<()> {
    let Some(name) = gateway::name_of(&req.config)? else { return Ok(()) };
    let told = |interface: &&Interface| interface.name == name.as_str() && interface.sandbox.is_none();
    // ADD makes it for addresses that have a gateway.
    let Some(told) = result.interfaces.iter().find(told) else { return Ok(()) };
    let link =
        gateway::find(host, bridge, &name)?.ok_or_else(|| missing("gateway interface", name.as_str()))?;
    check_mac(&link, Some(told))?;
    if !link.flags.is_up() {
        return Err(different(format!("gateway interface {name} is down")));
    }
    gateway::check_vlans(req, host, &link)
}

fn check_link(req: &CheckRequest<Config>, link: &Link, result: &AddResult) -> Result<()> {
    let sandbox = String::from(&req.netns);
    let told = result.interfaces.iter().find(|interface| {
        interface.name == link.name && interface.sandbox.as_deref() == Some(sandbox.as_str())
    });
    let told = told.ok_or_else(|| {
        Error::invalid_config(format!("prevResult has no interface {} with sandbox {sandbox}", link.name))
    })?;
    check_mac(link, Some(told))?;
    if !link.flags.is_up() && !req.config.disable_container_interface {
        return Err(different(format!("container interface {} is down", link.name)));
    }
    Ok(())
}

fn check_mac(link: &Link, told: Option<&Interface>) -> Result<()> {
    let is = link.mac.as_ref().map(ToString::to_string);
    match told.and_then(|interface| interface.mac.as_deref()) {
        Some(was) if !is.as_deref().is_some_and(|is| is.eq_ignore_ascii_case(was)) => {
            Err(different(format!(
                "interface {} has hardware address {}, not {was}",
                link.name,
                is.as_deref().unwrap_or("none")
            )))
        }
        _ => Ok(()),
    }
}

fn check_addresses(inside: &Net, link: &Link, result: &AddResult) -> Result<()> {
    let present = inside.addresses(Some(link.index))?;
    let is_its = |index: Option<usize>| {
        index.is_none_or(|index| {
            result.interfaces.get(index).is_some_and(|interface| interface.name == link.name)
        })
    };
    let mut errors = Errors::new();
    for ip in result.ips.iter().filter(|ip| is_its(ip.interface)) {
        if !present.iter().any(|address| address.address == ip.address) {
            errors.push(different(format!(
                "address {} is not on container interface {}",
                ip.address, link.name
            )));
        }
    }
    errors.finish()
}

fn check_routes(inside: &Net, result: &AddResult) -> Result<()> {
    let present = inside.routes(None)?;
    let mut errors = Errors::new();
    for route in &result.routes {
        let gateway = route.gw.or_else(|| gateway_of(result, route.dst));
        let found = present.iter().any(|found| {
            found.dst == route.dst.trunc()
                && found.gateway == gateway
                && route.table.is_none_or(|table| found.table == table)
                && route.priority.is_none_or(|priority| found.priority.unwrap_or_default() == priority)
        });
        if !found {
            let via = gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default();
            errors.push(different(format!("route {}{via} is not there", route.dst)));
        }
    }
    errors.finish()
}

fn missing(what: &str, name: &str) -> Error {
    different(format!("{what} {name} is not there"))
}

fn different(msg: String) -> Error {
    Error::new(ErrorCode::INTERNAL, msg)
}
