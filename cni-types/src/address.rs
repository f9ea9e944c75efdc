//! Addresses as text, parsed strictly.

use std::net::IpAddr;

use ipnet::IpNet;
use thiserror::Error;

/// Parses an address with its prefix, `10.1.0.2/16`. Host bits stay; zones, masks, and leading zeros in the address are
/// refused.
///
/// ```
/// assert_eq!(cni_types::parse_cidr("10.1.0.2/16")?.to_string(), "10.1.0.2/16");
/// assert!(cni_types::parse_cidr("010.1.0.2/16").is_err());
/// # Ok::<(), cni_types::InvalidAddress>(())
/// ```
///
/// # Errors
/// When the text is anything else.
pub fn parse_cidr(text: &str) -> Result<IpNet, InvalidAddress> {
    let invalid = || InvalidAddress::new("CIDR address", text);
    let (address, prefix) = text.split_once('/').ok_or_else(invalid)?;
    // u8's own parser would take a sign.
    if prefix.starts_with('+') {
        return Err(invalid());
    }
    let prefix = prefix.parse().map_err(|_| invalid())?;
    let address = address.parse().map_err(|_| invalid())?;
    IpNet::new(address, prefix).map_err(|_| invalid())
}

/// Parses a bare address.
pub(crate) fn parse_ip(text: &str) -> Result<IpAddr, InvalidAddress> {
    text.parse().map_err(|_| InvalidAddress::new("IP address", text))
}

/// Text that is no address.
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
    fn only_an_address_with_its_prefix_is_one() {
        for good in ["0.0.0.0/0", "10.1.2.3/24", "255.255.255.255/32", "::/0", "2001:db8::5/64", "::1/128"] {
            assert_eq!(parse_cidr(good).unwrap().to_string(), good);
        }
        // The field writes it now and then, and it cannot be mistaken.
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
