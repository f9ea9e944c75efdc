//! Infiniband GUIDs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use crate::MacAddr;

/// The GUID that is requested for an Infiniband interface: capability
/// [`infinibandGUID`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/CONVENTIONS.md#dynamic-plugin-specific-fields-capabilities--runtime-configuration).
/// It has eight bytes in hexadecimal with colons.
///
/// ```
/// use cni_types::InfinibandGuid;
///
/// let guid: InfinibandGuid = "C2:11:22:33:44:55:66:77".parse()?;
/// assert_eq!(guid.to_string(), "c2:11:22:33:44:55:66:77");
/// assert!("c2:11:22:33:44:55".parse::<InfinibandGuid>().is_err());
/// # Ok::<(), cni_types::InvalidGuid>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct InfinibandGuid([u8; 8]);

impl InfinibandGuid {
    /// Makes a GUID from its bytes in the order of the text.
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes in the order of the text.
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl FromStr for InfinibandGuid {
    type Err = InvalidGuid;

    fn from_str(text: &str) -> Result<Self, InvalidGuid> {
        // The form is that of a hardware address with eight bytes.
        let bytes = text.parse::<MacAddr>().ok().and_then(|mac| mac.as_bytes().try_into().ok());
        bytes.map(Self).ok_or_else(|| InvalidGuid(text.to_owned()))
    }
}

impl fmt::Display for InfinibandGuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, rest @ ..] = self.0;
        write!(f, "{first:02x}")?;
        rest.iter().try_for_each(|byte| write!(f, ":{byte:02x}"))
    }
}

impl fmt::Debug for InfinibandGuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for InfinibandGuid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for InfinibandGuid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The error for text that is not an Infiniband GUID.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("invalid Infiniband GUID {0:?}, expected eight bytes in hexadecimal with colons")]
pub struct InvalidGuid(String);
