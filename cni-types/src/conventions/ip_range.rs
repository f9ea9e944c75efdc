//! Ranges of addresses for an IPAM plugin.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::address_or_empty;
use crate::parse_cidr;

/// A range of addresses in a subnet: an element of a range set in capability
/// [`ipRanges`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/CONVENTIONS.md#dynamic-plugin-specific-fields-capabilities--runtime-configuration).
/// The capability is a list of range sets. The container gets one address from each set.
///
/// The start, the end and the gateway are optional; `""` counts as absent. Start and end are in the subnet and in order. The
/// gateway has the family of the subnet, but may be outside of it.
///
/// ```
/// use cni_types::{IpRange, from_json};
///
/// let sets: Vec<Vec<IpRange>> = from_json(r#"[[{"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.3"}]]"#)?;
/// assert_eq!(sets[0][0].subnet().to_string(), "10.1.2.0/24");
/// assert_eq!(sets[0][0].range_start().unwrap().to_string(), "10.1.2.3");
///
/// let error = from_json::<Vec<Vec<IpRange>>>(r#"[[{"subnet": "10.1.2.3/24"}]]"#).unwrap_err();
/// assert_eq!(error.to_string(), "[0][0]: subnet 10.1.2.3/24 has host bits set; the network is 10.1.2.0/24");
/// # Ok::<(), cni_types::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct IpRange {
    subnet: IpNet,
    range_start: Option<IpAddr>,
    range_end: Option<IpAddr>,
    gateway: Option<IpAddr>,
}

impl IpRange {
    /// The subnet, which has no host bits set: key `subnet`.
    pub fn subnet(&self) -> IpNet {
        self.subnet
    }

    /// The first address of the range: key `rangeStart`.
    pub fn range_start(&self) -> Option<IpAddr> {
        self.range_start
    }

    /// The last address of the range: key `rangeEnd`.
    pub fn range_end(&self) -> Option<IpAddr> {
        self.range_end
    }

    /// The gateway: key `gateway`.
    pub fn gateway(&self) -> Option<IpAddr> {
        self.gateway
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(deserialize_with = "from_text", serialize_with = "to_text")]
    subnet: IpNet,
    #[serde(default, deserialize_with = "address_or_empty", skip_serializing_if = "Option::is_none")]
    range_start: Option<IpAddr>,
    #[serde(default, deserialize_with = "address_or_empty", skip_serializing_if = "Option::is_none")]
    range_end: Option<IpAddr>,
    #[serde(default, deserialize_with = "address_or_empty", skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
}

impl TryFrom<Wire> for IpRange {
    type Error = String;

    fn try_from(wire: Wire) -> Result<Self, String> {
        let Wire { subnet, range_start, range_end, gateway } = wire;
        if subnet.addr().to_canonical() != subnet.addr() {
            return Err(format!("subnet {subnet} is IPv4 written as IPv6"));
        }
        if subnet.trunc() != subnet {
            let net = subnet.trunc();
            return Err(format!("subnet {subnet} has host bits set; the network is {net}"));
        }
        for (key, address) in [("rangeStart", range_start), ("rangeEnd", range_end)] {
            if let Some(address) = address.filter(|address| !subnet.contains(address)) {
                return Err(format!("{key} {address} is not in subnet {subnet}"));
            }
        }
        if let (Some(start), Some(end)) = (range_start, range_end)
            && start > end
        {
            return Err(format!("rangeStart {start} is after rangeEnd {end}"));
        }
        if let Some(gateway) = gateway.filter(|gateway| gateway.is_ipv4() != subnet.addr().is_ipv4()) {
            return Err(format!("gateway {gateway} and subnet {subnet} are of different address families"));
        }
        Ok(Self { subnet, range_start, range_end, gateway })
    }
}

impl From<IpRange> for Wire {
    fn from(range: IpRange) -> Self {
        let IpRange { subnet, range_start, range_end, gateway } = range;
        Self { subnet, range_start, range_end, gateway }
    }
}

fn from_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpNet, D::Error> {
    parse_cidr(&String::deserialize(deserializer)?).map_err(de::Error::custom)
}

fn to_text<S: Serializer>(subnet: &IpNet, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(subnet)
}
