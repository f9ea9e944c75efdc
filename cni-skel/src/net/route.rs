//! Routes of the kernel's routing tables.

use std::fmt;
use std::io;
use std::net::IpAddr;

use ipnet::IpNet;

use super::constants::{
    AF_INET, AF_INET6, RT_TABLE_MAIN, RT_TABLE_UNSPEC, RTA_DST, RTA_GATEWAY, RTA_METRICS, RTA_MULTIPATH,
    RTA_OIF, RTA_PREFSRC, RTA_PRIORITY, RTA_TABLE, RTA_VIA, RTAX_ADVMSS, RTAX_MTU, RTM_DELROUTE,
    RTM_GETROUTE, RTM_NEWROUTE, RTMSG, RTNEXTHOP,
};
use super::error::NetError;
use super::handle::{Net, Task};
use super::numbers::{LinkIndex, RouteProtocol, RouteType, Scope};
use super::wire::{family, ip, net, put_ip};
use crate::netlink::{Attributes, Message, NLM_F_CREATE, Request};
use crate::types;

/// A route of a routing table: to add, or as the kernel lists it.
///
/// The routes of a configuration or a result are [`types::Route`]; `try_from` converts one.
///
/// ```
/// use cni_skel::net::Route;
///
/// let route = Route::new("0.0.0.0/0".parse()?).gateway([10, 1, 0, 1].into()).mtu(1400);
/// assert_eq!(route.to_string(), "default via 10.1.0.1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Route {
    /// The destination.
    pub dst: IpNet,
    /// The next hop. `None` if the destination is on the link.
    pub gateway: Option<IpAddr>,
    /// The link that packets leave through.
    pub link: Option<LinkIndex>,
    /// The preferred source address.
    pub source: Option<IpAddr>,
    /// The MTU of the path.
    pub mtu: Option<u32>,
    /// The TCP maximum segment size to advertise.
    pub advmss: Option<u32>,
    /// The metric. Of two routes to the same destination, the one with the lower metric is used.
    pub priority: Option<u32>,
    /// The routing table. 254 is the main table.
    pub table: u32,
    /// How far its destination is away. With `None`, an IPv4 route without a gateway is added with [`Scope::LINK`], and any
    /// other with [`Scope::UNIVERSE`]. IPv6 does not use it.
    pub scope: Option<Scope>,
    /// Its origin; [`RouteProtocol::BOOT`] in a new route.
    pub protocol: RouteProtocol,
    /// What it does with packets; [`RouteType::UNICAST`] in a new route.
    pub kind: RouteType,
}

impl Route {
    /// Creates a route in the main table.
    pub fn new(dst: IpNet) -> Self {
        Self {
            dst,
            gateway: None,
            link: None,
            source: None,
            mtu: None,
            advmss: None,
            priority: None,
            table: RT_TABLE_MAIN,
            scope: None,
            protocol: RouteProtocol::BOOT,
            kind: RouteType::UNICAST,
        }
    }

    /// Sets the next hop.
    #[must_use]
    pub fn gateway(self, gateway: IpAddr) -> Self {
        Self { gateway: Some(gateway), ..self }
    }

    /// Sets the link that packets leave through.
    #[must_use]
    pub fn link(self, link: LinkIndex) -> Self {
        Self { link: Some(link), ..self }
    }

    /// Sets the preferred source address.
    #[must_use]
    pub fn source(self, source: IpAddr) -> Self {
        Self { source: Some(source), ..self }
    }

    /// Sets the MTU of the path.
    #[must_use]
    pub fn mtu(self, mtu: u32) -> Self {
        Self { mtu: Some(mtu), ..self }
    }

    /// Sets the TCP maximum segment size to advertise.
    #[must_use]
    pub fn advmss(self, advmss: u32) -> Self {
        Self { advmss: Some(advmss), ..self }
    }

    /// Sets the metric.
    #[must_use]
    pub fn priority(self, priority: u32) -> Self {
        Self { priority: Some(priority), ..self }
    }

    /// Sets the routing table.
    #[must_use]
    pub fn table(self, table: u32) -> Self {
        Self { table, ..self }
    }

    /// Sets how far its destination is away.
    #[must_use]
    pub fn scope(self, scope: Scope) -> Self {
        Self { scope: Some(scope), ..self }
    }
}

/// Converts a route of a configuration or a result. Set its link, and its gateway if it has none.
impl TryFrom<&types::Route> for Route {
    type Error = NetError;

    /// # Errors
    ///
    /// The scope is greater than 255.
    fn try_from(route: &types::Route) -> Result<Self, NetError> {
        let scope = route.scope.map(u8::try_from).transpose().map_err(|_| {
            let scope = route.scope.unwrap_or_default();
            let cause = format!("scope {scope} is greater than 255");
            NetError::new(
                format!("use route {}", route.dst),
                io::Error::new(io::ErrorKind::InvalidInput, cause),
            )
        })?;
        Ok(Self {
            gateway: route.gw,
            mtu: route.mtu,
            advmss: route.advmss,
            priority: route.priority,
            table: route.table.unwrap_or(RT_TABLE_MAIN),
            scope: scope.map(Scope::from),
            ..Self::new(route.dst)
        })
    }
}

/// Formats destination and next hop: `default via 10.1.0.1`.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.dst.prefix_len() {
            0 => f.write_str("default")?,
            _ => write!(f, "{}", self.dst)?,
        }
        match self.gateway {
            Some(gateway) => write!(f, " via {gateway}"),
            None => Ok(()),
        }
    }
}

impl Net {
    /// Adds a route. Other routes to the same destination stay, even with the same metric: in IPv4 the newest is used, in IPv6
    /// they share the traffic.
    ///
    /// # Errors
    ///
    /// An identical route exists ([`NetError::is_exists`]), the gateway cannot be reached, there is no such link or it is
    /// down, or the kernel refuses.
    pub fn add_route(&self, route: &Route) -> Result<(), NetError> {
        let (task, request) = add(route);
        self.change(task, request)
    }

    /// Deletes the route that is equal to this one in all fields that are set.
    ///
    /// # Errors
    ///
    /// There is no such route ([`NetError::is_not_found`]), or the kernel refuses.
    pub fn delete_route(&self, route: &Route) -> Result<(), NetError> {
        let mut request = Request::change(RTM_DELROUTE, 0);
        put(&mut request, route, route.scope.unwrap_or(Scope::NOWHERE));
        self.change(task("delete route", route), request)
    }

    /// Returns the link through which packets from this host to an address leave, or `None` if there is no route to it.
    ///
    /// # Errors
    ///
    /// The kernel refuses.
    pub fn route_link(&self, address: IpAddr) -> Result<Option<LinkIndex>, NetError> {
        let mut request = Request::read(RTM_GETROUTE);
        let mut header = [0; RTMSG];
        header[0] = family(address);
        header[1] = if address.is_ipv4() { 32 } else { 128 };
        request.fixed(&header);
        put_ip(&mut request, RTA_DST, address);
        match self.ask(&Task::new(format!("find the route to {address}")), request) {
            Ok(answer) => Ok(answer.messages().filter_map(decode).flatten().find_map(|route| route.link)),
            Err(e) if e.is_unreachable() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Lists the IPv4 and IPv6 routes of one table or of all tables. A route with several next hops is listed once for each.
    ///
    /// # Errors
    ///
    /// The kernel refuses, or the list changes each time it is read.
    pub fn routes(&self, table: Option<u32>) -> Result<Vec<Route>, NetError> {
        let task = Task::new("list routes");
        let mut routes = Vec::new();
        for family in [AF_INET, AF_INET6] {
            let mut request = Request::dump(RTM_GETROUTE);
            let mut header = [0; RTMSG];
            header[0] = family;
            request.fixed(&header);
            if let Some(table) = table {
                request.u32(RTA_TABLE, table);
            }
            let answer = match self.ask(&task, request) {
                // A table without routes does not exist.
                Err(e) if table.is_some() && e.is_not_found() => continue,
                answer => answer?,
            };
            for message in answer.messages() {
                // A kernel without IPv6 lists the routes of all other families.
                if message.payload.first() == Some(&family) {
                    routes.extend(decode(message).unwrap_or_default());
                }
            }
        }
        routes.retain(|route| table.is_none_or(|table| route.table == table));
        Ok(routes)
    }
}

pub(super) fn add(route: &Route) -> (Task, Request) {
    let mut request = Request::change(RTM_NEWROUTE, NLM_F_CREATE);
    let is_on_link = route.gateway.is_none() && route.dst.addr().is_ipv4();
    let scope = if is_on_link { Scope::LINK } else { Scope::UNIVERSE };
    put(&mut request, route, route.scope.unwrap_or(scope));
    (task("add route", route), request)
}

fn task(verb: &str, route: &Route) -> Task {
    match route.link {
        Some(link) => Task::on(format!("{verb} {route} on"), link),
        None => Task::new(format!("{verb} {route}")),
    }
}

fn put(request: &mut Request, route: &Route, scope: Scope) {
    let mut header = [0; RTMSG];
    header[0] = family(route.dst.addr());
    header[1] = route.dst.prefix_len();
    header[4] = u8::try_from(route.table).unwrap_or(RT_TABLE_UNSPEC);
    header[5] = route.protocol.into();
    header[6] = scope.into();
    header[7] = route.kind.into();
    request.fixed(&header).u32(RTA_TABLE, route.table);
    if route.dst.prefix_len() > 0 {
        // The kernel refuses bits beyond the prefix.
        put_ip(request, RTA_DST, route.dst.network());
    }
    match route.gateway {
        Some(gateway) if gateway.is_ipv4() == route.dst.addr().is_ipv4() => {
            put_ip(request, RTA_GATEWAY, gateway);
        }
        Some(IpAddr::V6(gateway)) => {
            let mut via = [0; 18];
            via[..2].copy_from_slice(&u16::from(AF_INET6).to_ne_bytes());
            via[2..].copy_from_slice(&gateway.octets());
            request.bytes(RTA_VIA, &via);
        }
        Some(IpAddr::V4(_)) => {
            request.refuse("an IPv6 route cannot have an IPv4 gateway");
        }
        None => {}
    }
    if let Some(link) = route.link {
        request.u32(RTA_OIF, link.get());
    }
    if let Some(source) = route.source {
        put_ip(request, RTA_PREFSRC, source);
    }
    if let Some(priority) = route.priority {
        request.u32(RTA_PRIORITY, priority);
    }
    if route.mtu.is_some() || route.advmss.is_some() {
        request.nest(RTA_METRICS, |metrics| {
            if let Some(mtu) = route.mtu {
                metrics.u32(RTAX_MTU, mtu);
            }
            if let Some(advmss) = route.advmss {
                metrics.u32(RTAX_ADVMSS, advmss);
            }
        });
    }
}

/// Reads a route. Returns one for each of its next hops.
pub(super) fn decode(message: Message<'_>) -> Option<Vec<Route>> {
    if message.kind != RTM_NEWROUTE {
        return None;
    }
    let header = message.payload.first_chunk::<RTMSG>()?;
    let mut route = Route {
        table: header[4].into(),
        scope: Some(header[6].into()),
        protocol: header[5].into(),
        kind: header[7].into(),
        ..Route::new(net(header[0], None, 0)?)
    };
    let mut dst = None;
    let mut hops = Vec::new();
    for attribute in Attributes::after(RTMSG, message.payload) {
        match attribute.kind {
            RTA_DST => dst = ip(attribute.payload),
            RTA_GATEWAY => route.gateway = ip(attribute.payload),
            RTA_VIA => route.gateway = via(attribute.payload),
            RTA_OIF => route.link = attribute.u32().and_then(LinkIndex::new),
            RTA_PREFSRC => route.source = ip(attribute.payload),
            RTA_PRIORITY => route.priority = attribute.u32(),
            RTA_TABLE => route.table = attribute.u32()?,
            RTA_METRICS => {
                for metric in attribute.nested() {
                    match metric.kind {
                        RTAX_MTU => route.mtu = metric.u32(),
                        RTAX_ADVMSS => route.advmss = metric.u32(),
                        _ => {}
                    }
                }
            }
            RTA_MULTIPATH => hops = decode_hops(attribute.payload),
            _ => {}
        }
    }
    route.dst = net(header[0], dst, header[1])?;
    if hops.is_empty() {
        return Some(vec![route]);
    }
    Some(hops.into_iter().map(|(link, gateway)| Route { link, gateway, ..route.clone() }).collect())
}

/// Reads the link and the gateway of each `struct rtnexthop`.
fn decode_hops(mut bytes: &[u8]) -> Vec<(Option<LinkIndex>, Option<IpAddr>)> {
    let mut hops = Vec::new();
    while let Some([a, b, _, _, i, j, k, l]) = bytes.first_chunk::<RTNEXTHOP>() {
        let length = usize::from(u16::from_ne_bytes([*a, *b]));
        let Some(hop) = bytes.get(..length).filter(|hop| hop.len() >= RTNEXTHOP) else { break };
        let mut gateway = None;
        for attribute in Attributes::after(RTNEXTHOP, hop) {
            match attribute.kind {
                RTA_GATEWAY => gateway = ip(attribute.payload),
                RTA_VIA => gateway = via(attribute.payload),
                _ => {}
            }
        }
        hops.push((LinkIndex::new(u32::from_ne_bytes([*i, *j, *k, *l])), gateway));
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    hops
}

/// Reads `struct rtvia`: the number of a family and an address.
fn via(payload: &[u8]) -> Option<IpAddr> {
    ip(payload.get(2..)?)
}
