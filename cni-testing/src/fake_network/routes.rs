//! Routes that were added by requests.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::addresses::{family, is_ipv6};
use super::message::{Payload, Refusal, Reply, Request, ip};
use super::numbers::{
    AF_INET6, EEXIST, EHOSTUNREACH, EINVAL, ENETDOWN, ENETUNREACH, ENODEV, ENOENT, ESRCH, ROUTE_HEADER,
    RT_SCOPE_LINK, RT_SCOPE_NOWHERE, RT_TABLE_LOCAL, RT_TABLE_MAIN, RTA_DST, RTA_GATEWAY, RTA_METRICS,
    RTA_OIF, RTA_PREFSRC, RTA_PRIORITY, RTA_TABLE, RTA_VIA, RTAX_ADVMSS, RTAX_MTU, RTM_NEWROUTE, RTN_LOCAL,
    RTN_UNICAST,
};
use super::state::{Namespace, Route, State};

/// The default metric of an IPv6 route.
const IPV6_METRIC: u32 = 1024;

impl State {
    pub(super) fn dump_routes(&self, netns: u32, request: &Request<'_>) -> Result<Vec<Reply>, Refusal> {
        let header = request.header(ROUTE_HEADER)?;
        let is_v6 = i32::from(header[0]) == AF_INET6;
        let table = request.attributes(ROUTE_HEADER).u32(RTA_TABLE);
        let routes = self.namespaces[&netns].routes.iter().filter(|route| is_ipv6(route.dst) == is_v6);
        let routes: Vec<_> =
            routes.filter(|route| table.is_none_or(|table| route.table == table)).map(describe).collect();
        let is_permanent = |table| [RT_TABLE_LOCAL, RT_TABLE_MAIN].map(u32::from).contains(&table);
        if routes.is_empty() && table.is_some_and(|table| !is_permanent(table)) {
            let text = if is_v6 { "FIB table does not exist" } else { "ipv4: FIB table does not exist" };
            return Err(Refusal::new(ENOENT, text));
        }
        Ok(routes)
    }

    pub(super) fn add_route(&mut self, netns: u32, request: &Request<'_>) -> Result<(), Refusal> {
        let Some(namespace) = self.namespaces.get_mut(&netns) else { return Err(Refusal::errno(EINVAL)) };
        let wanted = Wanted::parse(request)?;
        let route = if is_ipv6(wanted.dst) { wanted.ipv6(namespace)? } else { wanted.ipv4(namespace)? };
        let is_same = |other: &Route| match is_ipv6(route.dst) {
            true => {
                (other.dst, other.table, other.priority) == (route.dst, route.table, route.priority)
                    && (other.link, other.gateway) == (route.link, route.gateway)
            }
            false => {
                Route { protocol: other.protocol, ..route.clone() } == *other
                    && other.protocol == route.protocol
            }
        };
        if namespace.routes.iter().any(is_same) {
            return Err(Refusal::errno(EEXIST));
        }
        namespace.routes.push(route);
        Ok(())
    }

    pub(super) fn delete_route(&mut self, netns: u32, request: &Request<'_>) -> Result<(), Refusal> {
        let Some(namespace) = self.namespaces.get_mut(&netns) else { return Err(Refusal::errno(EINVAL)) };
        let wanted = Wanted::parse(request)?;
        let place =
            namespace.routes.iter().rposition(|route| wanted.is(route)).ok_or(Refusal::errno(ESRCH))?;
        namespace.routes.remove(place);
        Ok(())
    }
}

/// A route as requested.
struct Wanted {
    dst: IpNet,
    gateway: Option<IpAddr>,
    link: Option<u32>,
    source: Option<IpAddr>,
    priority: Option<u32>,
    table: u32,
    scope: u8,
    protocol: u8,
    kind: u8,
    mtu: Option<u32>,
    advmss: Option<u32>,
}

impl Wanted {
    fn parse(request: &Request<'_>) -> Result<Self, Refusal> {
        let header = request.header(ROUTE_HEADER)?;
        let attributes = request.attributes(ROUTE_HEADER);
        let any: IpAddr = match i32::from(header[0]) == AF_INET6 {
            true => Ipv6Addr::UNSPECIFIED.into(),
            false => Ipv4Addr::UNSPECIFIED.into(),
        };
        let dst = IpNet::new(attributes.ip(RTA_DST).unwrap_or(any), header[1]);
        let metrics = attributes.nested(RTA_METRICS).unwrap_or_default();
        let via = attributes.get(RTA_VIA).and_then(|via| ip(via.payload.get(2..)?));
        Ok(Self {
            dst: dst.map_err(|_| Refusal::errno(EINVAL))?,
            gateway: attributes.ip(RTA_GATEWAY).or(via),
            link: attributes.u32(RTA_OIF),
            source: attributes.ip(RTA_PREFSRC),
            priority: attributes.u32(RTA_PRIORITY).filter(|priority| *priority != 0),
            table: attributes.u32(RTA_TABLE).unwrap_or(header[4].into()),
            scope: header[6],
            protocol: header[5],
            kind: header[7],
            mtu: metrics.u32(RTAX_MTU),
            advmss: metrics.u32(RTAX_ADVMSS),
        })
    }

    fn ipv4(self, namespace: &Namespace) -> Result<Route, Refusal> {
        let link = match self.gateway {
            Some(gateway) if gateway.is_ipv6() => ipv6_hop(namespace, gateway, self.link)?,
            Some(gateway) => {
                let nearer = self.scope.saturating_add(1).max(RT_SCOPE_LINK);
                let hop = look_up(namespace, gateway, self.link, |route| route.scope >= nearer);
                hop.ok_or(Refusal::new(ENETUNREACH, "Nexthop has invalid gateway"))?.link
            }
            None => require_link(namespace, self.link, "Device for nexthop is not up")?,
        };
        if self.source.is_some_and(|source| !is_own(namespace, source)) {
            return Err(Refusal::new(EINVAL, "Invalid prefsrc address"));
        }
        Ok(self.on(link))
    }

    fn ipv6(mut self, namespace: &Namespace) -> Result<Route, Refusal> {
        self.priority = self.priority.or(Some(IPV6_METRIC));
        self.scope = 0;
        let link = match self.gateway {
            Some(gateway) => ipv6_hop(namespace, gateway, self.link)?,
            None => require_link(namespace, self.link, "Nexthop device is not up")?,
        };
        Ok(self.on(link))
    }

    fn on(self, link: u32) -> Route {
        Route {
            dst: self.dst.trunc(),
            gateway: self.gateway,
            link,
            source: self.source,
            priority: self.priority,
            table: self.table,
            scope: self.scope,
            protocol: self.protocol,
            kind: self.kind,
            mtu: self.mtu,
            advmss: self.advmss,
        }
    }

    /// Whether a route matches everything that a request specifies.
    fn is(&self, route: &Route) -> bool {
        let is_v6 = is_ipv6(self.dst);
        (route.dst, route.table, route.protocol) == (self.dst.trunc(), self.table, self.protocol)
            && self.gateway.is_none_or(|gateway| route.gateway == Some(gateway))
            && self.link.is_none_or(|link| route.link == link)
            && self.source.is_none_or(|source| route.source == Some(source))
            && self.priority.is_none_or(|priority| route.priority == Some(priority))
            && (is_v6 || self.scope == RT_SCOPE_NOWHERE || route.scope == self.scope)
            && (is_v6 || route.kind == self.kind)
    }
}

/// The link through which an IPv6 gateway is reachable.
fn ipv6_hop(namespace: &Namespace, gateway: IpAddr, link: Option<u32>) -> Result<u32, Refusal> {
    if link.is_some() {
        require_link(namespace, link, "Nexthop device is not up")?;
    }
    if is_own(namespace, gateway) {
        return Err(Refusal::new(EINVAL, "Gateway can not be a local address"));
    }
    let hop = match gateway {
        IpAddr::V6(ip) if ip.is_unicast_link_local() => link,
        _ => match look_up(namespace, gateway, link, |_| true) {
            Some(hop) if hop.gateway.is_none() => Some(hop.link),
            Some(_) => return Err(Refusal::errno(EHOSTUNREACH)),
            None if link.is_some() => return Err(Refusal::errno(EHOSTUNREACH)),
            None => None,
        },
    };
    hop.ok_or(Refusal::new(EHOSTUNREACH, "Egress device not specified"))
}

/// The link of a request must exist and be up.
fn require_link(namespace: &Namespace, link: Option<u32>, text: &'static str) -> Result<u32, Refusal> {
    let missing = Refusal::errno(ENODEV);
    let index = link.ok_or(missing)?;
    match namespace.links.get(&index) {
        None => Err(missing),
        Some(link) if !link.is_up => Err(Refusal::new(ENETDOWN, text)),
        Some(_) => Ok(index),
    }
}

fn is_own(namespace: &Namespace, ip: IpAddr) -> bool {
    namespace.links.values().flat_map(|link| &link.addresses).any(|own| own.net.addr() == ip)
}

/// The most specific of the routes to an address that match.
fn look_up(
    namespace: &Namespace,
    address: IpAddr,
    link: Option<u32>,
    will_do: impl Fn(&Route) -> bool,
) -> Option<&Route> {
    let routes = namespace.routes.iter().filter(|route| matches!(route.kind, RTN_LOCAL | RTN_UNICAST));
    let routes = routes.filter(|route| {
        route.dst.contains(&address) && link.is_none_or(|link| route.link == link) && will_do(route)
    });
    routes.max_by_key(|route| (u32::from(RT_TABLE_LOCAL) == route.table, route.dst.prefix_len()))
}

fn describe(route: &Route) -> Reply {
    let table = u8::try_from(route.table).unwrap_or_default();
    let family = family(route.dst);
    let header =
        [family, route.dst.prefix_len(), 0, 0, table, route.protocol, route.scope, route.kind, 0, 0, 0, 0];
    let mut payload = Payload::new(&header);
    payload.u32(RTA_TABLE, route.table).u32(RTA_OIF, route.link);
    if route.dst.prefix_len() > 0 {
        payload.ip(RTA_DST, route.dst.addr());
    }
    match route.gateway {
        Some(gateway) if gateway.is_ipv6() == is_ipv6(route.dst) => {
            payload.ip(RTA_GATEWAY, gateway);
        }
        Some(IpAddr::V6(gateway)) => {
            let family = u16::try_from(AF_INET6).unwrap_or_default().to_ne_bytes();
            payload.bytes(RTA_VIA, &[&family[..], &gateway.octets()].concat());
        }
        _ => {}
    }
    if let Some(source) = route.source {
        payload.ip(RTA_PREFSRC, source);
    }
    if let Some(priority) = route.priority {
        payload.u32(RTA_PRIORITY, priority);
    }
    if route.mtu.is_some() || route.advmss.is_some() {
        payload.nest(RTA_METRICS, |metrics| {
            if let Some(mtu) = route.mtu {
                metrics.u32(RTAX_MTU, mtu);
            }
            if let Some(advmss) = route.advmss {
                metrics.u32(RTAX_ADVMSS, advmss);
            }
        });
    }
    Reply { kind: RTM_NEWROUTE, payload }
}
