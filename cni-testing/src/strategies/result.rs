//! Results of ADD.

use std::net::IpAddr;

use cni_skel::types::{AddResult, Interface, IpConfig, SpecVersion};
use ipnet::IpNet;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};

use super::json::{extra, filled_text, text};
use super::names::mac_addr;
use super::network::{dns, ip_addr, ip_net, number, route};
use super::spec_version;

/// An interface with any of its attributes.
pub fn interface() -> impl Strategy<Value = Interface> + Clone {
    let mac = prop_oneof![mac_addr().prop_map(|mac| mac.to_string()), filled_text()];
    let texts = (option::of(filled_text()), option::of(filled_text()), option::of(filled_text()));
    (text(), option::of(mac), number(), texts, extra())
        .prop_map(|(name, mac, mtu, texts, extra)| {
            let mut interface = Interface::new(name);
            interface.mac = mac;
            interface.mtu = mtu;
            (interface.sandbox, interface.socket_path, interface.pci_id) = texts;
            interface.extra = extra;
            interface
        })
        .boxed()
}

/// An address of a container. The index of its interface may be out of range, because the input may be wrong.
pub fn ip_config() -> impl Strategy<Value = IpConfig> + Clone {
    let index = prop_oneof![0..3_usize, any::<u32>().prop_map(|index| index as usize)];
    (ip_net(), option::of(ip_addr()), option::of(index), extra())
        .prop_map(|(address, gateway, index, extra)| {
            let mut ip = IpConfig::new(address);
            ip.gateway = gateway;
            ip.interface = index;
            ip.extra = extra;
            ip
        })
        .boxed()
}

/// A result with any attributes of the newest version.
pub fn add_result() -> impl Strategy<Value = AddResult> + Clone {
    (vec(interface(), 0..3), vec(ip_config(), 0..4), vec(route(), 0..4), dns(), extra())
        .prop_map(|(interfaces, ips, routes, dns, extra)| {
            let mut result = AddResult::default();
            result.interfaces = interfaces;
            result.ips = ips;
            result.routes = routes;
            result.dns = dns;
            result.extra = extra;
            result
        })
        .boxed()
}

/// A result that a version can express without loss.
///
/// In 0.1.0 and 0.2.0 it has at least one address, at most one of each family, and IPv4 first.
pub fn add_result_for(version: SpecVersion) -> impl Strategy<Value = AddResult> + Clone {
    (add_result(), ip_config())
        .prop_map(move |(mut result, address)| {
            if version < SpecVersion::V1_0_0 {
                for interface in &mut result.interfaces {
                    (interface.mtu, interface.socket_path, interface.pci_id) = (None, None, None);
                }
            }
            if version < SpecVersion::V0_3_0 {
                result.interfaces.clear();
                if result.ips.is_empty() {
                    result.ips.push(address);
                }
                result.ips.iter_mut().for_each(|ip| ip.interface = None);
                result.ips.sort_by_key(|ip| is_v6(ip.address));
                result.ips.dedup_by_key(|ip| is_v6(ip.address));
                let has = |v6| result.ips.iter().any(|ip| is_v6(ip.address) == v6);
                let families = (has(false), has(true));
                result.routes.retain(|route| if is_v6(route.dst) { families.1 } else { families.0 });
                result.routes.sort_by_key(|route| is_v6(route.dst));
            }
            result
        })
        .boxed()
}

/// A version, and a result that it can express without loss.
pub(super) fn versioned_result() -> impl Strategy<Value = (SpecVersion, AddResult)> + Clone {
    spec_version().prop_flat_map(|version| (Just(version), add_result_for(version))).boxed()
}

/// An IPv4-mapped address is sorted with IPv4.
fn is_v6(net: IpNet) -> bool {
    let address: IpAddr = net.addr();
    address.to_canonical().is_ipv6()
}
