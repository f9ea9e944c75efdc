//! The gateway of a VLAN: an interface of the host's that is connected to a port of the bridge.
//!
//! It is a veth pair, as the reference plugin makes it, so that either one finds the other's: `<bridge>.<vlan>` has the
//! address, and the other end is a port in the VLAN. It belongs to the network and stays when the last container goes.

use cni_skel::net::{BridgeVlan, Link, LinkIndex, Net, NetError, Veth};
use cni_skel::types::{ErrorCode, IfName};
use cni_skel::{AddRequest, CheckRequest, Error, Netns, Result};

use crate::config::Config;
use crate::ignore_router_advertisements;
use crate::names;
use crate::vlan::PortVlans;

/// A VLAN that has its gateway on the host.
struct Gateway {
    vlan: u16,
    name: IfName,
}

/// What the gateway's interface is called, if it is not the bridge itself.
///
/// # Errors
/// Code 7 when no interface can have that name.
pub(crate) fn name_of(config: &Config) -> Result<Option<IfName>> {
    Ok(Gateway::of(config)?.map(|gateway| gateway.name))
}

impl Gateway {
    fn of(config: &Config) -> Result<Option<Self>> {
        let Some(vlan) = u16::try_from(config.vlan).ok().filter(|vlan| *vlan != 0 && config.is_gateway())
        else {
            return Ok(None);
        };
        let name = format!("{}.{vlan}", config.bridge);
        let name = IfName::try_from(name.as_str()).map_err(|_| {
            Error::invalid_config(format!(
                "vlan: no gateway's interface can have the name {name}, it is too long"
            ))
        })?;
        Ok(Some(Self { vlan, name }))
    }
}

/// Finds the gateway of the VLAN, or makes it, and sees to it that it is up and in the VLAN. `None` if the bridge itself is
/// the gateway.
pub(crate) fn ensure(
    req: &AddRequest<Config>,
    host: &Net,
    bridge: &Link,
    own_port: LinkIndex,
) -> Result<Option<Link>> {
    let Some(gateway) = Gateway::of(&req.config)? else { return Ok(None) };
    let link = match find(host, bridge, &gateway.name)? {
        Some(link) => link,
        None => make(req, host, bridge, &gateway, own_port)?,
    };
    ignore_router_advertisements(&link.name)?;
    let mut batch = host.batch();
    // A port that was made by somebody who was killed may be in no VLAN yet.
    if let Some(port) = link.peer {
        batch = PortVlans::of_gateway(gateway.vlan, &req.config).apply(batch, bridge, port).set_up(port);
    }
    batch.set_up(link.index).send()?;
    Ok(Some(link))
}

/// Finds the interface of that name on the bridge.
///
/// # Errors
/// Code 7 when it is somewhere else.
pub(crate) fn find(host: &Net, bridge: &Link, name: &IfName) -> Result<Option<Link>> {
    let Some(link) = host.find_link(name)? else { return Ok(None) };
    let is_on_bridge = match (link.kind.as_deref(), link.peer.or(link.parent)) {
        (Some("veth"), Some(port)) if link.link_netns_id.is_none() => {
            host.link_by_index(port)?.master == Some(bridge.index)
        }
        // What an administrator made.
        (Some("vlan"), Some(below)) => below == bridge.index,
        _ => false,
    };
    if !is_on_bridge {
        let msg = format!("vlan: interface {name} already exists but is not on bridge {}", bridge.name);
        return Err(Error::invalid_config(msg));
    }
    Ok(Some(link))
}

/// Looks whether the gateway's port is in the VLAN.
pub(crate) fn check_vlans(req: &CheckRequest<Config>, host: &Net, link: &Link) -> Result<()> {
    match (Gateway::of(&req.config)?, link.peer) {
        (Some(gateway), Some(port)) => {
            PortVlans::of_gateway(gateway.vlan, &req.config).check(host, &host.link_by_index(port)?)
        }
        _ => Ok(()),
    }
}

fn make(
    req: &AddRequest<Config>,
    host: &Net,
    bridge: &Link,
    gateway: &Gateway,
    own_port: LinkIndex,
) -> Result<Link> {
    let name = gateway.name.as_str();
    let veth = Veth::new(names::port_of_gateway(name), name).master(bridge.index).mtu(bridge.mtu);
    let pair = match host.add_veth(&veth, &Netns::own()?) {
        Ok(pair) => pair,
        // Another ADD was quicker.
        Err(error) if error.is_exists() => {
            let found = find(host, bridge, &gateway.name)?;
            return found.ok_or_else(|| {
                Error::new(ErrorCode::TRY_AGAIN_LATER, format!("interface {name} comes and goes"))
            });
        }
        Err(error) => return Err(error.into()),
    };
    let (others, bridge, vlan, port) = (host.clone(), bridge.index, gateway.vlan, pair.host.clone());
    req.on_failure(format!("delete {name}"), move || {
        let is_used = is_used(&others, bridge, vlan, &[own_port, pair.host.index])?;
        if is_used { Ok(()) } else { pair.delete() }
    });
    ignore_router_advertisements(&port.name)?;
    Ok(host.link(name)?)
}

/// Whether other ports of the bridge are in a VLAN.
pub(crate) fn is_used(
    host: &Net,
    bridge: LinkIndex,
    vlan: u16,
    except: &[LinkIndex],
) -> Result<bool, NetError> {
    let vlans = host.bridge_vlans()?;
    let is_in = |link: &Link| {
        let of_port = vlans.get(&link.index).map_or(&[][..], Vec::as_slice);
        of_port.iter().any(|range: &BridgeVlan| (range.first..=range.last).contains(&vlan))
    };
    let links = host.links()?;
    let mut ports = links.iter().filter(|link| link.master == Some(bridge) && !except.contains(&link.index));
    Ok(ports.any(is_in))
}
