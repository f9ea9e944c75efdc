//! The gateway interface of a VLAN.
//!
//! It is a veth pair, as the reference plugin makes it, so that each plugin finds the other's. `<bridge>.<vlan>` has the
//! gateway address, and its peer is a port of the bridge, in the VLAN. It belongs to the network and stays when the last
//! container is gone.

use cni_skel::net::{BridgeVlan, Link, LinkIndex, Net, NetError, Veth};
use cni_skel::types::{ErrorCode, IfName};
use cni_skel::{AddRequest, CheckRequest, Error, Netns, Result};

use crate::config::Config;
use crate::ignore_router_advertisements;
use crate::names;
use crate::vlan::PortVlans;

/// The gateway interface that the configuration asks for.
struct Gateway {
    vlan: u16,
    name: IfName,
}

/// Returns the name of the gateway interface. `None` if the bridge itself is the gateway, or there is none.
///
/// # Errors
/// Code 7 if the name is too long for an interface.
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
            Error::invalid_config(format!("vlan: the name {name} of the gateway interface is too long"))
        })?;
        Ok(Some(Self { vlan, name }))
    }
}

/// Finds the gateway interface or makes it, sets it up and adds its port to the VLAN. Returns `None` if the bridge itself is
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
    // An ADD that was killed can have left a port without a VLAN.
    if let Some(port) = link.peer {
        batch = PortVlans::of_gateway(gateway.vlan, &req.config).apply(batch, bridge, port).set_up(port);
    }
    batch.set_up(link.index).send()?;
    Ok(Some(link))
}

/// Finds the gateway interface by its name.
///
/// # Errors
/// Code 7 if an interface has the name and is not connected to the bridge.
pub(crate) fn find(host: &Net, bridge: &Link, name: &IfName) -> Result<Option<Link>> {
    let Some(link) = host.find_link(name)? else { return Ok(None) };
    let is_on_bridge = match (link.kind.as_deref(), link.peer.or(link.parent)) {
        (Some("veth"), Some(port)) if link.link_netns_id.is_none() => {
            host.link_by_index(port)?.master == Some(bridge.index)
        }
        // Made by an administrator, on top of the bridge.
        (Some("vlan"), Some(below)) => below == bridge.index,
        _ => false,
    };
    if !is_on_bridge {
        let msg = format!("vlan: interface {name} already exists but is not on bridge {}", bridge.name);
        return Err(Error::invalid_config(msg));
    }
    Ok(Some(link))
}

/// Checks that the port of the gateway interface is in the VLAN.
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
        // Another ADD made it in the meantime.
        Err(error) if error.is_exists() => {
            let found = find(host, bridge, &gateway.name)?;
            return found.ok_or_else(|| {
                Error::new(
                    ErrorCode::TRY_AGAIN_LATER,
                    format!("interface {name} was deleted during this ADD, try again"),
                )
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

/// Whether a port of the bridge, other than `except`, is in a VLAN.
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
