//! Addresses as numbers, as file names, and as configurations write them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cni_skel::types::parse_cidr;
use ipnet::IpNet;
use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// The two kinds of addresses; a range set has one kind only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    pub(crate) fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// The address with this number. An IPv4 number has 32 bits; those above are not looked at.
    pub(crate) fn address(self, number: u128) -> IpAddr {
        match self {
            #[allow(clippy::cast_possible_truncation, reason = "IPv4 numbers come from IPv4 addresses")]
            Self::V4 => Ipv4Addr::from_bits(number as u32).into(),
            Self::V6 => Ipv6Addr::from_bits(number).into(),
        }
    }
}

/// The address as a number, so that ranges can be counted without stepping over the end of the address space.
pub(crate) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_bits().into(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The address that a file in the state directory stands for, by its name.
///
/// Only the one spelling that the reference writes is a reservation: anything else would neither block an
/// address there nor here.
pub(crate) fn from_file_name(name: &str) -> Option<IpAddr> {
    // Most names start so; the parser needs not see `lock` or `last_reserved_ip.0`.
    let address: IpAddr = name.parse().ok()?;
    (address.to_canonical() == address && address.to_string() == name).then_some(address)
}

/// A key of the configuration that holds an address. Absent, `null` and `""` all mean none, as in the reference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MaybeAddress(pub(crate) Option<IpAddr>);

impl<'de> Deserialize<'de> for MaybeAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, |text| match text {
            "" => Ok(Self(None)),
            _ => match text.parse::<IpAddr>() {
                Ok(address) => Ok(Self(Some(address.to_canonical()))),
                Err(_) => Err(format!("`{text}` is not an IP address")),
            },
        })
    }
}

/// A subnet as the configuration writes it, with its prefix; host bits are not looked at here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subnet(pub(crate) IpNet);

impl<'de> Deserialize<'de> for Subnet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, |text| {
            parse_cidr(text).map(Self).map_err(|_| format!("`{text}` is not a subnet in CIDR notation"))
        })
    }
}

/// Deserialises a string and parses it; what does not parse is an invalid value, not a wrong type.
pub(crate) fn text<'de, D, T, F>(deserializer: D, parse: F) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    F: FnOnce(&str) -> Result<T, String>,
{
    struct Text<F>(F);

    impl<T, F: FnOnce(&str) -> Result<T, String>> Visitor<'_> for Text<F> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string with an address")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            (self.0)(text).map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Text(parse))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{Family, from_file_name, number};

    #[test]
    fn a_file_name_is_the_text_that_go_prints() {
        for name in [
            "10.1.2.3",
            "0.0.0.0",
            "255.255.255.255",
            "::",
            "::1",
            "2001:db8::1",
            "2001:db8:0:1::",
            "2001:db8::1:0:0:1",
            "2001:0:0:1::1",
            "1:0:2:3:4:5:6:7",
            "::102:304",
            "64:ff9b::102:304",
        ] {
            let address = from_file_name(name);
            assert_eq!(address.map(|a| a.to_string()).as_deref(), Some(name));
        }
    }

    #[test]
    fn another_spelling_is_not_a_reservation() {
        for name in [
            "lock",
            "last_reserved_ip.0",
            "",
            "10.1.2",
            "010.1.2.3",
            "10.1.2.3 ",
            "10.1.2.3/24",
            "2001:DB8::1",
            "2001:db8:0::1",
            "::ffff:10.1.2.3",
            "::1.2.3.4",
            "fe80::1%eth0",
            ".10.1.2.3",
        ] {
            assert_eq!(from_file_name(name), None, "{name}");
        }
    }

    #[test]
    fn numbers_reach_both_ends_of_the_address_space() {
        for text in ["0.0.0.0", "255.255.255.255", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(Family::of(address).address(number(address)), address);
        }
    }
}
