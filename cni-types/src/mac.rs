//! Hardware addresses of any length.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// The longest hardware address that the kernel knows, in bytes.
const MAX: usize = 32;

/// A hardware address: six bytes for Ethernet, twenty for Infiniband. Written in hexadecimal with colons, as in key
/// `mac` of an [interface](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#add-success); what the Go
/// library takes besides, hyphens between the bytes or dots between each two, is read too.
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
    /// Takes an address as the kernel gives it: 1 to 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        (1..=MAX).contains(&bytes.len()).then(|| Self(bytes.into()))
    }

    /// The address as the kernel takes it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether an Ethernet interface can have it: it has six bytes, is no group address, and is not zero.
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

    fn from_str(text: &str) -> Result<Self, InvalidMac> {
        let invalid = || InvalidMac(text.to_owned());
        let separator = ['.', '-'].into_iter().find(|other| text.contains(*other)).unwrap_or(':');
        let digits = if separator == '.' { 4 } else { 2 };
        let mut bytes = Vec::new();
        for part in text.split(separator) {
            // from_str_radix alone would take a sign.
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

/// Text that is no hardware address.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("invalid hardware address {0:?}")]
pub struct InvalidMac(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_no_address_is_refused() {
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
    fn an_address_is_written_in_one_of_three_ways() {
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
