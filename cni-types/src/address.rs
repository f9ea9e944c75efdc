//! Strict parsers for IP addresses.

use std::net::IpAddr;

use ipnet::IpNet;
use thiserror::Error;

/// Parses an IP address with a prefix length, for example `10.1.0.2/16`: keys `address` and `dst` of a
/// [result](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#add-success).
///
/// Host bits are kept. Leading zeros are accepted in the prefix length, as the Go library does, and refused in the address.
///
/// ```
/// assert_eq!(cni_types::parse_cidr("10.1.0.2/16")?.to_string(), "10.1.0.2/16");
/// assert!(cni_types::parse_cidr("010.1.0.2/16").is_err());
/// # Ok::<(), cni_types::InvalidAddress>(())
/// ```
///
/// # Errors
/// If the prefix length is missing or out of range, or the address is invalid: it has a zone or leading zeros, for example.
pub fn parse_cidr(text: &str) -> Result<IpNet, InvalidAddress> {
    let invalid = || InvalidAddress::new("CIDR address", text);
    let (address, prefix) = text.split_once('/').ok_or_else(invalid)?;
    // u8's parser accepts a sign.
    if prefix.starts_with('+') {
        return Err(invalid());
    }
    let prefix = prefix.parse().map_err(|_| invalid())?;
    let address = address.parse().map_err(|_| invalid())?;
    IpNet::new(address, prefix).map_err(|_| invalid())
}

/// Parses an IP address without a prefix length.
pub(crate) fn parse_ip(text: &str) -> Result<IpAddr, InvalidAddress> {
    text.parse().map_err(|_| InvalidAddress::new("IP address", text))
}

/// The error for text that is not an IP address of the expected form.
///
/// ```
/// let error = cni_types::parse_cidr("10.1.0.2").unwrap_err();
/// assert_eq!(error.to_string(), "invalid CIDR address: 10.1.0.2");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("invalid {kind}: {text}")]
pub struct InvalidAddress {
    kind: &'static str,
    text: String,
}

impl InvalidAddress {
    pub(crate) fn new(kind: &'static str, text: &str) -> Self {
        Self { kind, text: text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_with_a_prefix_length_is_a_cidr_address() {
        for good in ["0.0.0.0/0", "10.1.2.3/24", "255.255.255.255/32", "::/0", "2001:db8::5/64", "::1/128"] {
            assert_eq!(parse_cidr(good).unwrap().to_string(), good);
        }
        // Some configurations have leading zeros in the prefix length, which is unambiguous.
        assert_eq!(parse_cidr("10.1.2.3/08").unwrap().to_string(), "10.1.2.3/8");
        for bad in [
            "",
            "/",
            "10.1.2.3",
            "10.1.2.3/",
            "10.1.2.3/33",
            "10.1.2.3/+8",
            "10.1.2.3/-8",
            "10.1.2.3/033",
            "10.1.2.3/255.0.0.0",
            "010.1.2.3/8",
            "10.1.2/8",
            "::1/129",
            "fe80::1%eth0/64",
            " 10.1.2.3/8",
            "10.1.2.3/8 ",
            "10.1.2.3/ 8",
        ] {
            assert!(parse_cidr(bad).is_err(), "{bad:?}");
        }
    }
}
