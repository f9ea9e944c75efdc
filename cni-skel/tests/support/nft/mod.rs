//! Rulesets.

pub(crate) mod layouts;
pub(crate) mod rules;

use cni_skel::Netns;
use cni_skel::nft::{Base, Chain, ChainType, Family, Hook, Nft, Table};

use super::namespace;

/// A namespace and a handle of its ruleset.
#[track_caller]
pub(crate) fn ruleset() -> (Netns, Nft) {
    let netns = namespace();
    let nft = Nft::open_in(&netns).expect("open the new namespace's ruleset");
    (netns, nft)
}

/// A table with a chain that packets do not come to.
pub(crate) fn table_and_chain(family: Family) -> (Table, Chain) {
    let table = Table::new(family, "t");
    let chain = Chain::new(&table, "c");
    (table, chain)
}

/// A chain where flows can be rewritten.
pub(crate) fn nat_chain(table: &Table, hook: Hook, priority: i32) -> Chain {
    Chain::base(table, "c", Base::new(ChainType::Nat, hook, priority))
}
