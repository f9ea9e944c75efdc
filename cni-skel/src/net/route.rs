//! Routes.

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

/// A route.
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
    /// Where it leads to.
    pub dst: IpNet,
    /// The next hop.
    pub gateway: Option<IpAddr>,
    /// The index of the link that it leaves by.
    pub link: Option<LinkIndex>,
    /// The address that packets get when they have none yet.
    pub source: Option<IpAddr>,
    /// The largest packet on the way.
    pub mtu: Option<u32>,
    /// The largest TCP segment to announce.
    pub advmss: Option<u32>,
    /// The metric: of two the smaller wins.
    pub priority: Option<u32>,
    /// The routing table; 254 is the main one.
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
    /// A route in the main table.
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

    /// Sets the link that it leaves by.
    #[must_use]
    pub fn link(self, link: LinkIndex) -> Self {
        Self { link: Some(link), ..self }
    }

    /// Sets the address that packets get when they have none yet.
    #[must_use]
    pub fn source(self, source: IpAddr) -> Self {
        Self { source: Some(source), ..self }
    }

    /// Sets the largest packet on the way.
    #[must_use]
    pub fn mtu(self, mtu: u32) -> Self {
        Self { mtu: Some(mtu), ..self }
    }

    /// Sets the largest TCP segment to announce.
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

/// Converts a route of a result or a configuration. It has no link yet, and no gateway if the other has none.
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
                format!("invalid route to {}", route.dst),
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

/// Destination and next hop, as in `default via 10.1.0.1`.
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
    /// Adds a route. Others to the same destination stay, even with the same metric: in IPv4 the
    /// newest is used, in IPv6 they share the traffic.
    ///
    /// # Errors
    ///
    /// There is the very same one already ([`NetError::is_exists`]), the gateway cannot be reached,
    /// there is no such link or it is down, or the kernel refuses.
    pub fn add_route(&self, route: &Route) -> Result<(), NetError> {
        let (task, request) = add(route);
        self.change(task, request)
    }

    /// Deletes the route that is like this one in all that it says.
    ///
    /// # Errors
    ///
    /// There is none ([`NetError::is_not_found`]), or the kernel refuses.
    pub fn delete_route(&self, route: &Route) -> Result<(), NetError> {
        let mut request = Request::change(RTM_DELROUTE, 0);
        put(&mut request, route, route.scope.unwrap_or(Scope::NOWHERE));
        self.change(task("delete route", route), request)
    }

    /// Asks by which link packets from this machine to an address leave: its index, and `None` where no route leads there.
    ///
    /// # Errors
    ///
    /// The kernel refuses to tell.
    pub fn route_link(&self, address: IpAddr) -> Result<Option<LinkIndex>, NetError> {
        let mut request = Request::read(RTM_GETROUTE);
        let mut header = [0; RTMSG];
        header[0] = family(address);
        header[1] = if address.is_ipv4() { 32 } else { 128 };
        request.fixed(&header);
        put_ip(&mut request, RTA_DST, address);
        match self.ask(&Task::new(format!("ask for the route to {address}")), request) {
            Ok(answer) => Ok(answer.messages().filter_map(decode).flatten().find_map(|route| route.link)),
            Err(e) if e.is_unreachable() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Lists the routes of both families, of one table or of all. Of a route with several next hops
    /// there is one for each.
    ///
    /// # Errors
    ///
    /// The kernel refuses, or the list keeps changing while it is read.
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
                // A table comes into being with its first route.
                Err(e) if table.is_some() && e.is_not_found() => continue,
                answer => answer?,
            };
            for message in answer.messages() {
                // A kernel without IPv6 answers with all families it has.
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
    let near = route.gateway.is_none() && route.dst.addr().is_ipv4();
    let scope = if near { Scope::LINK } else { Scope::UNIVERSE };
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
        // Bits beyond the prefix would be refused.
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

/// Reads a route, once for each of its next hops.
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

/// Reads `struct rtnexthop`s: the link and the gateway of each.
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

/// Reads `struct rtvia`: an address of another family, behind the number of that family.
fn via(payload: &[u8]) -> Option<IpAddr> {
    ip(payload.get(2..)?)
}
