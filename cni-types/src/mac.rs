//! Hardware addresses of any length.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// The length limit of the kernel for hardware addresses, in bytes.
const MAX: usize = 32;

/// A hardware address of 1 to 32 bytes: key `mac` of an
/// [interface](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#add-success), and of
/// [`runtimeConfig`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/CONVENTIONS.md#dynamic-plugin-specific-fields-capabilities--runtime-configuration).
/// An Ethernet address has 6 bytes, an Infiniband address 20.
///
/// It is printed in lower-case hexadecimal with colons. It is parsed in the three forms that the Go library accepts: with
/// colons or hyphens between the bytes, or with dots between groups of two bytes.
///
/// ```
/// use cni_types::MacAddr;
///
/// let mac: MacAddr = "0A:58:0a:01:00:02".parse()?;
/// assert_eq!(mac.to_string(), "0a:58:0a:01:00:02");
/// assert!("0a:58".parse::<MacAddr>().is_ok());
/// assert_eq!("0a58.0a01.0002".parse(), Ok(mac));
/// assert!("0a:58-0a:01:00:02".parse::<MacAddr>().is_err());
/// # Ok::<(), cni_types::InvalidMac>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MacAddr(Box<[u8]>);

impl MacAddr {
    /// Makes an address from 1 to 32 bytes in network order. Returns `None` for any other length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        (1..=MAX).contains(&bytes.len()).then(|| Self(bytes.into()))
    }

    /// Returns the bytes in network order.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns whether an Ethernet interface can have the address: it has 6 bytes, is not a group address, and is not
    /// all zeros.
    ///
    /// ```
    /// # use cni_types::MacAddr;
    /// assert!("0a:58:0a:01:00:02".parse::<MacAddr>()?.is_ethernet_unicast());
    /// assert!(!"01:00:5e:00:00:01".parse::<MacAddr>()?.is_ethernet_unicast());
    /// # Ok::<(), cni_types::InvalidMac>(())
    /// ```
    pub fn is_ethernet_unicast(&self) -> bool {
        // The lowest bit of the first byte is set in group addresses.
        self.0.len() == 6 && self.0[0] & 1 == 0 && self.0.iter().any(|byte| *byte != 0)
    }
}

impl FromStr for MacAddr {
    type Err = InvalidMac;

    /// Parses an address in one of the three forms.
    ///
    /// # Errors
    /// If the text has another form, or the address has more than 32 bytes.
    fn from_str(text: &str) -> Result<Self, InvalidMac> {
        let invalid = || InvalidMac(text.to_owned());
        let separator = ['.', '-'].into_iter().find(|other| text.contains(*other)).unwrap_or(':');
        let digits = if separator == '.' { 4 } else { 2 };
        let mut bytes = Vec::new();
        for part in text.split(separator) {
            // from_str_radix accepts a sign.
            if part.len() != digits || !part.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(invalid());
            }
            let number = u16::from_str_radix(part, 16).map_err(|_| invalid())?;
            bytes.extend(&number.to_be_bytes()[2 - digits / 2..]);
        }
        Self::from_bytes(&bytes).ok_or_else(invalid)
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, byte) in self.0.iter().enumerate() {
            let colon = if n == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02x}")?;
        }
        Ok(())
    }
}

impl From<MacAddr> for String {
    fn from(mac: MacAddr) -> Self {
        mac.to_string()
    }
}

impl From<&MacAddr> for String {
    fn from(mac: &MacAddr) -> Self {
        mac.to_string()
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for MacAddr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MacAddr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The error for text that is not a hardware address.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("invalid hardware address {0:?}")]
pub struct InvalidMac(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_not_an_address_is_refused() {
        let long = vec!["00"; 33].join(":");
        for bad in [
            "",
            ":",
            "0:1:2:3:4:5",
            "+a:00:00:00:00:00",
            "0a:58:",
            "0a:58:0g:00:00:00",
            "0a:58-00:00-00:00",
            "0a58:0000:0000",
            "0a58.0000.00",
            "+a58.0000.0000",
            "0a.58.00",
            "0a580000",
            "é.é",
            long.as_str(),
        ] {
            assert!(bad.parse::<MacAddr>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_address_has_one_of_three_forms() {
        for text in ["0A:58:0a:01:00:fe", "0a-58-0A-01-00-fE", "0a58.0A01.00fe"] {
            assert_eq!(text.parse::<MacAddr>().unwrap().to_string(), "0a:58:0a:01:00:fe");
        }
        assert_eq!("0a".parse::<MacAddr>().unwrap().as_bytes(), [0x0a]);
    }

    #[test]
    fn an_infiniband_address_has_twenty_bytes() {
        let text = vec!["fe"; 20].join(":");
        assert_eq!(text.parse::<MacAddr>().unwrap().as_bytes(), [0xfe; 20]);
    }
}
