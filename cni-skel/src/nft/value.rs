//! Fields of packets, the values that rules compare them with, and their types.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cni_types::Protocol;

use super::constants::{NFPROTO_IPV4, NFPROTO_IPV6};
use super::expression::{Expression, Register};
use crate::net::LinkIndex;

/// The length of the kernel's buffer for an interface's name.
const IFNAMSIZ: usize = 16;

/// The type of a value. The descriptions are the names that `nft` uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DataType {
    /// `ipv4_addr`.
    Ipv4Addr,
    /// `ipv6_addr`.
    Ipv6Addr,
    /// `ether_addr`.
    EtherAddr,
    /// `inet_proto`: a protocol number.
    InetProto,
    /// `inet_service`: a port.
    InetService,
    /// `ifname`: the name of an interface.
    IfName,
    /// `iface_index`.
    IfIndex,
    /// `mark`.
    Mark,
    /// `nf_proto`: IPv4 or IPv6.
    NfProto,
    /// `fib_addrtype`.
    FibAddrType,
    /// `ct_state`.
    CtState,
}

impl DataType {
    /// All types.
    pub const ALL: &'static [Self] = &[
        Self::Ipv4Addr,
        Self::Ipv6Addr,
        Self::EtherAddr,
        Self::InetProto,
        Self::InetService,
        Self::IfName,
        Self::IfIndex,
        Self::Mark,
        Self::NfProto,
        Self::FibAddrType,
        Self::CtState,
    ];

    /// Returns the number of the type that `nft` stores in the kernel.
    pub(super) fn number(self) -> u32 {
        match self {
            Self::NfProto => 2,
            Self::Ipv4Addr => 7,
            Self::Ipv6Addr => 8,
            Self::EtherAddr => 9,
            Self::InetProto => 12,
            Self::InetService => 13,
            Self::Mark => 19,
            Self::IfIndex => 20,
            Self::CtState => 26,
            Self::FibAddrType => 38,
            Self::IfName => 41,
        }
    }

    pub(super) fn from_number(number: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.number() == number)
    }

    /// Returns the length of a value in bytes.
    pub(super) fn length(self) -> usize {
        match self {
            Self::InetProto | Self::NfProto => 1,
            Self::InetService => 2,
            Self::Ipv4Addr | Self::IfIndex | Self::Mark | Self::FibAddrType | Self::CtState => 4,
            Self::EtherAddr => 6,
            Self::Ipv6Addr | Self::IfName => IFNAMSIZ,
        }
    }

    pub(super) fn is_host_endian(self) -> bool {
        matches!(self, Self::IfName | Self::IfIndex | Self::Mark | Self::FibAddrType | Self::CtState)
    }
}

/// A value with its type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Value {
    kind: DataType,
    bytes: Vec<u8>,
}

impl Value {
    /// Returns the value of a port.
    pub fn port(port: u16) -> Self {
        Self { kind: DataType::InetService, bytes: port.to_be_bytes().to_vec() }
    }

    /// Returns the value of an interface name. `None` if the name is empty, longer than 15 bytes or has a NUL.
    pub fn ifname(name: impl AsRef<str>) -> Option<Self> {
        let name = name.as_ref();
        if name.is_empty() || name.len() >= IFNAMSIZ || name.contains('\0') {
            return None;
        }
        let mut bytes = name.as_bytes().to_vec();
        bytes.resize(IFNAMSIZ, 0);
        Some(Self { kind: DataType::IfName, bytes })
    }

    /// Returns the value of an interface index.
    pub fn ifindex(index: LinkIndex) -> Self {
        Self { kind: DataType::IfIndex, bytes: index.get().to_ne_bytes().to_vec() }
    }

    /// Returns the value of a packet's or flow's mark.
    pub fn mark(mark: u32) -> Self {
        Self { kind: DataType::Mark, bytes: mark.to_ne_bytes().to_vec() }
    }

    /// Returns the value of a hardware address.
    pub fn ether(address: [u8; 6]) -> Self {
        Self { kind: DataType::EtherAddr, bytes: address.to_vec() }
    }

    /// Returns the value `local` of [`Field::FibDaddrType`].
    pub fn fib_local() -> Self {
        Self { kind: DataType::FibAddrType, bytes: 2_u32.to_ne_bytes().to_vec() }
    }

    /// Returns the value of [`Field::NfProto`] for packets with addresses of this family.
    pub fn nfproto_of(address: IpAddr) -> Self {
        Self::nfproto(if address.is_ipv4() { NFPROTO_IPV4 } else { NFPROTO_IPV6 })
    }

    pub(super) fn nfproto(number: u8) -> Self {
        Self { kind: DataType::NfProto, bytes: vec![number] }
    }

    /// Reads a value of a type from the beginning of `bytes`.
    pub(super) fn read(kind: DataType, bytes: &[u8]) -> Option<Self> {
        Some(Self { kind, bytes: bytes.get(..kind.length())?.to_vec() })
    }

    /// Returns its type.
    pub fn data_type(&self) -> DataType {
        self.kind
    }

    /// Returns its bytes: in the order of packets, or in the machine's order for values that packets do not contain.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the address, if it is one.
    pub fn as_ip(&self) -> Option<IpAddr> {
        match self.kind {
            DataType::Ipv4Addr => Some(Ipv4Addr::from(*self.bytes.first_chunk::<4>()?).into()),
            DataType::Ipv6Addr => Some(Ipv6Addr::from(*self.bytes.first_chunk::<16>()?).into()),
            _ => None,
        }
    }

    /// Returns the port, if it is one.
    pub fn as_port(&self) -> Option<u16> {
        (self.kind == DataType::InetService).then(|| super::wire::be16(&self.bytes))?
    }
}

impl From<IpAddr> for Value {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => v4.into(),
            IpAddr::V6(v6) => v6.into(),
        }
    }
}

impl From<Ipv4Addr> for Value {
    fn from(address: Ipv4Addr) -> Self {
        Self { kind: DataType::Ipv4Addr, bytes: address.octets().to_vec() }
    }
}

impl From<Ipv6Addr> for Value {
    fn from(address: Ipv6Addr) -> Self {
        Self { kind: DataType::Ipv6Addr, bytes: address.octets().to_vec() }
    }
}

impl From<Protocol> for Value {
    fn from(protocol: Protocol) -> Self {
        Self { kind: DataType::InetProto, bytes: vec![protocol.number()] }
    }
}

/// Concatenates values as in registers and keys: each begins at a multiple of four bytes.
pub(super) fn joined(values: &[Value]) -> Vec<u8> {
    match values {
        [one] => one.bytes.clone(),
        several => several.iter().fold(Vec::new(), |mut bytes, value| {
            bytes.extend_from_slice(&value.bytes);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        }),
    }
}

/// Splits concatenated values of known types.
pub(super) fn split(kinds: &[DataType], mut bytes: &[u8]) -> Option<Vec<Value>> {
    let mut values = Vec::with_capacity(kinds.len());
    for kind in kinds {
        values.push(Value::read(*kind, bytes)?);
        bytes = bytes.get(kind.length().next_multiple_of(4)..).unwrap_or_default();
    }
    Some(values)
}

/// A field of a packet, or of the flow that it belongs to. The descriptions are the names that `nft` uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// `ip saddr`.
    IpSaddr,
    /// `ip daddr`.
    IpDaddr,
    /// `ip6 saddr`.
    Ip6Saddr,
    /// `ip6 daddr`.
    Ip6Daddr,
    /// `ether saddr`, in tables of family `bridge` only.
    EtherSaddr,
    /// `th sport`: where TCP, UDP and SCTP have the source port.
    Sport,
    /// `th dport`: where TCP, UDP and SCTP have the destination port.
    Dport,
    /// `meta l4proto`.
    L4Proto,
    /// `meta nfproto`.
    NfProto,
    /// `iif`.
    Iif,
    /// `oif`.
    Oif,
    /// `iifname`.
    IifName,
    /// `oifname`.
    OifName,
    /// `meta mark`.
    Mark,
    /// `fib daddr type`.
    FibDaddrType,
    /// `ct state`.
    CtState,
    /// `ct mark`.
    CtMark,
}

impl Field {
    /// All fields.
    pub const ALL: &'static [Self] = &[
        Self::IpSaddr,
        Self::IpDaddr,
        Self::Ip6Saddr,
        Self::Ip6Daddr,
        Self::EtherSaddr,
        Self::Sport,
        Self::Dport,
        Self::L4Proto,
        Self::NfProto,
        Self::Iif,
        Self::Oif,
        Self::IifName,
        Self::OifName,
        Self::Mark,
        Self::FibDaddrType,
        Self::CtState,
        Self::CtMark,
    ];

    /// Returns the type of its values.
    pub fn data_type(self) -> DataType {
        match self {
            Self::IpSaddr | Self::IpDaddr => DataType::Ipv4Addr,
            Self::Ip6Saddr | Self::Ip6Daddr => DataType::Ipv6Addr,
            Self::EtherSaddr => DataType::EtherAddr,
            Self::Sport | Self::Dport => DataType::InetService,
            Self::L4Proto => DataType::InetProto,
            Self::NfProto => DataType::NfProto,
            Self::Iif | Self::Oif => DataType::IfIndex,
            Self::IifName | Self::OifName => DataType::IfName,
            Self::Mark | Self::CtMark => DataType::Mark,
            Self::FibDaddrType => DataType::FibAddrType,
            Self::CtState => DataType::CtState,
        }
    }

    /// Returns the expression that loads its first `length` bytes.
    pub(super) fn load(self, to: Register, length: usize) -> Expression {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let payload = |base, offset| Expression::Payload { to, base, offset, length };
        let meta = |key| Expression::Meta { to, key };
        match self {
            Self::EtherSaddr => payload(0, 6),
            Self::IpSaddr => payload(1, 12),
            Self::IpDaddr => payload(1, 16),
            Self::Ip6Saddr => payload(1, 8),
            Self::Ip6Daddr => payload(1, 24),
            Self::Sport => payload(2, 0),
            Self::Dport => payload(2, 2),
            Self::Mark => meta(3),
            Self::Iif => meta(4),
            Self::Oif => meta(5),
            Self::IifName => meta(6),
            Self::OifName => meta(7),
            Self::NfProto => meta(15),
            Self::L4Proto => meta(16),
            // Result 3 is the address type, flag 2 selects the destination.
            Self::FibDaddrType => Expression::Fib { to, result: 3, flags: 2 },
            Self::CtState => Expression::Ct { to, key: 0 },
            Self::CtMark => Expression::Ct { to, key: 3 },
        }
    }
}
