//! Addresses, routes and resolver settings.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cni_skel::types::{Dns, Route};
use ipnet::IpNet;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};

use super::json::{extra, filled_text, text};

/// An address of either family, including IPv4-mapped ones and the ends of the range.
pub fn ip_addr() -> impl Strategy<Value = IpAddr> + Clone {
    prop_oneof![
        4 => any::<u32>().prop_map(|bits| IpAddr::from(Ipv4Addr::from(bits))),
        4 => any::<u128>().prop_map(|bits| IpAddr::from(Ipv6Addr::from(bits))),
        1 => any::<u32>().prop_map(|bits| IpAddr::from(Ipv4Addr::from(bits).to_ipv6_mapped())),
        1 => any::<u32>().prop_map(|bits| IpAddr::from(Ipv6Addr::from(u128::from(bits)))),
        1 => Just(IpAddr::from(Ipv4Addr::UNSPECIFIED)),
        1 => Just(IpAddr::from(Ipv4Addr::BROADCAST)),
        1 => Just(IpAddr::from(Ipv6Addr::UNSPECIFIED)),
    ]
}

/// An address with a prefix length, host bits included.
pub fn ip_net() -> impl Strategy<Value = IpNet> + Clone {
    (ip_addr(), any::<u8>()).prop_map(|(address, prefix)| {
        let longest = if address.is_ipv4() { 32 } else { 128 };
        IpNet::new(address, prefix % (longest + 1)).expect("the prefix is within the family's length")
    })
}

/// A route with any of its attributes.
pub fn route() -> impl Strategy<Value = Route> + Clone {
    let numbers = (number(), number(), number(), number(), number());
    (ip_net(), option::of(ip_addr()), numbers, extra())
        .prop_map(|(dst, gw, numbers, extra)| {
            let mut route = Route::new(dst);
            route.gw = gw;
            (route.mtu, route.advmss, route.priority, route.table, route.scope) = numbers;
            route.extra = extra;
            route
        })
        .boxed()
}

/// Resolver settings, often none.
pub fn dns() -> impl Strategy<Value = Dns> + Clone {
    let texts = || vec(text(), 0..3);
    let some = (texts(), option::of(filled_text()), texts(), texts(), extra()).prop_map(
        |(nameservers, domain, search, options, extra)| {
            let mut dns = Dns::default();
            dns.nameservers = nameservers;
            dns.domain = domain;
            dns.search = search;
            dns.options = options;
            dns.extra = extra;
            dns
        },
    );
    prop_oneof![Just(Dns::default()), some].boxed()
}

/// An optional number of an attribute, usually `None`.
pub(super) fn number() -> impl Strategy<Value = Option<u32>> + Clone {
    prop_oneof![
        4 => Just(None),
        1 => any::<u32>().prop_map(Some),
        1 => Just(Some(0)),
        1 => Just(Some(u32::MAX)),
    ]
}
