//! The bridge, the gateway addresses and IP forwarding.

use std::net::IpAddr;

use cni_skel::net::{Address, Bridge, Link, LinkIndex, Net, NetError};
use cni_skel::types::{AddResult, ErrorCode, IfName, Route, parse_cidr};
use cni_skel::{AddRequest, Error, Result, Sysctl};
use ipnet::IpNet;

use crate::config::Config;
use crate::container::{gateway_of, own_ips};
use crate::vlan::PortVlans;
use crate::{gateway, ignore_router_advertisements};

/// The bridge of a network.
pub(crate) struct Network {
    pub(crate) bridge: Link,
    host: Net,
}

impl Network {
    /// Finds the bridge or makes it, and sets it up. Returns `None` if another program deletes it at the same time.
    pub(crate) fn ensure(req: &AddRequest<Config>, host: Net) -> Result<Option<Self>> {
        let found = match find(&host, &req.config)? {
            Some(bridge) => Some(bridge),
            None => make(req, &host)?,
        };
        let Some(bridge) = found else { return Ok(None) };
        ignore_router_advertisements(&bridge.name)?;
        match set_flags(&host, &bridge, &req.config) {
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
            Ok(()) => Ok(Some(Self { bridge, host })),
        }
    }

    /// Whether the bridge was deleted.
    pub(crate) fn is_gone(&self) -> bool {
        self.host.link_by_index(self.bridge.index).is_err_and(|error| error.is_not_found())
    }

    /// Adds the gateway addresses to the bridge, if it is a gateway, and turns on IP forwarding. In a VLAN, an interface of
    /// its own gets the addresses, and is returned.
    pub(crate) fn serve_gateways(
        &self,
        req: &AddRequest<Config>,
        result: &AddResult,
        own_port: LinkIndex,
    ) -> Result<Option<Link>> {
        let mut of_vlan = None;
        if !req.config.is_gateway() {
            return Ok(of_vlan);
        }
        for ip in own_ips(result, &req.ifname) {
            let Some(gateway) = ip.gateway else { continue };
            let address = IpNet::new(gateway, ip.address.prefix_len()).map_err(|_| {
                Error::invalid_config(format!("gateway {gateway} does not fit address {}", ip.address))
            })?;
            if of_vlan.is_none() {
                of_vlan = gateway::ensure(req, &self.host, &self.bridge, own_port)?;
            }
            self.ensure_address(req, of_vlan.as_ref().unwrap_or(&self.bridge), address, own_port)?;
            enable_forwarding(gateway)?;
        }
        Ok(of_vlan)
    }

    fn ensure_address(
        &self,
        req: &AddRequest<Config>,
        link: &Link,
        wanted: IpNet,
        own_port: LinkIndex,
    ) -> Result<()> {
        for present in self.host.addresses(Some(link.index))? {
            if present.address == wanted {
                return Ok(());
            }
            let overlaps =
                present.address.contains(&wanted.addr()) || wanted.contains(&present.address.addr());
            // As in the reference plugin: one IPv4 address, and any number of IPv6 addresses in different subnets.
            let conflicts = match (present.address, wanted) {
                (IpNet::V4(_), IpNet::V4(_)) => true,
                (IpNet::V6(_), IpNet::V6(_)) => overlaps,
                _ => false,
            };
            if !conflicts {
                continue;
            }
            if !req.config.force_address {
                let msg = format!("\"{}\" already has an IP address different from {wanted}", link.name);
                return Err(Error::invalid_config(msg).with_details(format!("it has {}", present.address)));
            }
            self.host.delete_address(&present)?;
            let host = self.host.clone();
            req.on_failure(format!("restore {}", present.address), move || {
                host.add_address_if_absent(&present).map(drop)
            });
        }
        // No other host of this network can have the gateway's address.
        let address = Address::new(link.index, wanted).no_dad();
        if !self.host.add_address_if_absent(&address)? {
            // Another ADD added it in the meantime.
            return Ok(());
        }
        let (host, bridge, vlan) = (self.host.clone(), self.bridge.index, self.vlan_of(link, &req.config));
        let own = [Some(own_port), link.peer].into_iter().flatten().collect::<Vec<_>>();
        req.on_failure(format!("remove {wanted} from {}", link.name), move || -> Result<()> {
            let is_used = match vlan {
                None => has_other_ports(&host, bridge, Some(own_port))?,
                Some(vlan) => gateway::is_used(&host, bridge, vlan, &own)?,
            };
            if is_used {
                return Ok(());
            }
            ok_if(host.delete_address(&address), NetError::is_not_found)
        });
        // Until it is set, the hardware address of a bridge changes with its ports. Containers cache the gateway's.
        if link.index == bridge
            && let Some(mac) = self.host.link_by_index(bridge)?.mac
        {
            self.host.set_mac(bridge, &mac)?;
        }
        Ok(())
    }

    /// Returns the VLAN of a gateway interface, and `None` for the bridge.
    fn vlan_of(&self, link: &Link, config: &Config) -> Option<u16> {
        u16::try_from(config.vlan).ok().filter(|_| link.index != self.bridge.index)
    }
}

/// Finds the bridge.
///
/// # Errors
/// Code 7 if another kind of link has the name, or if VLANs are configured and VLAN filtering is off.
pub(crate) fn find(host: &Net, config: &Config) -> Result<Option<Link>> {
    let link = host.find_link(&config.bridge)?;
    if let Some(link) = link.as_ref().filter(|link| link.kind.as_deref() != Some("bridge")) {
        let error =
            Error::invalid_config(format!("bridge: {} already exists but is not a bridge", link.name));
        return Err(match &link.kind {
            Some(kind) => error.with_details(format!("its kind is {kind}")),
            None => error,
        });
    }
    let options = link.as_ref().map(|link| link.bridge.unwrap_or_default());
    // It is not turned on here, because other ports can depend on it.
    if options.is_some_and(|options| options.vlan_filtering != Some(true)) && PortVlans::of(config)?.is_some()
    {
        return Err(Error::invalid_config(format!(
            "bridge: {} exists with VLAN filtering off, so vlan and vlanTrunk cannot isolate ports",
            config.bridge
        ))
        .with_details(format!("run \"ip link set {} type bridge vlan_filtering 1\"", config.bridge)));
    }
    Ok(link)
}

fn set_flags(host: &Net, bridge: &Link, config: &Config) -> Result<(), NetError> {
    if config.promisc_mode && !bridge.flags.is_promisc() {
        host.set_promisc(bridge.index, true)?;
    }
    if bridge.flags.is_up() { Ok(()) } else { host.set_up(bridge.index) }
}

/// Makes the bridge. If this ADD fails, the bridge is deleted again, unless other containers are connected to it by then.
fn make(req: &AddRequest<Config>, host: &Net) -> Result<Option<Link>> {
    let mut bridge = Bridge::new(&req.config.bridge);
    bridge.mtu = req.config.mtu();
    bridge.vlan_filtering = PortVlans::of(&req.config)?.is_some();
    let bridge = match host.add_bridge(&bridge) {
        // Another ADD made it in the meantime.
        Err(error) if error.is_exists() => return find(host, &req.config),
        made => made?,
    };
    let (host, index) = (host.clone(), bridge.index);
    req.on_failure("delete the bridge", move || -> Result<()> {
        if has_other_ports(&host, index, None)? {
            return Ok(());
        }
        Ok(host.delete_link_if_exists(index)?)
    });
    Ok(Some(bridge))
}

fn has_other_ports(host: &Net, bridge: LinkIndex, own_port: Option<LinkIndex>) -> Result<bool> {
    Ok(host.links()?.iter().any(|link| link.master == Some(bridge) && Some(link.index) != own_port))
}

/// Turns on IP forwarding for the gateway's family. It stays on after a failed ADD, because others can depend on it by then.
fn enable_forwarding(gateway: IpAddr) -> Result<()> {
    let forwarding = match gateway {
        IpAddr::V4(_) => Sysctl::at(&["ipv4", "ip_forward"])?,
        IpAddr::V6(_) => Sysctl::ipv6("all", "forwarding")?,
    };
    if forwarding.read()?.as_deref() != Some("1") {
        forwarding.write("1")?;
    }
    Ok(())
}

/// Returns the first address of a subnet, which is the gateway unless IPAM names one.
pub(crate) fn first_address(address: IpNet) -> Result<IpAddr> {
    let next = match address.network() {
        IpAddr::V4(network) => u32::from(network).checked_add(1).map(|next| IpAddr::V4(next.into())),
        IpAddr::V6(network) => u128::from(network).checked_add(1).map(|next| IpAddr::V6(next.into())),
    };
    next.ok_or_else(|| Error::invalid_config(format!("subnet {address} has no room for a gateway address")))
}

/// Adds a default route for each family with a gateway and without a default route.
pub(crate) fn add_default_routes(result: &mut AddResult, ifname: &IfName) -> Result<()> {
    for dst in ["0.0.0.0/0", "::/0"] {
        let dst = parse_cidr(dst).map_err(|cause| Error::new(ErrorCode::INTERNAL, cause.to_string()))?;
        let gateway = gateway_of(result, ifname, dst);
        let has_one = result.routes.iter().any(|route| route.dst == dst && route.gw.is_some());
        if let Some(gateway) = gateway.filter(|_| !has_one) {
            result.routes.push(Route::new(dst).gw(gateway));
        }
    }
    Ok(())
}

/// Ignores an error that says that the change was already made.
fn ok_if(outcome: Result<(), NetError>, is_fine: impl Fn(&NetError) -> bool) -> Result<()> {
    match outcome {
        Err(error) if !is_fine(&error) => Err(error.into()),
        _ => Ok(()),
    }
}
