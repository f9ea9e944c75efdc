//! The shape of 0.1.0 and 0.2.0: one slot for each address family.

use std::net::IpAddr;

use super::fields::Fields;
use super::parts::{dns_from, dns_members, route_from, route_members};
use crate::json::{Members, Node, Path};
use crate::{AddResult, DecodeError, IpConfig, Route, SpecVersion};

pub(super) fn decode(mut fields: Fields<'_>) -> Result<AddResult, DecodeError> {
    let slots = [fields.with("ip4", slot_from)?, fields.with("ip6", slot_from)?];
    let mut result =
        AddResult { dns: fields.with("dns", dns_from)?.unwrap_or_default(), ..AddResult::default() };
    for (ip, routes) in slots.into_iter().flatten() {
        result.ips.push(ip);
        result.routes.extend(routes);
    }
    result.extra = fields.extra();
    Ok(result)
}

fn slot_from(json: &str, path: &Path<'_>) -> Result<(IpConfig, Vec<Route>), DecodeError> {
    let mut fields = Fields::parse(json, path)?;
    let mut ip = IpConfig::new(fields.cidr("ip")?.ok_or_else(|| fields.missing("ip"))?);
    ip.gateway = fields.ip("gateway")?;
    let routes = fields.list("routes", route_from)?;
    ip.extra = fields.extra();
    Ok((ip, routes))
}

const KEYS: [&str; 4] = ["cniVersion", "ip4", "ip6", "dns"];
const SLOT_KEYS: [&str; 3] = ["ip", "gateway", "routes"];

pub(super) fn encode(result: &AddResult, version: SpecVersion, lost: &mut Vec<String>) -> Node {
    if !result.interfaces.is_empty() {
        lost.push("interfaces".to_owned());
    }
    let first = |wants_v4: bool| result.ips.iter().position(|ip| is_v4(ip.address.addr()) == wants_v4);
    let slots = [("ip4", true, first(true)), ("ip6", false, first(false))];
    for (n, ip) in result.ips.iter().enumerate() {
        if !slots.iter().any(|(.., taken)| *taken == Some(n)) {
            lost.push(format!("ips[{n}]"));
        } else if ip.interface.is_some() {
            lost.push(format!("ips[{n}].interface"));
        }
    }
    for (n, route) in result.routes.iter().enumerate() {
        let slot = slots.iter().find(|(_, wants_v4, _)| *wants_v4 == is_v4(route.dst.addr()));
        if slot.is_none_or(|(.., taken)| taken.is_none()) {
            lost.push(format!("routes[{n}]"));
        }
    }
    let mut members = Members::default();
    members.put("cniVersion", Node::text(version));
    for (key, wants_v4, taken) in slots {
        let Some(n) = taken else { continue };
        let routes = result.routes.iter().enumerate();
        let routes = routes.filter(|(_, route)| is_v4(route.dst.addr()) == wants_v4);
        members.put(key, slot_members(&result.ips[n], n, routes, lost).in_order());
    }
    members.put("dns", dns_members(&result.dns, lost).in_order());
    members.with_extra(&result.extra, &KEYS, "", lost).in_order()
}

fn slot_members<'a>(
    ip: &IpConfig,
    n: usize,
    routes: impl Iterator<Item = (usize, &'a Route)>,
    lost: &mut Vec<String>,
) -> Members {
    let mut members = Members::default();
    members.put("ip", Node::text(ip.address));
    members.put_if_any("gateway", ip.gateway.map(Node::text));
    let routes =
        routes.map(|(n, route)| route_members(route, &format!("routes[{n}]."), lost).in_order()).collect();
    members.put_list("routes", routes);
    members.with_extra(&ip.extra, &SLOT_KEYS, &format!("ips[{n}]."), lost)
}

fn is_v4(address: IpAddr) -> bool {
    address.to_canonical().is_ipv4()
}
