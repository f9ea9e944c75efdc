//! The shape from 0.3.0: lists of interfaces, addresses and routes.

use super::family::Family;
use super::fields::Fields;
use super::parts::{dns_from, dns_members, route_from, route_members};
use crate::json::{Members, Node, Path};
use crate::{AddResult, DecodeError, Interface, IpConfig, SpecVersion};

pub(super) fn decode(mut fields: Fields<'_>, family: Family) -> Result<AddResult, DecodeError> {
    let interfaces = fields.list("interfaces", |json, path| interface_from(json, path, family))?;
    let mut ips = fields.list("ips", |json, path| ip_from(json, path, family))?;
    if ips.is_empty() && family == Family::VersionedLists {
        // The text of 0.3.0 names the list `ip`. Its examples and all later versions name it `ips`.
        ips = fields.list("ip", |json, path| ip_from(json, path, family))?;
    }
    let routes = fields.list("routes", route_from)?;
    let dns = fields.with("dns", dns_from)?.unwrap_or_default();
    Ok(AddResult { interfaces, ips, routes, dns, extra: fields.extra() })
}

fn interface_from(json: &str, path: &Path<'_>, family: Family) -> Result<Interface, DecodeError> {
    let mut fields = Fields::parse(json, path)?;
    // An interface without a name is invalid, but must pass through like the others.
    let mut interface = Interface::new(fields.text("name")?.unwrap_or_default());
    interface.mac = fields.text("mac")?;
    interface.sandbox = fields.text("sandbox")?;
    if family == Family::Lists {
        interface.mtu = fields.value("mtu")?;
        interface.socket_path = fields.text("socketPath")?;
        interface.pci_id = fields.text("pciID")?;
    }
    interface.extra = fields.extra();
    Ok(interface)
}

fn ip_from(json: &str, path: &Path<'_>, family: Family) -> Result<IpConfig, DecodeError> {
    let mut fields = Fields::parse(json, path)?;
    let address = fields.cidr("address")?.ok_or_else(|| fields.missing("address"))?;
    if family == Family::VersionedLists {
        // It can only repeat the family of the address, so it is checked to be a string and not used.
        fields.text("version")?;
    }
    let index: Option<i64> = fields.value("interface")?;
    Ok(IpConfig {
        address,
        gateway: fields.ip("gateway")?,
        // Some plugins write -1 if there is no interface.
        interface: index.and_then(|index| usize::try_from(index).ok()),
        extra: fields.extra(),
    })
}

/// The known keys of each object. An unknown key with one of these names would be read as the known one.
const KEYS: [&str; 5] = ["cniVersion", "interfaces", "ips", "routes", "dns"];
const VERSIONED_KEYS: [&str; 6] = ["cniVersion", "interfaces", "ips", "ip", "routes", "dns"];
const INTERFACE_KEYS: [&str; 6] = ["name", "mac", "mtu", "sandbox", "socketPath", "pciID"];
const VERSIONED_INTERFACE_KEYS: [&str; 3] = ["name", "mac", "sandbox"];
const IP_KEYS: [&str; 3] = ["address", "gateway", "interface"];
const VERSIONED_IP_KEYS: [&str; 4] = ["version", "address", "gateway", "interface"];

pub(super) fn encode(
    result: &AddResult,
    version: SpecVersion,
    family: Family,
    lost: &mut Vec<String>,
) -> Node {
    let finish =
        |members: Members| if family == Family::Lists { members.sorted() } else { members.in_order() };
    let mut members = Members::default();
    members.put("cniVersion", Node::text(version));
    let interfaces = result.interfaces.iter().enumerate();
    let interfaces = interfaces.map(|(n, interface)| finish(interface_members(interface, n, family, lost)));
    members.put_list("interfaces", interfaces.collect());
    let ips = result.ips.iter().enumerate();
    members.put_list("ips", ips.map(|(n, ip)| finish(ip_members(ip, n, family, lost))).collect());
    let routes = result.routes.iter().enumerate();
    let routes = routes.map(|(n, route)| finish(route_members(route, &format!("routes[{n}]."), lost)));
    members.put_list("routes", routes.collect());
    // Versions up to 0.4.0 always have the key.
    if family == Family::VersionedLists || !result.dns.is_empty() {
        members.put("dns", finish(dns_members(&result.dns, lost)));
    }
    let shape: &[&str] = if family == Family::Lists { &KEYS } else { &VERSIONED_KEYS };
    finish(members.with_extra(&result.extra, shape, "", lost))
}

fn interface_members(interface: &Interface, n: usize, family: Family, lost: &mut Vec<String>) -> Members {
    let mut members = Members::default();
    members.put("name", Node::text(&interface.name));
    members.put_if_any("mac", interface.mac.as_ref().map(Node::text));
    members.put_if_any("sandbox", interface.sandbox.as_ref().map(Node::text));
    let newer = [
        ("mtu", interface.mtu.map(|mtu| Node::Number(mtu.into()))),
        ("socketPath", interface.socket_path.as_ref().map(Node::text)),
        ("pciID", interface.pci_id.as_ref().map(Node::text)),
    ];
    for (key, value) in newer {
        if family == Family::Lists {
            members.put_if_any(key, value);
        } else if value.is_some() {
            lost.push(format!("interfaces[{n}].{key}"));
        }
    }
    let shape: &[&str] = if family == Family::Lists { &INTERFACE_KEYS } else { &VERSIONED_INTERFACE_KEYS };
    members.with_extra(&interface.extra, shape, &format!("interfaces[{n}]."), lost)
}

fn ip_members(ip: &IpConfig, n: usize, family: Family, lost: &mut Vec<String>) -> Members {
    let mut members = Members::default();
    if family == Family::VersionedLists {
        let is_v4 = ip.address.addr().to_canonical().is_ipv4();
        members.put("version", Node::text(if is_v4 { "4" } else { "6" }));
    }
    members.put_if_any("interface", ip.interface.map(|index| Node::Number(index as u64)));
    members.put("address", Node::text(ip.address));
    members.put_if_any("gateway", ip.gateway.map(Node::text));
    let shape: &[&str] = if family == Family::Lists { &IP_KEYS } else { &VERSIONED_IP_KEYS };
    members.with_extra(&ip.extra, shape, &format!("ips[{n}]."), lost)
}
