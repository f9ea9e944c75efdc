//! Links, addresses, routes, rules and neighbours, as the kernel lists them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cni_skel::net::{Link, LinkIndex, NeighbourState, Net, NetError};

/// The kernel's table with the routes of its own addresses.
const TABLE_LOCAL: u32 = 255;

pub(super) fn lines(net: &Net) -> Result<BTreeSet<String>, NetError> {
    let links = net.links()?;
    let find = |index: Option<LinkIndex>| links.iter().find(|link| Some(link.index) == index);
    let name = |index: Option<LinkIndex>| find(index).map_or("-", |link| &link.name);
    let master = |link: &Link| link.master.map(|index| name(Some(index)));
    let mut lines: BTreeSet<_> = links.iter().map(|link| describe(link, master(link))).collect();
    for address in net.addresses(None)?.into_iter().filter(|address| !is_the_kernels(address.address.addr()))
    {
        lines.insert(format!("address {} on {}", address.address, name(Some(address.link))));
    }
    for route in net.routes(None)? {
        if route.table != TABLE_LOCAL && !is_the_kernels(route.dst.addr()) {
            lines.insert(format!("route {route} on {} in table {}", name(route.link), route.table));
        }
    }
    for rule in net.routing_rules()? {
        lines.insert(format!("rule {rule:?}"));
    }
    for neighbour in
        net.neighbours(None)?.into_iter().filter(|neighbour| neighbour.state == NeighbourState::PERMANENT)
    {
        if !is_the_kernels(neighbour.address) {
            lines.insert(format!("neighbour {} on {}", neighbour.address, name(Some(neighbour.link))));
        }
    }
    Ok(lines)
}

fn describe(link: &Link, master: Option<&str>) -> String {
    let kind = link.kind.as_deref().unwrap_or("link");
    let state = if link.flags.is_up() { "up" } else { "down" };
    let mac = link.mac.as_ref().filter(|_| kind != "bridge").map(|mac| format!(", mac {mac}"));
    let master = master.map(|name| format!(", in {name}"));
    let alias = link.alias.as_ref().map(|alias| format!(", alias {alias:?}"));
    let more: String = [mac, master, alias].into_iter().flatten().collect();
    format!("{kind} {} ({state}, mtu {}{more})", link.name, link.mtu)
}

fn is_the_kernels(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_multicast(),
        IpAddr::V6(address) => address.is_multicast() || address.is_unicast_link_local(),
    }
}
