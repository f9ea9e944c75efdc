//! What one place of the table holds, in 32 bytes.

use std::net::IpAddr;

use super::hash::Hash;
use crate::address::{Family, number};

pub(super) const SIZE: usize = 32;

/// A fact about addresses that are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// Whoever's name has this hash holds the address.
    Holding { owner: u64, address: IpAddr },
    /// Which of 64 neighbours in the tree of taken addresses are taken, or full of what is taken.
    Node { place: Place, taken: u64 },
}

/// A node of the tree of taken addresses: level 0 has the addresses themselves, 64 a node; each bit of a level above
/// stands for a node of the one below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) family: Family,
    pub(super) level: u8,
    /// What the numbers of its addresses begin with.
    pub(super) prefix: u128,
}

impl Place {
    /// Where the table keeps it.
    pub(super) fn hash(&self) -> u64 {
        let mut hash = Hash::new();
        hash.add(u64::from(self.level) << 8 | u64::from(family_byte(self.family)));
        hash.add_bytes(&self.prefix.to_le_bytes());
        hash.finish()
    }
}

impl Slot {
    const HOLDING: u8 = 1;
    const NODE: u8 = 2;

    pub(super) fn hash(&self) -> u64 {
        match self {
            Self::Holding { owner, .. } => *owner,
            Self::Node { place, .. } => place.hash(),
        }
    }

    pub(super) fn encode(&self) -> [u8; SIZE] {
        let (kind, family, level, value, number) = match *self {
            Self::Holding { owner, address } => {
                (Self::HOLDING, Family::of(address), 0, owner, number(address))
            }
            Self::Node { place, taken } => (Self::NODE, place.family, place.level, taken, place.prefix),
        };
        let mut bytes = [0; SIZE];
        bytes[..3].copy_from_slice(&[kind, family_byte(family), level]);
        bytes[8..16].copy_from_slice(&value.to_le_bytes());
        bytes[16..].copy_from_slice(&number.to_le_bytes());
        bytes
    }

    /// Reads a place; none when it is empty, or not of our making.
    pub(super) fn decode(bytes: &[u8; SIZE]) -> Option<Self> {
        let family = match bytes[1] {
            4 => Family::V4,
            6 => Family::V6,
            _ => return None,
        };
        let value = u64::from_le_bytes(bytes[8..16].try_into().ok()?);
        let number = u128::from_le_bytes(bytes[16..].try_into().ok()?);
        match bytes[0] {
            Self::HOLDING => Some(Self::Holding { owner: value, address: family.address(number) }),
            Self::NODE => {
                let place = Place { family, level: bytes[2], prefix: number };
                Some(Self::Node { place, taken: value })
            }
            _ => None,
        }
    }
}

fn family_byte(family: Family) -> u8 {
    match family {
        Family::V4 => 4,
        Family::V6 => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        for address in ["10.1.2.3", "255.255.255.255", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"] {
            let slot = Slot::Holding { owner: u64::MAX - 1, address: address.parse().unwrap() };
            assert_eq!(Slot::decode(&slot.encode()), Some(slot));
        }
        let place = Place { family: Family::V6, level: 21, prefix: u128::MAX >> 1 };
        let slot = Slot::Node { place, taken: 1 << 63 };
        assert_eq!(Slot::decode(&slot.encode()), Some(slot));
        assert_eq!(Slot::decode(&[0; SIZE]), None);
        assert_eq!(Slot::decode(&[0xff; SIZE]), None);
    }
}
