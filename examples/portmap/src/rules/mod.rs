//! nftables in the reference plugin's layout: a rule for each port, with the container's ID as its comment.
//!
//! Unlike the reference plugin, this layout tells the attachments of one container apart: the map `attachments` has the address
//! of each. An ADD does not read the rules of other containers. Packets reach the rules through base chains of our own, at a
//! later priority than usual. Of several base chains at one priority the kernel runs the newest first, so at the usual priority
//! our ports would override those of other programs (CVE-2019-9946).

use std::net::IpAddr;

use cni_skel::net::NetError;
use cni_skel::nft::{Batch, Element, Nft, Rule};
use cni_skel::types::NetworkName;

use crate::owner::{self, Owner};
use crate::plan::{Unwanted, Wanted};

mod layout;

pub(crate) use layout::AFTER_OTHERS;
use layout::{Layout, address_of, container_address};

/// Adds the rules of an attachment. The caller removes those of an earlier ADD in the same batch.
pub(crate) fn add<'a>(nft: &'a Nft, batch: Batch<'a>, wanted: &Wanted<'_>) -> Result<Batch<'a>, NetError> {
    [true, false].into_iter().try_fold(batch, |mut batch, is_ipv4| {
        let layout = Layout::new(is_ipv4);
        let Some(ports) = wanted.of_family(is_ipv4) else { return Ok(batch) };
        batch = layout.ensure(nft, batch, wanted.settings.snat)?;
        for rule in
            layout.mapping_rules(wanted, ports).into_iter().chain(layout.masquerading_rules(wanted, ports))
        {
            batch = batch.add_rule(&rule.comment(wanted.owner.rule_comment()));
        }
        let attachment =
            Element::new([wanted.owner.key()]).data([ports.address().into()]).comment(wanted.owner.comment());
        Ok(batch.add_elements(&layout.attachments, &[attachment]))
    })
}

/// Removes the rules of an attachment that is in the map, and adds the container's addresses in them to `freed`. One lookup is
/// enough if it is not in the map. With `is_replaced` the same batch adds rules.
pub(crate) fn remove_known<'a>(
    nft: &'a Nft,
    batch: Batch<'a>,
    owner: &Owner,
    is_replaced: bool,
    freed: &mut Vec<IpAddr>,
) -> Result<Batch<'a>, NetError> {
    [true, false].into_iter().try_fold(batch, |batch, is_ipv4| {
        let layout = Layout::new(is_ipv4);
        let Some(known) = layout.known(nft, owner)? else { return Ok(batch) };
        let addresses: Vec<_> = address_of(&known).into_iter().collect();
        let batch = layout.remove_rules(nft, batch, owner, &addresses, freed)?;
        if is_replaced {
            return Ok(batch.delete_elements(&layout.attachments, &[known]));
        }
        layout.forget(nft, batch, &[known])
    })
}

/// Removes the rules of an attachment, also those that the reference plugin made.
pub(crate) fn remove<'a>(
    nft: &'a Nft,
    batch: Batch<'a>,
    unwanted: &Unwanted<'_>,
    freed: &mut Vec<IpAddr>,
) -> Result<Batch<'a>, NetError> {
    [true, false].into_iter().try_fold(batch, |mut batch, is_ipv4| {
        let layout = Layout::new(is_ipv4);
        let mut addresses = unwanted.addresses.clone();
        if let Some(known) = layout.known(nft, unwanted.owner)? {
            addresses.extend(address_of(&known));
            batch = layout.forget(nft, batch, &[known])?;
        }
        addresses.retain(|address| address.is_ipv4() == is_ipv4);
        if addresses.is_empty() {
            addresses = layout.addresses_in_rules(nft, unwanted)?;
        }
        layout.remove_rules(nft, batch, unwanted.owner, &addresses, freed)
    })
}

/// Removes the rules of attachments of the network that are not valid. Rules of the reference plugin stay, because they do not
/// name their network.
pub(crate) fn collect<'a>(
    nft: &'a Nft,
    batch: Batch<'a>,
    network: &NetworkName,
    valid: &[Owner],
) -> Result<Batch<'a>, NetError> {
    let of_network = owner::of_network(network);
    [true, false].into_iter().try_fold(batch, |mut batch, is_ipv4| {
        let layout = Layout::new(is_ipv4);
        let mut stale = nft.elements(&layout.attachments)?;
        stale.retain(|element| {
            let is_of_network = element.comment.as_deref().is_some_and(|c| c.starts_with(&of_network));
            is_of_network && !valid.iter().any(|owner| owner.has(element))
        });
        if stale.is_empty() {
            return Ok(batch);
        }
        let is_stale = |rule: &Rule| {
            stale.iter().any(|element| {
                let comments = (element.comment.as_deref(), rule.as_comment());
                let (Some(about), Some(comment)) = comments else { return false };
                address_of(element) == container_address(rule) && owner::is_of(about, comment)
            })
        };
        let may_be = |comment: &str| {
            stale
                .iter()
                .filter_map(|element| element.comment.as_deref())
                .any(|about| owner::is_of(about, comment))
        };
        for rule in layout.rules_with_comment(nft, may_be)?.iter().filter(|rule| is_stale(rule)) {
            batch = batch.delete_rule(rule);
        }
        layout.forget(nft, batch, &stale)
    })
}

/// Names what is missing or changed.
pub(crate) fn missing(nft: &Nft, wanted: &Wanted<'_>) -> Result<Vec<String>, NetError> {
    let mut missing = Vec::new();
    for is_ipv4 in [true, false] {
        let layout = Layout::new(is_ipv4);
        let Some(ports) = wanted.of_family(is_ipv4) else { continue };
        missing.extend(layout.missing_jumps(nft)?);
        let comment = wanted.owner.rule_comment();
        let rules = layout.rules_with_comment(nft, |about| about == comment)?;
        let has_all =
            |wanted: &[Rule]| wanted.iter().all(|wanted| rules.iter().any(|rule| rule.does_the_same(wanted)));
        for mapping in &ports.mappings {
            let is_there = [&layout.hostports, &layout.hostip_hostports].into_iter().any(|chain| {
                // The reference plugin has conditions in another chain.
                let plain = Rule::new(chain);
                let conditioned = wanted.settings.conditions.begin(&plain, is_ipv4);
                [vec![plain], conditioned].into_iter().any(|rules| {
                    let rules: Vec<_> =
                        rules.into_iter().map(|rule| mapping.append_to(rule, ports.address())).collect();
                    has_all(&rules)
                })
            });
            if !is_there {
                missing.push(format!("{mapping} is not mapped to {}", ports.address()));
            }
        }
        if !has_all(&layout.masquerading_rules(wanted, ports)) {
            missing.push(format!("masquerading for {} is missing or changed", ports.address()));
        }
    }
    Ok(missing)
}
