//! Addresses that are never handed out: one, a subnet of them, or a range.

use std::fmt;
use std::net::IpAddr;

use serde::de::{Deserialize, Deserializer};

use crate::address::{Family, number, text};

/// What an item of a key `exclude` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exclusion {
    first: IpAddr,
    last: IpAddr,
}

impl Exclusion {
    pub(crate) fn family(&self) -> Family {
        Family::of(self.first)
    }

    pub(crate) fn numbers(&self) -> (u128, u128) {
        (number(self.first), number(self.last))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is neither an IP address nor a subnet nor a range of addresses");
        let address = |text: &str| text.trim().parse::<IpAddr>().map(|address| address.to_canonical());
        if let Some((first, last)) = text.split_once('-') {
            let (first, last) = (address(first).map_err(|_| wrong())?, address(last).map_err(|_| wrong())?);
            if Family::of(first) != Family::of(last) {
                return Err(format!("`{text}` begins and ends in different address families"));
            }
            if first > last {
                return Err(format!("`{text}` ends before it begins"));
            }
            return Ok(Self { first, last });
        }
        if text.contains('/') {
            let subnet = cni_skel::types::parse_cidr(text).map_err(|_| wrong())?;
            return Ok(Self { first: subnet.network(), last: subnet.broadcast() });
        }
        let address = address(text).map_err(|_| wrong())?;
        Ok(Self { first: address, last: address })
    }
}

impl<'de> Deserialize<'de> for Exclusion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, Self::parse)
    }
}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => write!(f, "{}", self.first),
            false => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Exclusion;

    #[test]
    fn an_address_a_subnet_and_a_range_are_understood() {
        for (text, meaning) in [
            ("10.1.2.3", "10.1.2.3"),
            ("10.1.2.16/28", "10.1.2.16-10.1.2.31"),
            ("10.1.2.17/28", "10.1.2.16-10.1.2.31"),
            ("10.1.2.3/32", "10.1.2.3"),
            ("10.1.2.3-10.1.2.9", "10.1.2.3-10.1.2.9"),
            ("10.1.2.3 - 10.1.2.3", "10.1.2.3"),
            ("2001:db8::/127", "2001:db8::-2001:db8::1"),
            ("::/0", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ] {
            assert_eq!(Exclusion::parse(text).unwrap().to_string(), meaning);
        }
    }

    #[test]
    fn what_is_none_of_them_is_named() {
        for text in ["", "x", "10.1.2", "10.1.2.3/33", "10.1.2.3-", "-", "10.1.2.3-10.1.2.4-10.1.2.5"] {
            assert!(Exclusion::parse(text).unwrap_err().contains("is neither"), "{text}");
        }
        assert!(Exclusion::parse("10.1.2.4-10.1.2.3").unwrap_err().contains("ends before"));
        assert!(Exclusion::parse("10.1.2.4-::1").unwrap_err().contains("different address families"));
    }
}
