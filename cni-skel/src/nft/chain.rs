//! Chains: base chains, which are attached to a hook, and chains that rules jump to.

use super::constants::{
    CHAIN_HOOK, CHAIN_NAME, CHAIN_POLICY, CHAIN_TABLE, CHAIN_TYPE, CHAIN_USERDATA, DELCHAIN, GETCHAIN,
    HOOK_HOOKNUM, HOOK_PRIORITY, NEWCHAIN,
};
use super::table::{Family, Table};
use super::wire::{COMMENT, attributes, be32, comment, family_of, put_be32, put_name, put_userdata, start};
use crate::netlink::{Message, NLM_F_CREATE, NLM_F_EXCL, Request};

/// A chain. Family, table and name identify it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Chain {
    /// The family of its table.
    pub family: Family,
    /// The name of its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// Its hook, if it is a base chain.
    pub base: Option<Base>,
    /// Its comment, as `nft list ruleset` shows it.
    pub comment: Option<String>,
}

impl Chain {
    /// Describes a chain that rules jump to.
    pub fn new(table: &Table, name: impl Into<String>) -> Self {
        Self { family: table.family, table: table.name.clone(), name: name.into(), base: None, comment: None }
    }

    /// Describes a base chain.
    pub fn base(table: &Table, name: impl Into<String>, base: Base) -> Self {
        Self { base: Some(base), ..Self::new(table, name) }
    }

    /// Sets the comment. Adding a chain that exists does not change its comment.
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    /// Returns whether adding the other chain would leave this one unchanged.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (self.family, &self.table, &self.name, &self.base)
            == (other.family, &other.table, &other.name, &other.base)
    }

    pub(super) fn describe(&self) -> String {
        format!("{} {} {}", self.family.as_str(), self.table, self.name)
    }
}

/// The hook, priority and policy of a base chain.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Base {
    /// Its type.
    pub kind: ChainType,
    /// Its hook.
    pub hook: Hook,
    /// Its priority among the chains of the same hook. The lowest is first.
    pub priority: i32,
    /// Whether its policy is `drop`: packets for which no rule has a verdict are dropped. Otherwise they are accepted.
    pub drops: bool,
}

impl Base {
    /// Priority `dstnat`.
    pub const DSTNAT: i32 = -100;
    /// Priority `filter`.
    pub const FILTER: i32 = 0;
    /// Priority `srcnat`.
    pub const SRCNAT: i32 = 100;

    /// Describes a base chain with policy `accept`.
    pub fn new(kind: ChainType, hook: Hook, priority: i32) -> Self {
        Self { kind, hook, priority, drops: false }
    }

    /// Sets policy `drop`.
    pub fn drops(mut self) -> Self {
        self.drops = true;
        self
    }
}

/// The type of a base chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChainType {
    /// For all kinds of rules.
    Filter,
    /// For address translation. Sees only the first packet of each flow.
    Nat,
    /// For changing packets, which are then routed again.
    Route,
}

impl ChainType {
    const ALL: [Self; 3] = [Self::Filter, Self::Nat, Self::Route];

    /// Returns the name, as `nft` shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Nat => "nat",
            Self::Route => "route",
        }
    }
}

/// A hook: a point on a packet's way through the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hook {
    /// Incoming packets before routing.
    Prerouting,
    /// Packets to this host.
    Input,
    /// Packets that this host forwards.
    Forward,
    /// Packets from this host.
    Output,
    /// Outgoing packets after routing.
    Postrouting,
}

impl Hook {
    const ALL: [Self; 5] = [Self::Prerouting, Self::Input, Self::Forward, Self::Output, Self::Postrouting];

    fn number(self) -> u32 {
        match self {
            Self::Prerouting => 0,
            Self::Input => 1,
            Self::Forward => 2,
            Self::Output => 3,
            Self::Postrouting => 4,
        }
    }
}

pub(super) fn add(chain: &Chain) -> (String, Request) {
    new(chain, NLM_F_CREATE)
}

pub(super) fn create(chain: &Chain) -> (String, Request) {
    new(chain, NLM_F_CREATE | NLM_F_EXCL)
}

fn new(chain: &Chain, flags: u16) -> (String, Request) {
    let mut request = start(Request::part(NEWCHAIN, flags), chain.family.number());
    put_name(&mut request, CHAIN_TABLE, &chain.table);
    put_name(&mut request, CHAIN_NAME, &chain.name);
    if let Some(base) = &chain.base {
        request.nest(CHAIN_HOOK, |nest| {
            put_be32(nest, HOOK_HOOKNUM, base.hook.number());
            put_be32(nest, HOOK_PRIORITY, base.priority.cast_unsigned());
        });
        // `accept` is the kernel's default. Stating it would change the policy of an existing chain.
        if base.drops {
            put_be32(&mut request, CHAIN_POLICY, 0);
        }
        request.text(CHAIN_TYPE, base.kind.as_str());
    }
    put_userdata(&mut request, CHAIN_USERDATA, Vec::new(), COMMENT, chain.comment.as_deref());
    (format!("add chain {}", chain.describe()), request)
}

pub(super) fn delete(chain: &Chain) -> (String, Request) {
    let mut request = start(Request::part(DELCHAIN, 0), chain.family.number());
    put_name(&mut request, CHAIN_TABLE, &chain.table);
    put_name(&mut request, CHAIN_NAME, &chain.name);
    (format!("delete chain {}", chain.describe()), request)
}

/// Returns the request for one chain.
pub(super) fn get(chain: &Chain) -> Request {
    let mut request = start(Request::read(GETCHAIN), chain.family.number());
    put_name(&mut request, CHAIN_TABLE, &chain.table);
    put_name(&mut request, CHAIN_NAME, &chain.name);
    request
}

/// Reads the use count of a chain: of the rules in it, and of those that jump to it.
#[cfg(feature = "iptables")]
pub(super) fn decode_uses(message: Message<'_>) -> Option<u32> {
    let mut attributes = attributes(message.payload);
    if message.kind != NEWCHAIN {
        return None;
    }
    attributes
        .find(|attribute| attribute.kind == super::constants::CHAIN_USE)
        .and_then(|uses| be32(uses.payload))
}

/// Reads a chain. A base chain with a hook or type that is unknown here has no `base`.
pub(super) fn decode(message: Message<'_>) -> Option<Chain> {
    if message.kind != NEWCHAIN {
        return None;
    }
    let family = Family::from_number(family_of(message.payload)?)?;
    let mut chain = Chain::new(&Table::new(family, ""), "");
    let (mut hook, mut priority, mut kind, mut drops) = (None, None, None, false);
    for attribute in attributes(message.payload) {
        match attribute.kind {
            CHAIN_TABLE => chain.table = attribute.text().into_owned(),
            CHAIN_NAME => chain.name = attribute.text().into_owned(),
            CHAIN_USERDATA => chain.comment = comment(attribute.payload, COMMENT),
            CHAIN_POLICY => drops = be32(attribute.payload) == Some(0),
            CHAIN_TYPE => {
                let name = attribute.text();
                kind = ChainType::ALL.into_iter().find(|kind| kind.as_str() == name);
            }
            CHAIN_HOOK => {
                for attribute in attribute.nested() {
                    match attribute.kind {
                        HOOK_HOOKNUM => {
                            let number = be32(attribute.payload);
                            hook = Hook::ALL.into_iter().find(|hook| Some(hook.number()) == number);
                        }
                        HOOK_PRIORITY => priority = be32(attribute.payload).map(u32::cast_signed),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    if let (Some(kind), Some(hook), Some(priority)) = (kind, hook, priority) {
        chain.base = Some(Base { kind, hook, priority, drops });
    }
    (!chain.table.is_empty() && !chain.name.is_empty()).then_some(chain)
}
