//! CHECK: the comparison of an attachment with the result of its ADD.

use cni_skel::net::{Link, Net};
use cni_skel::types::{AddResult, ErrorCode, Interface};
use cni_skel::{CheckRequest, Error, Errors, Result};

use crate::config::Config;
use crate::container::{gateway_of, own_ips};
use crate::vlan::PortVlans;
use crate::{gateway, masquerade, network, spoof};

/// Compares everything that ADD made with the result, which contains the additions of later plugins of the chain too.
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
    errors.attempt(check_addresses(req, &inside, &link, result));
    errors.attempt(check_routes(req, &inside, result));
    if req.config.ip_masq {
        errors.attempt(masquerade::check(req, result));
    }
    errors.finish()
}

fn check_bridge(req: &CheckRequest<Config>, bridge: &Link, result: &AddResult) -> Result<()> {
    let described = result
        .interfaces
        .iter()
        .find(|interface| interface.name == bridge.name && interface.sandbox.is_none());
    // A bridge that is not a gateway changes its hardware address with its ports.
    if req.config.is_gateway() && req.config.vlan == 0 {
        check_mac(bridge, described)?;
    }
    if !bridge.flags.is_up() {
        return Err(different(format!("bridge {} is down", bridge.name)));
    }
    if req.config.promisc_mode && !bridge.flags.is_promisc() {
        return Err(different(format!("bridge {} is not in promiscuous mode", bridge.name)));
    }
    Ok(())
}

/// Checks the host's end, which is the peer of the container's interface.
fn check_port(req: &CheckRequest<Config>, host: &Net, bridge: &Link, link: &Link) -> Result<()> {
    let peer =
        link.peer.ok_or_else(|| different(format!("container interface {} is not a veth", link.name)))?;
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

/// Checks the gateway interface of the VLAN, and its port of the bridge.
fn check_gateway(req: &CheckRequest<Config>, host: &Net, bridge: &Link, result: &AddResult) -> Result<()> {
    let Some(name) = gateway::name_of(&req.config)? else { return Ok(()) };
    let is_gateway = |interface: &&Interface| interface.name == name.as_str() && interface.sandbox.is_none();
    // Without gateways, ADD does not make it.
    let Some(described) = result.interfaces.iter().find(is_gateway) else { return Ok(()) };
    let link =
        gateway::find(host, bridge, &name)?.ok_or_else(|| missing("gateway interface", name.as_str()))?;
    check_mac(&link, Some(described))?;
    if !link.flags.is_up() {
        return Err(different(format!("gateway interface {name} is down")));
    }
    gateway::check_vlans(req, host, &link)
}

fn check_link(req: &CheckRequest<Config>, link: &Link, result: &AddResult) -> Result<()> {
    let sandbox = String::from(&req.netns);
    let described = result.interfaces.iter().find(|interface| {
        interface.name == link.name && interface.sandbox.as_deref() == Some(sandbox.as_str())
    });
    let described = described.ok_or_else(|| {
        Error::invalid_config(format!("prevResult has no interface {} with sandbox {sandbox}", link.name))
    })?;
    check_mac(link, Some(described))?;
    if !link.flags.is_up() && !req.config.disable_container_interface {
        return Err(different(format!("container interface {} is down", link.name)));
    }
    Ok(())
}

fn check_mac(link: &Link, described: Option<&Interface>) -> Result<()> {
    let is = link.mac.as_ref().map(ToString::to_string);
    match described.and_then(|interface| interface.mac.as_deref()) {
        Some(expected) if !is.as_deref().is_some_and(|is| is.eq_ignore_ascii_case(expected)) => {
            Err(different(format!(
                "interface {} has hardware address {}, not {expected}",
                link.name,
                is.as_deref().unwrap_or("none")
            )))
        }
        _ => Ok(()),
    }
}

fn check_addresses(req: &CheckRequest<Config>, inside: &Net, link: &Link, result: &AddResult) -> Result<()> {
    let present = inside.addresses(Some(link.index))?;
    let mut errors = Errors::new();
    for ip in own_ips(result, &req.ifname) {
        if !present.iter().any(|address| address.address == ip.address) {
            errors.push(different(format!(
                "address {} is missing on container interface {}",
                ip.address, link.name
            )));
        }
    }
    errors.finish()
}

fn check_routes(req: &CheckRequest<Config>, inside: &Net, result: &AddResult) -> Result<()> {
    let present = inside.routes(None)?;
    let mut errors = Errors::new();
    for route in &result.routes {
        let gateway = route.gw.or_else(|| gateway_of(result, &req.ifname, route.dst));
        let found = present.iter().any(|found| {
            found.dst == route.dst.trunc()
                && found.gateway == gateway
                && route.table.is_none_or(|table| found.table == table)
                && route.priority.is_none_or(|priority| found.priority.unwrap_or_default() == priority)
        });
        if !found {
            let via = gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default();
            errors.push(different(format!("route {}{via} is missing", route.dst)));
        }
    }
    errors.finish()
}

fn missing(what: &str, name: &str) -> Error {
    different(format!("{what} {name} is missing"))
}

fn different(msg: String) -> Error {
    Error::new(ErrorCode::INTERNAL, msg)
}
