//! Routes and resolver settings, which are the same in all shapes.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;

use super::fields::Fields;
use crate::json::{Members, Node, Path, decode};
use crate::{DecodeError, Dns, Route};

pub(super) fn route_from(json: &str, path: &Path<'_>) -> Result<Route, DecodeError> {
    let mut fields = Fields::parse(json, path)?;
    let dst = fields.cidr("dst")?.ok_or_else(|| fields.missing("dst"))?;
    Ok(Route {
        dst,
        gw: fields.ip("gw")?,
        mtu: fields.value("mtu")?,
        advmss: fields.value("advmss")?,
        priority: fields.value("priority")?,
        table: fields.value("table")?,
        scope: fields.value("scope")?,
        extra: fields.extra(),
    })
}

pub(super) fn dns_from(json: &str, path: &Path<'_>) -> Result<Dns, DecodeError> {
    let mut fields = Fields::parse(json, path)?;
    Ok(Dns {
        nameservers: fields.list("nameservers", decode)?,
        domain: fields.text("domain")?,
        search: fields.list("search", decode)?,
        options: fields.list("options", decode)?,
        extra: fields.extra(),
    })
}

const ROUTE_KEYS: [&str; 7] = ["dst", "gw", "mtu", "advmss", "priority", "table", "scope"];
const DNS_KEYS: [&str; 4] = ["nameservers", "domain", "search", "options"];

/// Returns the members of a route. `at` is its path with a dot at the end.
pub(super) fn route_members(route: &Route, at: &str, lost: &mut Vec<String>) -> Members {
    let number = |number: Option<u32>| number.map(|number| Node::Number(number.into()));
    let mut members = Members::default();
    members.put("dst", Node::text(route.dst));
    members.put_if_any("gw", route.gw.map(Node::text));
    members.put_if_any("mtu", number(route.mtu));
    members.put_if_any("advmss", number(route.advmss));
    members.put_if_any("priority", number(route.priority));
    members.put_if_any("table", number(route.table));
    members.put_if_any("scope", number(route.scope));
    members.with_extra(&route.extra, &ROUTE_KEYS, at, lost)
}

pub(super) fn dns_members(dns: &Dns, lost: &mut Vec<String>) -> Members {
    let list = |texts: &[String]| (!texts.is_empty()).then(|| Node::texts(texts));
    let mut members = Members::default();
    members.put_if_any("nameservers", list(&dns.nameservers));
    members.put_if_any("domain", dns.domain.as_ref().map(Node::text));
    members.put_if_any("search", list(&dns.search));
    members.put_if_any("options", list(&dns.options));
    members.with_extra(&dns.extra, &DNS_KEYS, "dns.", lost)
}

impl From<&Route> for Node {
    fn from(route: &Route) -> Self {
        route_members(route, "", &mut Vec::new()).in_order()
    }
}

impl From<&Dns> for Node {
    fn from(dns: &Dns) -> Self {
        dns_members(dns, &mut Vec::new()).in_order()
    }
}

impl<'de> Deserialize<'de> for Route {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        route_from(json.get(), &Path::ROOT).map_err(de::Error::custom)
    }
}

impl Serialize for Route {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Node::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Dns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        dns_from(json.get(), &Path::ROOT).map_err(de::Error::custom)
    }
}

impl Serialize for Dns {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Node::from(self).serialize(serializer)
    }
}
