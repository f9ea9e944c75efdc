//! The bridge, and what else of a network is on the host: the gateways' addresses and IP forwarding.

use std::net::IpAddr;

use cni_skel::net::{Address, Bridge, Link, LinkIndex, Net};
use cni_skel::types::{AddResult, ErrorCode, Route, parse_cidr};
use cni_skel::{AddRequest, Error, Result, Sysctl};
use ipnet::IpNet;

use crate::config::Config;
use crate::vlan::PortVlans;
use crate::{gateway, ignore_router_advertisements};

/// The bridge of a network.
pub(crate) struct Network {
    pub(crate) bridge: Link,
    host: Net,
}

impl Network {
    /// Finds the bridge, or makes it, and sees to it that it is up.
    pub(crate) fn ensure(req: &AddRequest<Config>, host: Net) -> Result<Self> {
        let config = &req.config;
        let bridge = match find(&host, config)? {
            Some(bridge) => bridge,
            None => make(req, &host)?,
        };
        if config.promisc_mode && !bridge.flags.is_promisc() {
            host.set_promisc(bridge.index, true)?;
        }
        ignore_router_advertisements(&bridge.name)?;
        if !bridge.flags.is_up() {
            host.set_up(bridge.index)?;
        }
        Ok(Self { bridge, host })
    }

    /// Gives the bridge the gateways' addresses, where it is to have them, and lets the host forward. In a VLAN it is not
    /// the bridge that has them but an interface of its own, which comes back.
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
        for ip in &result.ips {
            let Some(gateway) = ip.gateway else { continue };
            let address = IpNet::new(gateway, ip.address.prefix_len()).map_err(|_| {
                Error::invalid_config(format!("gateway {gateway} is no gateway of {}", ip.address))
            })?;
            if of_vlan.is_none() {
                of_vlan = gateway::ensure(req, &self.host, &self.bridge, own_port)?;
            }
            self.ensure_address(req, of_vlan.as_ref().unwrap_or(&self.bridge), address, own_port)?;
            forward(gateway)?;
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
            // Several IPv6 addresses can stand side by side, IPv4 ones only one of a network.
            let is_in_the_way = match (present.address, wanted) {
                (IpNet::V4(_), IpNet::V4(_)) => true,
                (IpNet::V6(_), IpNet::V6(_)) => overlaps,
                _ => false,
            };
            if !is_in_the_way {
                continue;
            }
            if !req.config.force_address {
                let msg = format!("\"{}\" already has an IP address different from {wanted}", link.name);
                return Err(Error::invalid_config(msg).with_details(format!("it has {}", present.address)));
            }
            self.host.delete_address(&present)?;
            let host = self.host.clone();
            req.on_failure(format!("give back {}", present.address), move || {
                host.add_address_if_absent(&present).map(drop)
            });
        }
        // The bridge's own address cannot be a duplicate of anybody's that its network would know.
        let address = Address::new(link.index, wanted).no_dad();
        if !self.host.add_address_if_absent(&address)? {
            // Another ADD was quicker.
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
            match host.delete_address(&address) {
                Err(error) if !error.is_not_found() => Err(error.into()),
                _ => Ok(()),
            }
        });
        // Containers remember the gateway's hardware address, and a bridge's own is the lowest of its ports' until it is
        // set.
        if link.index == bridge
            && let Some(mac) = self.host.link_by_index(bridge)?.mac
        {
            self.host.set_mac(bridge, &mac)?;
        }
        Ok(())
    }

    /// The VLAN that an interface is the gateway of.
    fn vlan_of(&self, link: &Link, config: &Config) -> Option<u16> {
        u16::try_from(config.vlan).ok().filter(|_| link.index != self.bridge.index)
    }
}

/// Finds the bridge.
///
/// # Errors
/// Code 7 when there is something else of that name, or it does not look at VLANs and is to.
pub(crate) fn find(host: &Net, config: &Config) -> Result<Option<Link>> {
    let link = host.find_link(&config.bridge)?;
    if let Some(kind) = link.as_ref().map(|link| link.kind.as_deref()).filter(|kind| *kind != Some("bridge"))
    {
        let kind = kind.unwrap_or("a link without a kind");
        return Err(Error::invalid_config(format!(
            "bridge: {} already exists but is {kind}, not a bridge",
            config.bridge
        )));
    }
    let options = link.as_ref().map(|link| link.bridge.unwrap_or_default());
    // It is not ours to turn on: ports that others made may depend on it.
    if options.is_some_and(|options| options.vlan_filtering != Some(true)) && PortVlans::of(config)?.is_some()
    {
        return Err(Error::invalid_config(format!(
            "bridge: {} already exists and does not look at VLANs, so vlan and vlanTrunk would keep nothing apart",
            config.bridge
        ))
        .with_details(format!("\"ip link set {} type bridge vlan_filtering 1\" makes it", config.bridge)));
    }
    Ok(link)
}

/// Makes the bridge. Should this ADD fail it goes again, unless other containers are on it by then.
fn make(req: &AddRequest<Config>, host: &Net) -> Result<Link> {
    let mut bridge = Bridge::new(req.config.bridge.as_str());
    bridge.mtu = req.config.mtu();
    bridge.vlan_filtering = PortVlans::of(&req.config)?.is_some();
    let bridge = match host.add_bridge(&bridge) {
        // Another ADD was quicker.
        Err(error) if error.is_exists() => {
            return find(host, &req.config)?.ok_or_else(|| {
                Error::new(ErrorCode::TRY_AGAIN_LATER, format!("bridge {} comes and goes", req.config.bridge))
            });
        }
        made => made?,
    };
    let (host, index) = (host.clone(), bridge.index);
    req.on_failure("delete the bridge", move || -> Result<()> {
        if has_other_ports(&host, index, None)? {
            return Ok(());
        }
        Ok(host.delete_link_if_exists(index)?)
    });
    Ok(bridge)
}

fn has_other_ports(host: &Net, bridge: LinkIndex, own_port: Option<LinkIndex>) -> Result<bool> {
    Ok(host.links()?.iter().any(|link| link.master == Some(bridge) && Some(link.index) != own_port))
}

/// Lets the host forward packets of the gateway's family. This is not undone: by then somebody else may rely on it.
fn forward(gateway: IpAddr) -> Result<()> {
    let forwarding = match gateway {
        IpAddr::V4(_) => Sysctl::at(&["ipv4", "ip_forward"])?,
        IpAddr::V6(_) => Sysctl::ipv6("all", "forwarding")?,
    };
    if forwarding.read()?.as_deref() != Some("1") {
        forwarding.write("1")?;
    }
    Ok(())
}

/// The address behind the network's own, which is the gateway where nobody says otherwise.
pub(crate) fn first_address(address: IpNet) -> Result<IpAddr> {
    let next = match address.network() {
        IpAddr::V4(network) => u32::from(network).checked_add(1).map(|next| IpAddr::V4(next.into())),
        IpAddr::V6(network) => u128::from(network).checked_add(1).map(|next| IpAddr::V6(next.into())),
    };
    next.ok_or_else(|| Error::invalid_config(format!("there is no gateway address in {address}")))
}

/// Adds a default route for each family that has a gateway and no default route of its own.
pub(crate) fn add_default_routes(result: &mut AddResult) -> Result<()> {
    for everything in ["0.0.0.0/0", "::/0"] {
        let everything =
            parse_cidr(everything).map_err(|cause| Error::new(ErrorCode::INTERNAL, cause.to_string()))?;
        let gateway = result
            .ips
            .iter()
            .filter_map(|ip| ip.gateway)
            .find(|gateway| is_same_family(*gateway, everything));
        let has_one = result.routes.iter().any(|route| route.dst == everything && route.gw.is_some());
        if let Some(gateway) = gateway.filter(|_| !has_one) {
            result.routes.push(Route::new(everything).gw(gateway));
        }
    }
    Ok(())
}

pub(crate) fn is_same_family(address: IpAddr, net: IpNet) -> bool {
    address.is_ipv4() == net.addr().is_ipv4()
}
