//! Addresses, and the routes that the kernel adds and removes with them and with their links.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::links::is_exclusive;
use super::message::{Payload, Refusal, Reply, Request, u32_at};
use super::numbers::{
    ADDRESS_HEADER, AF_INET, AF_INET6, EACCES, EADDRNOTAVAIL, EEXIST, EINVAL, ENODEV, IFA_ADDRESS,
    IFA_BROADCAST, IFA_F_PERMANENT, IFA_F_SECONDARY, IFA_FLAGS, IFA_LOCAL, RT_SCOPE_HOST, RT_SCOPE_LINK,
    RT_TABLE_LOCAL, RT_TABLE_MAIN, RTM_NEWADDR, RTN_BROADCAST, RTN_LOCAL, RTN_UNICAST, RTPROT_KERNEL,
};
use super::state::{Address, Kind, Route, State};

/// The metric of the routes of IPv6 addresses.
const IPV6_METRIC: u32 = 256;
/// The minimum MTU for IPv6.
const IPV6_MTU_MIN: u32 = 1280;

impl State {
    pub(super) fn dump_addresses(&self, netns: u32, request: &Request<'_>) -> Result<Vec<Reply>, Refusal> {
        let header = request.header(ADDRESS_HEADER)?;
        let only = u32_at(header, 4).unwrap_or_default();
        let links = &self.namespaces[&netns].links;
        if only != 0 && !links.contains_key(&only) {
            return Err(Refusal::errno(ENODEV));
        }
        let mut replies = Vec::new();
        for is_v6 in [false, true] {
            for (index, link) in links.iter().filter(|(index, _)| only == 0 || **index == only) {
                let addresses = link.addresses.iter().filter(|address| is_ipv6(address.net) == is_v6);
                replies.extend(addresses.map(|address| describe(*index, address)));
            }
        }
        Ok(replies)
    }

    pub(super) fn add_address(&mut self, netns: u32, request: &Request<'_>) -> Result<(), Refusal> {
        let (link, address) = self.address_in(netns, request)?;
        let name = link_name(self, netns, link);
        let (ip, is_v6) = (address.net.addr(), is_ipv6(address.net));
        if let IpAddr::V6(ip) = ip {
            self.valid_ipv6(netns, link, &name, ip)?;
        }
        let Some(own) = self.link(netns, link) else { return Err(Refusal::errno(ENODEV)) };
        let same = |other: &&Address| match is_v6 {
            true => other.net.addr() == ip,
            false => other.net == address.net,
        };
        if own.addresses.iter().any(|other| same(&other)) && is_exclusive(request) {
            let text =
                if is_v6 { "ipv6: address already assigned" } else { "ipv4: Address already assigned" };
            return Err(Refusal::new(EEXIST, text));
        }
        let mut address = address;
        let first = own.addresses.iter().find(|other| other.net.trunc() == address.net.trunc());
        if let Some(first) = first.filter(|_| !is_v6) {
            address.flags |= IFA_F_SECONDARY;
            address.source = first.source;
        }
        let is_up = own.is_up;
        self.change(netns, link, |link| link.addresses.push(address.clone()));
        self.add_routes_of(netns, link, &address, is_up);
        Ok(())
    }

    pub(super) fn delete_address(&mut self, netns: u32, request: &Request<'_>) -> Result<(), Refusal> {
        let (index, address) = self.address_in(netns, request)?;
        let Some(link) = self.link(netns, index) else { return Err(Refusal::errno(ENODEV)) };
        let Some(found) = link.addresses.iter().find(|own| own.net == address.net).cloned() else {
            let text =
                if is_ipv6(address.net) { "ipv6: address not found" } else { "ipv4: Address not found" };
            return Err(Refusal::new(EADDRNOTAVAIL, text));
        };
        let is_primary = !is_ipv6(found.net) && found.flags & IFA_F_SECONDARY == 0;
        let promotes = self.setting(netns, "ipv4", "all", "promote_secondaries") != 0;
        let mut gone = vec![found.clone()];
        if is_primary && !promotes {
            // The secondary addresses of a network go with its primary address.
            let others = link.addresses.iter().filter(|other| other.flags & IFA_F_SECONDARY != 0);
            gone.extend(others.filter(|other| other.net.trunc() == found.net.trunc()).cloned());
        }
        for address in gone {
            self.change(netns, index, |link| link.addresses.retain(|own| own.net != address.net));
            self.remove_routes_of(netns, index, &address);
        }
        Ok(())
    }

    /// Sets a link up or down, and updates its addresses and routes as the kernel does.
    pub(super) fn set_up(&mut self, netns: u32, index: u32, on: bool) {
        let Some(link) = self.link(netns, index) else { return };
        if link.is_up == on {
            return;
        }
        let (is_lo, name) = (link.kind == Kind::Loopback, link.name.clone());
        self.change(netns, index, |link| link.is_up = on);
        if on {
            if is_lo {
                self.change(netns, index, |link| {
                    for own in loopback_addresses() {
                        if !link.addresses.iter().any(|address| address.net == own.net) {
                            link.addresses.push(own);
                        }
                    }
                });
            }
            let addresses = self.link(netns, index).map(|link| link.addresses.clone()).unwrap_or_default();
            addresses.iter().for_each(|address| self.add_routes_of(netns, index, address, true));
            return;
        }
        let keeps = |name| self.setting(netns, "ipv6", name, "keep_addr_on_down") > 0;
        let keeps = (keeps("all") || keeps(&name)) && !is_lo;
        self.change(netns, index, |link| link.addresses.retain(|address| keeps || !is_ipv6(address.net)));
        if let Some(namespace) = self.namespaces.get_mut(&netns) {
            namespace.routes.retain(|route| route.link != index || is_ipv4_local(route));
            namespace.neighbours.retain(|neighbour| neighbour.link != index);
        }
    }

    fn address_in(&self, netns: u32, request: &Request<'_>) -> Result<(u32, Address), Refusal> {
        let header = request.header(ADDRESS_HEADER)?;
        let [family, prefix, flags, scope, ..] = *header else { return Err(Refusal::errno(EINVAL)) };
        let attributes = request.attributes(ADDRESS_HEADER);
        let ip = attributes.ip(IFA_LOCAL).or_else(|| attributes.ip(IFA_ADDRESS));
        let ip = ip.ok_or(Refusal::errno(EINVAL))?;
        let is_v6 = i32::from(family) == AF_INET6;
        let net = IpNet::new(ip, prefix).map_err(|_| Refusal::errno(EINVAL))?;
        let broadcast = match attributes.ip(IFA_BROADCAST) {
            Some(IpAddr::V4(broadcast)) => Some(broadcast),
            _ => None,
        };
        let index = u32_at(header, 4).unwrap_or_default();
        if self.link(netns, index).is_none() {
            let text = if is_v6 { "ipv6: Unable to find the interface" } else { "ipv4: Device not found" };
            return Err(Refusal::new(ENODEV, text));
        }
        let flags = attributes.u32(IFA_FLAGS).unwrap_or(flags.into()) | IFA_F_PERMANENT;
        let scope = if is_v6 { ipv6_scope(ip) } else { scope };
        Ok((index, Address { net, broadcast, scope, flags, source: ip }))
    }

    fn valid_ipv6(&self, netns: u32, index: u32, name: &str, ip: Ipv6Addr) -> Result<(), Refusal> {
        if self.setting(netns, "ipv6", name, "disable_ipv6") != 0 {
            return Err(Refusal::new(EACCES, "ipv6: IPv6 is disabled on this device"));
        }
        if self.link(netns, index).is_some_and(|link| link.mtu < IPV6_MTU_MIN) {
            return Err(Refusal::errno(EINVAL));
        }
        if ip.is_multicast() {
            let text = "ipv6: Cannot assign multicast address without \"IFA_F_MCAUTOJOIN\" flag";
            return Err(Refusal::new(EADDRNOTAVAIL, text));
        }
        let is_lo = self.link(netns, index).is_some_and(|link| link.kind == Kind::Loopback);
        if ip.is_loopback() && !is_lo {
            return Err(Refusal::new(EADDRNOTAVAIL, "ipv6: Cannot assign loopback address on this device"));
        }
        Ok(())
    }

    /// The IPv4 route to the address itself exists even while the link is down.
    fn add_routes_of(&mut self, netns: u32, index: u32, address: &Address, is_up: bool) {
        let is_lo = self.link(netns, index).is_some_and(|link| link.kind == Kind::Loopback);
        let Some(namespace) = self.namespaces.get_mut(&netns) else { return };
        for route in routes_of(index, address, is_lo) {
            if !namespace.routes.contains(&route) && (is_up || is_ipv4_local(&route)) {
                namespace.routes.push(route);
            }
        }
    }

    fn remove_routes_of(&mut self, netns: u32, index: u32, address: &Address) {
        let Some(namespace) = self.namespaces.get_mut(&netns) else { return };
        let Some(link) = namespace.links.get(&index) else { return };
        let is_lo = link.kind == Kind::Loopback;
        let still: Vec<_> =
            link.addresses.iter().flat_map(|address| routes_of(index, address, is_lo)).collect();
        let gone = routes_of(index, address, is_lo);
        namespace.routes.retain(|route| !gone.contains(route) || still.contains(route));
        // The preferred source of a route must be an address of the host.
        let ip = address.net.addr();
        let is_there =
            namespace.links.values().flat_map(|link| &link.addresses).any(|own| own.net.addr() == ip);
        namespace.routes.retain(|route| is_there || route.source != Some(ip));
        // Without IPv4 addresses a link has no IPv4 routes.
        let routes_ipv4 = namespace
            .links
            .get(&index)
            .is_some_and(|link| link.addresses.iter().any(|own| !is_ipv6(own.net)));
        namespace.routes.retain(|route| routes_ipv4 || is_ipv6(route.dst) || route.link != index);
    }
}

/// The routes of an address of a link that is up.
fn routes_of(index: u32, address: &Address, is_lo: bool) -> Vec<Route> {
    let ip = address.net.addr();
    let route = |dst: IpNet, table: u8, scope: u8, kind: u8| Route {
        dst,
        gateway: None,
        link: index,
        source: None,
        priority: None,
        table: table.into(),
        scope,
        protocol: RTPROT_KERNEL,
        kind,
        mtu: None,
        advmss: None,
    };
    let own = IpNet::from(ip);
    let IpNet::V4(net) = address.net else {
        let mut routes = vec![Route { priority: Some(0), ..route(own, RT_TABLE_LOCAL, 0, RTN_LOCAL) }];
        if !is_lo {
            let main = route(address.net.trunc(), RT_TABLE_MAIN, 0, RTN_UNICAST);
            routes.push(Route { priority: Some(IPV6_METRIC), ..main });
        }
        return routes;
    };
    let mut routes = vec![route(own, RT_TABLE_LOCAL, RT_SCOPE_HOST, RTN_LOCAL)];
    let broadcast = |address: Ipv4Addr| {
        route(IpNet::from(IpAddr::V4(address)), RT_TABLE_LOCAL, RT_SCOPE_LINK, RTN_BROADCAST)
    };
    if let Some(address) = address.broadcast.filter(|address| *address != Ipv4Addr::BROADCAST) {
        routes.push(broadcast(address));
    }
    let is_secondary = address.flags & IFA_F_SECONDARY != 0;
    let is_zero = net.network().octets()[0] == 0;
    if !is_zero && !is_secondary && net.prefix_len() < 32 {
        routes.push(match is_lo {
            true => route(address.net.trunc(), RT_TABLE_LOCAL, RT_SCOPE_HOST, RTN_LOCAL),
            false => route(address.net.trunc(), RT_TABLE_MAIN, RT_SCOPE_LINK, RTN_UNICAST),
        });
        if net.prefix_len() < 31 {
            routes.push(broadcast(net.broadcast()));
        }
    }
    routes.dedup();
    routes.into_iter().map(|route| Route { source: Some(address.source), ..route }).collect()
}

fn is_ipv4_local(route: &Route) -> bool {
    !is_ipv6(route.dst)
        && route.scope == RT_SCOPE_HOST
        && route.kind == RTN_LOCAL
        && route.dst.prefix_len() == 32
        || route.dst.addr().is_loopback() && route.scope == RT_SCOPE_HOST
}

fn loopback_addresses() -> [Address; 2] {
    let address = |ip: IpAddr, prefix| Address {
        net: IpNet::new(ip, prefix).expect("the prefix fits the family"),
        broadcast: None,
        scope: RT_SCOPE_HOST,
        flags: IFA_F_PERMANENT,
        source: ip,
    };
    [address(Ipv4Addr::LOCALHOST.into(), 8), address(Ipv6Addr::LOCALHOST.into(), 128)]
}

fn ipv6_scope(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V6(ip) if ip.is_loopback() => RT_SCOPE_HOST,
        IpAddr::V6(ip) if ip.is_unicast_link_local() => RT_SCOPE_LINK,
        _ => 0,
    }
}

fn describe(index: u32, address: &Address) -> Reply {
    let (family, flags) = (family(address.net), address.flags.to_ne_bytes()[0]);
    let [a, b, c, d] = index.to_ne_bytes();
    let header = [family, address.net.prefix_len(), flags, address.scope, a, b, c, d];
    let mut payload = Payload::new(&header);
    payload.ip(IFA_ADDRESS, address.net.addr());
    if !is_ipv6(address.net) {
        payload.ip(IFA_LOCAL, address.net.addr());
    }
    if let Some(broadcast) = address.broadcast {
        payload.ip(IFA_BROADCAST, broadcast.into());
    }
    payload.u32(IFA_FLAGS, address.flags);
    Reply { kind: RTM_NEWADDR, payload }
}

fn link_name(state: &State, netns: u32, index: u32) -> String {
    state.link(netns, index).map(|link| link.name.clone()).unwrap_or_default()
}

pub(super) fn family(net: IpNet) -> u8 {
    u8::try_from(if is_ipv6(net) { AF_INET6 } else { AF_INET }).unwrap_or_default()
}

pub(super) fn is_ipv6(net: IpNet) -> bool {
    net.addr().is_ipv6()
}
