//! Addresses that a runtime requests from an IPAM plugin.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::address::{InvalidAddress, parse_cidr};

/// An address that a runtime requests, with or without a prefix length: an element of capability
/// [`ips`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/CONVENTIONS.md#dynamic-plugin-specific-fields-capabilities--runtime-configuration)
/// and of [`args.cni.ips`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/CONVENTIONS.md#args-in-network-config),
/// and the value of [`IP` in `CNI_ARGS`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/CONVENTIONS.md#cni_args).
///
/// An IPv4-mapped IPv6 address, such as `::ffff:10.1.2.3`, is converted to the IPv4 address.
///
/// ```
/// use cni_types::RequestedIp;
///
/// let bare: RequestedIp = "10.1.2.3".parse()?;
/// assert_eq!((bare.to_string().as_str(), bare.net()), ("10.1.2.3", None));
/// let with_prefix: RequestedIp = "10.1.2.3/24".parse()?;
/// assert_eq!((with_prefix.address(), with_prefix.prefix()), (bare.address(), Some(24)));
/// assert!("10.1.2.3/33".parse::<RequestedIp>().is_err());
/// # Ok::<(), cni_types::InvalidAddress>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestedIp {
    address: IpAddr,
    net: Option<IpNet>,
}

impl RequestedIp {
    /// Returns the address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Returns the prefix length, if one is requested.
    pub fn prefix(&self) -> Option<u8> {
        self.net.map(|net| net.prefix_len())
    }

    /// Returns the address with its prefix length, if one is requested.
    pub fn net(&self) -> Option<IpNet> {
        self.net
    }
}

impl From<IpAddr> for RequestedIp {
    fn from(address: IpAddr) -> Self {
        Self { address: address.to_canonical(), net: None }
    }
}

impl FromStr for RequestedIp {
    type Err = InvalidAddress;

    /// Parses an address with or without a prefix length.
    ///
    /// # Errors
    /// If the address or the prefix length is invalid.
    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(address.into());
        }
        let invalid = || InvalidAddress::new("IP address, with or without a prefix", text);
        let net = parse_cidr(text).map_err(|_| invalid())?;
        let address = net.addr().to_canonical();
        if address == net.addr() {
            return Ok(Self { address, net: Some(net) });
        }
        // The first 96 bits are the prefix of all IPv4-mapped addresses.
        let prefix = net.prefix_len().checked_sub(96).ok_or_else(invalid)?;
        let net = IpNet::new(address, prefix).map_err(|_| invalid())?;
        Ok(Self { address, net: Some(net) })
    }
}

impl fmt::Display for RequestedIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.net {
            Some(net) => net.fmt(f),
            None => self.address.fmt(f),
        }
    }
}

impl Serialize for RequestedIp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RequestedIp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
