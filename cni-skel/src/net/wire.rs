//! Parts that several rtnetlink messages share.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::constants::{AF_INET, AF_INET6};
use crate::netlink::Request;

pub(super) fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

/// Reads an IPv4 address of 4 bytes or an IPv6 address of 16. Returns `None` for any other length.
pub(super) fn ip(payload: &[u8]) -> Option<IpAddr> {
    match payload.len() {
        4 => Some(Ipv4Addr::from(*payload.first_chunk::<4>()?).into()),
        16 => Some(Ipv6Addr::from(*payload.first_chunk::<16>()?).into()),
        _ => None,
    }
}

/// Returns the unspecified address of a family.
pub(super) fn unspecified(family: u8) -> Option<IpAddr> {
    match family {
        AF_INET => Some(Ipv4Addr::UNSPECIFIED.into()),
        AF_INET6 => Some(Ipv6Addr::UNSPECIFIED.into()),
        _ => None,
    }
}

/// Combines an address and a prefix length. The kernel leaves out the unspecified address.
pub(super) fn net(family: u8, address: Option<IpAddr>, prefix: u8) -> Option<IpNet> {
    IpNet::new(address.or_else(|| unspecified(family))?, prefix).ok()
}

pub(super) fn put_ip(request: &mut Request, kind: u16, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => request.bytes(kind, &v4.octets()),
        IpAddr::V6(v6) => request.bytes(kind, &v6.octets()),
    };
}
