//! Which ports of the host are mapped to which address and port of the container.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use cni_skel::types::{AddResult, IfName, IpConfig, PortMapping, Protocol};
use ipnet::IpNet;

/// The ports of one address of the container.
#[derive(Clone, Debug)]
pub(crate) struct Ports {
    /// The container's address, with its network.
    pub(crate) net: IpNet,
    /// The ports that are mapped to it, without duplicates.
    pub(crate) mappings: Vec<Mapping>,
}

/// A port of the host, and the port of the container that it is mapped to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub(crate) protocol: Protocol,
    pub(crate) host_port: u16,
    /// The host's address, if only one address of the host is mapped.
    pub(crate) host_ip: Option<IpAddr>,
    pub(crate) container_port: u16,
}

/// As people write it: `192.0.2.1:8080/tcp`.
impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host_ip {
            Some(ip) => write!(f, "{}/{}", SocketAddr::from((ip, self.host_port)), self.protocol),
            None => write!(f, "port {}/{}", self.host_port, self.protocol),
        }
    }
}

impl Ports {
    /// Returns the ports of the container's first address of each family.
    pub(crate) fn of(result: &AddResult, ifname: &IfName, mappings: &[PortMapping]) -> Vec<Self> {
        let first =
            |is_ipv4| container_nets(result, ifname).find(|net: &IpNet| net.addr().is_ipv4() == is_ipv4);
        let nets = [first(true), first(false)].into_iter().flatten();
        nets.map(|net| Self { net, mappings: applying(net.addr().is_ipv4(), mappings) }).collect()
    }

    pub(crate) fn address(&self) -> IpAddr {
        self.net.addr()
    }

    pub(crate) fn is_ipv4(&self) -> bool {
        self.net.addr().is_ipv4()
    }
}

/// Returns the addresses of the container's interface in a result. As in the reference plugin, an address without a known
/// interface counts too.
pub(crate) fn container_nets(result: &AddResult, ifname: &IfName) -> impl Iterator<Item = IpNet> {
    let is_its = |ip: &&IpConfig| {
        let interface = ip.interface.and_then(|index| result.interfaces.get(index));
        interface.is_none_or(|interface| {
            interface.name == ifname.as_str() && interface.sandbox.as_deref().is_some_and(|s| !s.is_empty())
        })
    };
    result.ips.iter().filter(is_its).map(|ip| ip.address)
}

/// Returns the mappings of a family. Of two for the same port the first one wins.
pub(crate) fn applying(is_ipv4: bool, mappings: &[PortMapping]) -> Vec<Mapping> {
    let mut applying: Vec<Mapping> = Vec::with_capacity(mappings.len());
    for mapping in mappings {
        // 0.0.0.0 and :: stand for all addresses of their family.
        let host_ip = mapping.host_ip.map(|ip| ip.to_canonical());
        if host_ip.is_some_and(|ip| ip.is_ipv4() != is_ipv4) {
            continue;
        }
        let new = Mapping {
            protocol: mapping.protocol,
            host_port: mapping.host_port.get(),
            host_ip: host_ip.filter(|ip| !ip.is_unspecified()),
            container_port: mapping.container_port.get(),
        };
        let is_same = |old: &Mapping| {
            (old.protocol, old.host_port, old.host_ip) == (new.protocol, new.host_port, new.host_ip)
        };
        if !applying.iter().any(is_same) {
            applying.push(new);
        }
    }
    applying
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::*;

    fn mapping(host_ip: Option<&str>, container_port: u16) -> PortMapping {
        let port = |port| NonZeroU16::new(port).expect("not zero");
        let mapping = PortMapping::new(port(8080), port(container_port));
        host_ip.map_or(mapping, |ip| mapping.host_ip(ip.parse().expect("a literal")))
    }

    #[test]
    fn an_address_of_the_other_family_is_passed_over_and_an_unspecified_one_is_none() {
        let all =
            [Some("192.0.2.1"), Some("2001:db8::1"), Some("0.0.0.0"), Some("::"), Some("::ffff:192.0.2.2")];
        let all: Vec<_> = all.iter().map(|ip| mapping(*ip, 80)).collect();
        let addresses = |is_ipv4| -> Vec<_> {
            let applying = applying(is_ipv4, &all);
            applying.iter().map(|m| m.host_ip.map_or(String::new(), |ip| ip.to_string())).collect()
        };
        assert_eq!(addresses(true), ["192.0.2.1", "", "192.0.2.2"]);
        assert_eq!(addresses(false), ["2001:db8::1", ""]);
    }

    #[test]
    fn of_two_mappings_of_one_port_the_first_counts() {
        let applying = applying(true, &[mapping(None, 80), mapping(Some("0.0.0.0"), 81), mapping(None, 80)]);
        assert_eq!(applying.iter().map(|m| m.container_port).collect::<Vec<_>>(), [80]);
    }
}
