//! Tables, chains, sets and rules that all containers share. They are added only if they are missing: the kernel frees what is
//! replaced, and the ADD would wait for that.

use cni_skel::net::NetError;
use cni_skel::nft::{Batch, Chain, Nft, Rule, Set, Table};

/// Adds a table, chains and sets that do not exist.
pub(crate) fn missing<'a, 'c>(
    nft: &'a Nft,
    batch: Batch<'a>,
    table: &Table,
    chains: impl IntoIterator<Item = &'c Chain>,
    sets: impl IntoIterator<Item = &'c Set>,
) -> Result<Batch<'a>, NetError> {
    let there = nft.chains(table)?;
    let chains = chains.into_iter().filter(|chain| !there.iter().any(|there| is_as(there, chain)));
    let batch = chains.fold(batch.add_table(table), |batch, chain| batch.add_chain(chain));
    let there = nft.sets(table)?;
    let is_there = |set: &Set| {
        there.iter().any(|there| (&there.name, &there.key, &there.data) == (&set.name, &set.key, &set.data))
    };
    let sets = sets.into_iter().filter(|set| !is_there(set));
    Ok(sets.fold(batch, |batch, set| batch.add_set(set)))
}

/// Returns whether a chain has the wanted name and hook. If only the hook differs, adding the chain fails with the kernel's
/// reason.
fn is_as(there: &Chain, wanted: &Chain) -> bool {
    (&there.name, &there.base) == (&wanted.name, &wanted.base)
}

/// Replaces the rules of a chain, unless it has these already.
pub(crate) fn rules<'a>(
    nft: &'a Nft,
    batch: Batch<'a>,
    chain: &Chain,
    rules: &[Rule],
) -> Result<Batch<'a>, NetError> {
    let there = nft.rules(chain)?;
    let are_same =
        there.len() == rules.len() && there.iter().zip(rules).all(|(there, rule)| there.does_the_same(rule));
    if are_same {
        return Ok(batch);
    }
    Ok(rules.iter().fold(batch.flush_chain(chain), |batch, rule| batch.add_rule(rule)))
}
