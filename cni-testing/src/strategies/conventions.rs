//! Values of the conventions beside the specification.

use std::num::{NonZeroU16, NonZeroU64};

use cni_skel::types::{
    Alias, Bandwidth, CgroupPath, DeviceId, InfinibandGuid, IpRange, Label, Pod, PortMapping, Protocol,
    RateLimit, RequestedIp, RuntimeDns, from_json,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::sample::select;
use serde_json::json;

use super::json::{filled_text, text};
use super::names::container_id;
use super::network::{ip_addr, ip_net};

/// A protocol with ports.
pub fn protocol() -> impl Strategy<Value = Protocol> + Clone {
    select(Protocol::ALL)
}

/// A port of the host that is mapped to a container.
pub fn port_mapping() -> impl Strategy<Value = PortMapping> + Clone {
    let port = any::<NonZeroU16>();
    let address = option::of(ip_addr().prop_map(|address| address.to_canonical()));
    (port.clone(), port, protocol(), address).prop_map(|(host_port, container_port, protocol, host_ip)| {
        let mut mapping = PortMapping::new(host_port, container_port).protocol(protocol);
        mapping.host_ip = host_ip;
        mapping
    })
}

/// A range of addresses: a subnet of any size, with or without start, end and gateway.
pub fn ip_range() -> impl Strategy<Value = IpRange> + Clone {
    let subnet = ip_net().prop_filter("IPv4 written as IPv6", |net| net.addr().to_canonical() == net.addr());
    (subnet, [any::<bool>(), any::<bool>(), any::<bool>()])
        .prop_map(|(subnet, [has_start, has_end, has_gateway])| {
            let mut range = json!({"subnet": subnet.trunc().to_string()});
            for (key, is_there, address) in [
                ("rangeStart", has_start, subnet.network()),
                ("rangeEnd", has_end, subnet.addr()),
                ("gateway", has_gateway, subnet.network()),
            ] {
                if is_there {
                    range[key] = json!(address.to_canonical());
                }
            }
            range.to_string()
        })
        // The first address of a large IPv6 subnet can be an IPv4-mapped one.
        .prop_filter_map("no range", |json| from_json::<IpRange>(&json).ok())
}

/// The limit for one direction.
pub fn rate_limit() -> impl Strategy<Value = RateLimit> + Clone {
    (any::<NonZeroU64>(), any::<NonZeroU64>()).prop_map(|(rate, burst)| RateLimit::new(rate, burst))
}

/// Limits for each direction, or none.
pub fn bandwidth() -> impl Strategy<Value = Bandwidth> + Clone {
    (option::of(rate_limit()), option::of(rate_limit()))
        .prop_map(|(ingress, egress)| Bandwidth::new(ingress, egress))
}

/// Resolver settings of a runtime. IPv6 servers may have a zone.
pub fn runtime_dns() -> impl Strategy<Value = RuntimeDns> + Clone {
    let server =
        prop_oneof![ip_addr().prop_map(|address| address.to_string()), "fe80::[1-9a-f]%[a-z0-9]{1,15}"];
    let word = prop_oneof!["[a-z]{1,8}\\.[a-z]{1,8}", "ndots:[0-9]", filled_text()]
        .prop_filter("no word", |text| !text.contains(|c: char| c.is_whitespace() || c.is_control()));
    (vec(server, 0..3), vec(word.clone(), 0..3), vec(word, 0..3)).prop_map(|(servers, searches, options)| {
        let dns = json!({"servers": servers, "searches": searches, "options": options});
        from_json(&dns.to_string()).expect("the strategy makes addresses and words")
    })
}

/// A requested address, with or without a prefix length.
pub fn requested_ip() -> impl Strategy<Value = RequestedIp> + Clone {
    let net = ip_net().prop_filter_map("IPv4 within IPv6", |net| net.to_string().parse().ok());
    prop_oneof![ip_addr().prop_map(RequestedIp::from), net]
}

/// The identifier of an Infiniband port.
pub fn infiniband_guid() -> impl Strategy<Value = InfinibandGuid> + Clone {
    any::<[u8; 8]>().prop_map(InfinibandGuid::from_bytes)
}

/// A device, often on PCI.
pub fn device_id() -> impl Strategy<Value = DeviceId> + Clone {
    prop_oneof!["[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\\.[0-7]", "[a-z]{255}", filled_text()]
        .prop_filter_map("no device id", |id| DeviceId::try_from(id).ok())
}

/// An alias of a container.
pub fn alias() -> impl Strategy<Value = Alias> + Clone {
    prop_oneof!["[a-zA-Z0-9_-]{1,63}", "[a-z]{1,63}(\\.[a-z0-9_-]{1,63}){0,2}"]
        .prop_map(|alias| Alias::try_from(alias).expect("the strategy makes labels with dots between"))
}

/// The control group of a pod.
pub fn cgroup_path() -> impl Strategy<Value = CgroupPath> + Clone {
    let part = prop_oneof!["[a-z-]{1,16}\\.slice", filled_text()];
    (any::<bool>(), vec(part, 1..4)).prop_filter_map("no cgroup path", |(is_absolute, parts)| {
        let root = if is_absolute { "/" } else { "" };
        CgroupPath::try_from(format!("{root}{}", parts.join("/"))).ok()
    })
}

/// A label of a container.
pub fn label() -> impl Strategy<Value = Label> + Clone {
    (filled_text(), text()).prop_map(|(key, value)| Label::new(key, value))
}

/// The pod of a container, with any of its attributes.
pub fn pod() -> impl Strategy<Value = Pod> + Clone {
    let name = || option::of("[a-z0-9][a-z0-9.-]{0,63}");
    (name(), name(), name(), option::of(container_id())).prop_map(
        |(namespace, name, uid, infra_container_id)| {
            let mut pod = Pod::default();
            (pod.namespace, pod.name, pod.uid) = (namespace, name, uid);
            pod.infra_container_id = infra_container_id;
            pod
        },
    )
}
