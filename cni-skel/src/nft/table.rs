//! Tables, and the families that they belong to.

use super::constants::{DELTABLE, NEWTABLE, TABLE_NAME, TABLE_USERDATA};
use super::wire::{COMMENT, attributes, comment, family_of, put_name, put_userdata, start};
use crate::netlink::{Message, NLM_F_CREATE, Request};

/// The family of a table: the packets that it sees.
///
/// iptables has a `Family` of its own, which is IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Family {
    /// IPv4 and IPv6.
    Inet,
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// Packets that a bridge forwards.
    Bridge,
}

impl Family {
    /// All families.
    pub const ALL: &'static [Self] = &[Self::Inet, Self::Ip, Self::Ip6, Self::Bridge];

    pub(super) fn number(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Ip => 2,
            Self::Bridge => 7,
            Self::Ip6 => 10,
        }
    }

    pub(super) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|family| family.number() == number)
    }

    /// Returns the name, as `nft` shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inet => "inet",
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
            Self::Bridge => "bridge",
        }
    }
}

/// A table. Family and name identify it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Table {
    /// Its family.
    pub family: Family,
    /// Its name.
    pub name: String,
    /// Its comment, as `nft list ruleset` shows it.
    pub comment: Option<String>,
}

impl Table {
    /// Describes a table.
    pub fn new(family: Family, name: impl Into<String>) -> Self {
        Self { family, name: name.into(), comment: None }
    }

    /// Sets the comment. Adding a table that exists does not change its comment.
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }
}

pub(super) fn add(table: &Table) -> (String, Request) {
    let mut request = start(Request::part(NEWTABLE, NLM_F_CREATE), table.family.number());
    put_name(&mut request, TABLE_NAME, &table.name);
    put_userdata(&mut request, TABLE_USERDATA, Vec::new(), COMMENT, table.comment.as_deref());
    (format!("add table {} {}", table.family.as_str(), table.name), request)
}

pub(super) fn delete(table: &Table) -> (String, Request) {
    let mut request = start(Request::part(DELTABLE, 0), table.family.number());
    put_name(&mut request, TABLE_NAME, &table.name);
    (format!("delete table {} {}", table.family.as_str(), table.name), request)
}

pub(super) fn decode(message: Message<'_>) -> Option<Table> {
    if message.kind != NEWTABLE {
        return None;
    }
    let mut table = Table::new(Family::from_number(family_of(message.payload)?)?, "");
    for attribute in attributes(message.payload) {
        match attribute.kind {
            TABLE_NAME => table.name = attribute.text().into_owned(),
            TABLE_USERDATA => table.comment = comment(attribute.payload, COMMENT),
            _ => {}
        }
    }
    (!table.name.is_empty()).then_some(table)
}
