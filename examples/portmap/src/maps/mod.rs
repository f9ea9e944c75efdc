//! nftables with a map element for each port. The cost of a packet and of a call does not grow with the number of ports.
//!
//! Only this plugin uses the table. Its base chains run after those at the standard priorities, so rules of other programs for the
//! same port come first. If several attachments map one port, the newest one has it, and the others wait for it.

use std::net::IpAddr;

use cni_skel::net::NetError;
use cni_skel::nft::{Batch, Element, Nft, Set, Value};
use cni_skel::types::NetworkName;

use crate::owner::{self, Owner};
use crate::plan::{Unwanted, Wanted};

mod layout;

use layout::Layout;

/// Adds the elements of an attachment. The caller removes those of an earlier ADD in the same batch.
pub(crate) fn add<'a>(nft: &'a Nft, batch: Batch<'a>, wanted: &Wanted<'_>) -> Result<Batch<'a>, NetError> {
    let layout = Layout::new();
    let mut batch = layout.ensure(nft, batch)?;
    for maps in &layout.families {
        let Some(ports) = wanted.of_family(maps.is_ipv4) else { continue };
        for ports_of in &maps.ports {
            let mappings = ports.mappings.iter().filter(|mapping| ports_of.is_for(mapping));
            let elements: Vec<_> =
                mappings.map(|mapping| mapping.element(ports.address(), wanted.owner)).collect();
            batch = ports_of.take(nft, batch, wanted.owner, &elements)?;
        }
        let count = u32::try_from(ports.mappings.len()).unwrap_or(u32::MAX);
        let attachment = Element::new([wanted.owner.key()])
            .data([ports.address().into(), Value::mark(count)])
            .comment(wanted.owner.comment());
        batch = batch.add_elements(&maps.attachments, &[attachment]);
        for (set, elements) in maps.masquerades(wanted, ports) {
            let keys: Vec<_> = elements.iter().map(|element| element.key.clone()).collect();
            let mut others: Vec<_> = nft.find_elements(set, &keys)?.into_iter().flatten().collect();
            // Our own are removed already. The others belong to an attachment that had the address before.
            others.retain(|element| !wanted.owner.has(element));
            batch = batch.delete_elements(set, &others).add_elements(set, &elements);
        }
    }
    Ok(batch)
}

/// Removes the elements of an attachment, and adds the container's addresses in them to `freed`. One lookup is enough if there
/// are none. With `is_replaced` the same batch adds the ports in `unwanted`.
pub(crate) fn remove<'a>(
    nft: &'a Nft,
    batch: Batch<'a>,
    unwanted: &Unwanted<'_>,
    is_replaced: bool,
    freed: &mut Vec<IpAddr>,
) -> Result<Batch<'a>, NetError> {
    let layout = Layout::new();
    layout
        .families
        .iter()
        .try_fold(batch, |batch, maps| maps.remove(nft, batch, unwanted, is_replaced, freed))
}

/// Removes the elements of attachments of the network that are not valid.
pub(crate) fn collect<'a>(
    nft: &'a Nft,
    batch: Batch<'a>,
    network: &NetworkName,
    valid: &[Owner],
) -> Result<Batch<'a>, NetError> {
    let of_network = owner::of_network(network);
    let is_stale = |element: &Element| {
        let is_of_network = element.comment.as_deref().is_some_and(|c| c.starts_with(&of_network));
        is_of_network && !valid.iter().any(|owner| owner.has(element))
    };
    let layout = Layout::new();
    layout.families.iter().try_fold(batch, |mut batch, maps| {
        for ports in &maps.ports {
            let mut stale = nft.elements(&ports.held)?;
            stale.retain(is_stale);
            batch = ports.free(batch, &stale, &nft.elements(&ports.waiting)?, is_stale, |_| false);
        }
        for set in [&maps.masquerade, &maps.masquerade_all, &maps.attachments] {
            let mut stale = nft.elements(set)?;
            stale.retain(is_stale);
            batch = batch.delete_elements(set, &stale);
        }
        Ok(batch)
    })
}

/// Names what is missing or changed.
pub(crate) fn missing(nft: &Nft, wanted: &Wanted<'_>) -> Result<Vec<String>, NetError> {
    let layout = Layout::new();
    let mut missing = Vec::new();
    for (chain, wanted_rules) in layout.rules() {
        let rules = nft.rules(chain)?;
        if !wanted_rules.iter().all(|wanted| rules.iter().any(|rule| rule.does_the_same(wanted))) {
            missing.push(format!("chain inet {} {} is missing or changed", layout.table.name, chain.name));
        }
    }
    for maps in &layout.families {
        let Some(ports) = wanted.of_family(maps.is_ipv4) else { continue };
        for mapping in &ports.mappings {
            let element = mapping.element(ports.address(), wanted.owner);
            let map = maps.ports.iter().find(|map| map.is_for(mapping)).map(|map| &map.held);
            if !map.map_or(Ok(false), |map| is_there(nft, map, &element))? {
                missing.push(format!("{mapping} is not mapped to {}", ports.address()));
            }
        }
        for (set, elements) in maps.masquerades(wanted, ports) {
            for element in elements {
                if !is_there(nft, set, &element)? {
                    let to = ports.address();
                    missing.push(format!("masquerading for {to} is missing or changed"));
                }
            }
        }
    }
    Ok(missing)
}

fn is_there(nft: &Nft, set: &Set, element: &Element) -> Result<bool, NetError> {
    let found = nft.find_elements(set, std::slice::from_ref(&element.key))?;
    Ok(found.into_iter().flatten().any(|found| found == *element))
}
