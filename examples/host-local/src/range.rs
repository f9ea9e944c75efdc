//! One range of addresses in one subnet.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;
use serde::Deserialize;

use crate::address::{Family, MaybeAddress, Subnet, number};
use crate::exclude::Exclusion;

/// A range as the configuration writes it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RangeSpec {
    pub(crate) subnet: Option<Subnet>,
    pub(crate) range_start: MaybeAddress,
    pub(crate) range_end: MaybeAddress,
    pub(crate) gateway: MaybeAddress,
    pub(crate) exclude: Vec<Exclusion>,
}

/// A range with everything that the configuration left out filled in, and consistent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    subnet: IpNet,
    first: IpAddr,
    last: IpAddr,
    gateway: IpAddr,
}

/// Why a range, or a set of them, is not one to allocate from. Each names the key and the value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum RangeError {
    #[error("missing subnet")]
    NoSubnet,
    #[error("subnet {0} is an IPv4-mapped IPv6 subnet; write it as IPv4")]
    Mapped(IpNet),
    #[error("subnet {0} has host bits set; the network is {net}", net = .0.trunc())]
    HostBits(IpNet),
    #[error("subnet {0} is too small to allocate from")]
    TooSmall(IpNet),
    #[error("{key} {value} is not in subnet {subnet}")]
    Outside { key: &'static str, value: IpAddr, subnet: IpNet },
    #[error("gateway {gateway} and subnet {subnet} are of different address families")]
    GatewayFamily { gateway: IpAddr, subnet: IpNet },
    #[error("rangeStart {first} is after rangeEnd {last}")]
    Backwards { first: IpAddr, last: IpAddr },
    #[error("empty range set")]
    Empty,
    #[error("subnet {0} and subnet {1} are of different address families")]
    MixedFamilies(IpNet, IpNet),
    #[error("exclude {0} has nothing in common with range {1}")]
    ExcludesNothing(Exclusion, Box<Range>),
    #[error("ranges {0} and {1} overlap")]
    Overlap(Box<Range>, Box<Range>),
}

impl Range {
    /// Fills in what the specification of the range leaves out, and checks the rest.
    pub(crate) fn new(spec: &RangeSpec) -> Result<Self, RangeError> {
        let Some(Subnet(subnet)) = spec.subnet else { return Err(RangeError::NoSubnet) };
        if subnet.addr().to_canonical() != subnet.addr() {
            return Err(RangeError::Mapped(subnet));
        }
        if subnet.trunc() != subnet {
            return Err(RangeError::HostBits(subnet));
        }
        if subnet.prefix_len() > subnet.max_prefix_len() - 2 {
            return Err(RangeError::TooSmall(subnet));
        }
        // A subnet has at least four addresses, so neither of the two sums leaves it.
        let family = Family::of(subnet.addr());
        let second = family.address(number(subnet.network()) + 1);
        let highest = match family {
            Family::V4 => family.address(number(subnet.broadcast()) - 1),
            Family::V6 => subnet.broadcast(),
        };
        let inside = |key, value: MaybeAddress, otherwise| match value.0 {
            None => Ok(otherwise),
            Some(value) if subnet.contains(&value) => Ok(value),
            Some(value) => Err(RangeError::Outside { key, value, subnet }),
        };
        // A gateway may well be elsewhere: a link-local one, say.
        let gateway = spec.gateway.0.unwrap_or(second);
        if Family::of(gateway) != family {
            return Err(RangeError::GatewayFamily { gateway, subnet });
        }
        let first = inside("rangeStart", spec.range_start, second)?;
        let last = inside("rangeEnd", spec.range_end, highest)?;
        if first > last {
            return Err(RangeError::Backwards { first, last });
        }
        Ok(Self { subnet, first, last, gateway })
    }

    pub(crate) fn subnet(&self) -> IpNet {
        self.subnet
    }

    pub(crate) fn gateway(&self) -> IpAddr {
        self.gateway
    }

    pub(crate) fn family(&self) -> Family {
        Family::of(self.first)
    }

    /// The numbers of the addresses that may be handed out, the gateway among them.
    pub(crate) fn numbers(&self) -> RangeInclusive<u128> {
        number(self.first)..=number(self.last)
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        // Addresses of two families compare by family first.
        (self.first..=self.last).contains(&address)
    }

    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{MaybeAddress, Range, RangeError, RangeSpec, Subnet};

    /// A specification from texts; an empty text leaves the key out.
    pub(crate) fn spec(subnet: &str, start: &str, end: &str, gateway: &str) -> RangeSpec {
        let address = |text: &str| MaybeAddress((!text.is_empty()).then(|| text.parse().unwrap()));
        RangeSpec {
            subnet: Some(Subnet(subnet.parse().unwrap())),
            range_start: address(start),
            range_end: address(end),
            gateway: address(gateway),
            exclude: Vec::new(),
        }
    }

    #[track_caller]
    fn assert_range(spec: &RangeSpec, range: &str, gateway: &str) {
        let built = Range::new(spec).unwrap();
        assert_eq!(built.to_string(), range);
        assert_eq!(built.gateway().to_string(), gateway);
    }

    #[test]
    fn what_is_left_out_is_filled_in() {
        assert_range(&spec("10.1.2.0/24", "", "", ""), "10.1.2.1-10.1.2.254", "10.1.2.1");
        assert_range(&spec("10.1.2.0/30", "", "", ""), "10.1.2.1-10.1.2.2", "10.1.2.1");
        assert_range(&spec("0.0.0.0/0", "", "", ""), "0.0.0.1-255.255.255.254", "0.0.0.1");
        assert_range(
            &spec("255.255.255.252/30", "", "", ""),
            "255.255.255.253-255.255.255.254",
            "255.255.255.253",
        );
        assert_range(
            &spec("2001:db8::/64", "", "", ""),
            "2001:db8::1-2001:db8::ffff:ffff:ffff:ffff",
            "2001:db8::1",
        );
        assert_range(
            &spec("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc/126", "", "", ""),
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffd-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffd",
        );
        assert_range(&spec("::/0", "", "", ""), "::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::1");
    }

    #[test]
    fn a_gateway_may_be_outside_of_the_subnet() {
        assert_range(&spec("10.1.2.0/24", "", "", "169.254.1.1"), "10.1.2.1-10.1.2.254", "169.254.1.1");
    }

    #[test]
    fn what_is_given_is_kept_even_at_the_edges_of_the_subnet() {
        assert_range(
            &spec("10.1.2.0/24", "10.1.2.0", "10.1.2.255", "10.1.2.9"),
            "10.1.2.0-10.1.2.255",
            "10.1.2.9",
        );
    }

    #[test]
    fn an_inconsistent_range_is_refused_by_key_and_value() {
        let message = |spec: &RangeSpec| Range::new(spec).unwrap_err().to_string();
        assert_eq!(Range::new(&RangeSpec::default()), Err(RangeError::NoSubnet));
        assert_eq!(
            message(&spec("10.1.2.1/24", "", "", "")),
            "subnet 10.1.2.1/24 has host bits set; the network is 10.1.2.0/24"
        );
        for small in ["10.1.2.0/31", "10.1.2.0/32", "2001:db8::/127", "2001:db8::/128"] {
            assert_eq!(
                message(&spec(small, "", "", "")),
                format!("subnet {small} is too small to allocate from")
            );
        }
        assert_eq!(
            message(&spec("10.1.2.0/24", "10.1.3.1", "", "")),
            "rangeStart 10.1.3.1 is not in subnet 10.1.2.0/24"
        );
        assert_eq!(
            message(&spec("10.1.2.0/24", "", "2001:db8::1", "")),
            "rangeEnd 2001:db8::1 is not in subnet 10.1.2.0/24"
        );
        assert_eq!(
            message(&spec("10.1.2.0/24", "", "", "::1")),
            "gateway ::1 and subnet 10.1.2.0/24 are of different address families"
        );
        assert_eq!(
            message(&spec("10.1.2.0/24", "10.1.2.9", "10.1.2.8", "")),
            "rangeStart 10.1.2.9 is after rangeEnd 10.1.2.8"
        );
        assert_eq!(
            message(&spec("::ffff:10.1.2.0/120", "", "", "")),
            "subnet ::ffff:10.1.2.0/120 is an IPv4-mapped IPv6 subnet; write it as IPv4"
        );
    }
}
