//! Port mappings.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use super::address_or_empty;

/// A port of the host that is forwarded to a port of the container: an element of capability
/// [`portMappings`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/CONVENTIONS.md#dynamic-plugin-specific-fields-capabilities--runtime-configuration).
///
/// ```
/// use cni_types::{PortMapping, Protocol, from_json};
///
/// // As containerd writes it.
/// let mapping: PortMapping =
///     from_json(r#"{"HostPort": 8080, "ContainerPort": 80, "Protocol": "tcp", "HostIP": ""}"#)?;
/// assert_eq!((mapping.host_port.get(), mapping.container_port.get()), (8080, 80));
/// assert_eq!((mapping.protocol, mapping.host_ip), (Protocol::Tcp, None));
///
/// assert!(from_json::<PortMapping>(r#"{"hostPort": 65536, "containerPort": 80}"#).is_err());
/// # Ok::<(), cni_types::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PortMapping {
    /// The port of the host, 1 to 65535: key `hostPort`.
    pub host_port: NonZeroU16,
    /// The port of the container, 1 to 65535: key `containerPort`.
    pub container_port: NonZeroU16,
    /// The protocol of both ports: key `protocol`. It is TCP if the key is absent or empty.
    #[serde(default)]
    pub protocol: Protocol,
    /// The address of the host: key `hostIP`. It is `None` if the key is absent or empty, which stands for every address.
    /// `0.0.0.0` and `::` stand for every address of their family.
    #[serde(
        rename = "hostIP",
        default,
        deserialize_with = "address_or_empty",
        skip_serializing_if = "Option::is_none"
    )]
    pub host_ip: Option<IpAddr>,
}

impl PortMapping {
    /// Makes a mapping for TCP and every address of the host.
    pub fn new(host_port: NonZeroU16, container_port: NonZeroU16) -> Self {
        Self { host_port, container_port, protocol: Protocol::Tcp, host_ip: None }
    }

    /// Sets the protocol.
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Sets the address of the host.
    #[must_use]
    pub fn host_ip(mut self, host_ip: IpAddr) -> Self {
        self.host_ip = Some(host_ip);
        self
    }
}

/// A transport protocol: key `protocol` of a
/// [port mapping](https://github.com/containernetworking/cni/blob/spec-v1.1.0/CONVENTIONS.md#dynamic-plugin-specific-fields-capabilities--runtime-configuration),
/// in any case. The default is TCP, as in every runtime.
///
/// ```
/// use cni_types::Protocol;
///
/// assert_eq!("UDP".parse(), Ok(Protocol::Udp));
/// assert_eq!(Protocol::default().as_str(), "tcp");
/// # Ok::<(), cni_types::UnknownProtocol>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// `tcp`.
    #[default]
    Tcp,
    /// `udp`.
    Udp,
    /// `sctp`.
    Sctp,
}

impl Protocol {
    /// All protocols.
    pub const ALL: &'static [Self] = &[Self::Tcp, Self::Udp, Self::Sctp];

    /// The name in lower case, as in iptables, nftables and `/etc/protocols`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }

    /// The number in IP headers.
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }
}

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    /// Parses a name in any case.
    ///
    /// # Errors
    /// If the text is not the name of a protocol.
    fn from_str(text: &str) -> Result<Self, UnknownProtocol> {
        let known = Self::ALL.iter().copied().find(|protocol| protocol.as_str().eq_ignore_ascii_case(text));
        known.ok_or_else(|| UnknownProtocol(text.to_owned()))
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Protocol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Protocol {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "" => Ok(Self::default()),
            text => text.parse().map_err(de::Error::custom),
        }
    }
}

/// The error for text that is not the name of a transport protocol.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown protocol {0:?}, expected tcp, udp or sctp")]
pub struct UnknownProtocol(String);
