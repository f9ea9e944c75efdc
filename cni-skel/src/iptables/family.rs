//! IPv4 and IPv6: the program, the table, and the offsets of addresses in packets.

use std::path::Path;

use crate::nft::{self, Base, Chain, ChainType, Hook, Table};

/// The name of the table.
pub(super) const NAT: &str = "nat";

/// The family of a table: IPv4 or IPv6.
///
/// [`nft::Family`] has families for both, and for bridges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "iptables has no others")]
pub enum Family {
    /// IPv4: `iptables`.
    Ipv4,
    /// IPv6: `ip6tables`.
    Ipv6,
}

impl Family {
    /// Both families.
    pub const ALL: [Self; 2] = [Self::Ipv4, Self::Ipv6];

    /// Returns the family of an address.
    pub fn of(address: impl Into<std::net::IpAddr>) -> Self {
        if address.into().is_ipv4() { Self::Ipv4 } else { Self::Ipv6 }
    }

    pub(super) fn program(self) -> &'static str {
        match self {
            Self::Ipv4 => "iptables",
            Self::Ipv6 => "ip6tables",
        }
    }

    /// Returns the path of the kernel's list of tables of `iptables-legacy`.
    pub(super) fn names(self) -> &'static Path {
        Path::new(match self {
            Self::Ipv4 => "/proc/thread-self/net/ip_tables_names",
            Self::Ipv6 => "/proc/thread-self/net/ip6_tables_names",
        })
    }

    pub(super) fn table(self) -> Table {
        let family = match self {
            Self::Ipv4 => nft::Family::Ip,
            Self::Ipv6 => nft::Family::Ip6,
        };
        Table::new(family, NAT)
    }

    /// Returns the chain of nftables with this name. Names of built-in chains give base chains.
    pub(super) fn chain(self, name: &str) -> Chain {
        let base = match name {
            "PREROUTING" => Base::new(ChainType::Nat, Hook::Prerouting, Base::DSTNAT),
            "INPUT" => Base::new(ChainType::Nat, Hook::Input, Base::SRCNAT),
            "OUTPUT" => Base::new(ChainType::Nat, Hook::Output, Base::DSTNAT),
            "POSTROUTING" => Base::new(ChainType::Nat, Hook::Postrouting, Base::SRCNAT),
            other => return Chain::new(&self.table(), other),
        };
        Chain::base(&self.table(), name, base)
    }

    /// Returns the offsets of source and destination address in a packet.
    pub(super) fn offsets(self) -> [u32; 2] {
        match self {
            Self::Ipv4 => [12, 16],
            Self::Ipv6 => [8, 24],
        }
    }

    pub(super) fn address_length(self) -> usize {
        match self {
            Self::Ipv4 => 4,
            Self::Ipv6 => 16,
        }
    }
}
