//! Masquerading with iptables, in the reference plugin's layout.
//!
//! A container has one chain in each network. It accepts packets that stay in the network, and masquerades all others but
//! multicast. `POSTROUTING` jumps to it for each address of the container. All attachments of the container to the network
//! share the chain. So DEL removes the rules for the addresses of its attachment, and the last DEL removes the chain.

use std::cell::OnceCell;

use cni_skel::iptables::{Family, Iptables, Nat, Rule};
use cni_skel::types::{AddResult, Attachment, IpConfig};
use cni_skel::{AddRequest, CheckRequest, DelRequest, Errors, GcRequest, Result};
use ipnet::IpNet;

use super::container_chain::{self, ContainerChain, POSTROUTING};
use super::different;
use crate::config::Config;
use crate::container::own_ips;
use crate::names;

/// Adds the rules for an attachment. They are removed if ADD fails.
pub(super) fn add(req: &AddRequest<Config>, result: &AddResult) -> Result<()> {
    let iptables = Iptables::of(req);
    for family in Family::ALL {
        let ips = of_family(own_ips(result, &req.ifname), family);
        if ips.is_empty() {
            continue;
        }
        let nat = iptables.nat(family)?;
        let chain = ContainerChain::of(req.network(), &req.container_id);
        let (undo, of, own) = (nat.clone(), chain.clone(), ips.clone());
        req.on_failure("remove the masquerading rules", move || of.remove(&undo, &own, &|| Ok(None)));
        // Most containers have no chain yet, and then nothing has to be listed.
        if chain.create(nat.batch(), family, &ips).send().is_err() {
            nat.transaction(|listing, batch| chain.complete(listing, batch, family, &ips))?;
        }
    }
    Ok(())
}

/// Removes the rules of an attachment.
pub(super) fn del(iptables: &Iptables, req: &DelRequest<Config>, errors: &mut Errors) {
    let chain = ContainerChain::of(req.network(), &req.container_id);
    // DEL must not fail because of a previous result that is not valid.
    let prev_result = req.prev_result().ok().flatten();
    let own: Vec<_> =
        prev_result.iter().flat_map(|result| own_ips(result, &req.ifname)).map(|ip| ip.address).collect();
    let others = OnceCell::new();
    let others = || match others.get() {
        Some(others) => Ok(Option::clone(others)),
        None => others_of(req).map(|found| others.get_or_init(|| found).clone()),
    };
    in_all_tables(iptables, errors, &|nat| chain.remove(nat, &own, &others));
}

/// Removes the rules of attachments that are not valid any more.
pub(super) fn collect(
    iptables: &Iptables,
    req: &GcRequest<Config>,
    valid: &[Attachment],
    errors: &mut Errors,
) {
    let comments = container_chain::comments_of(req.network());
    let valid: Vec<_> =
        valid.iter().map(|valid| ContainerChain::of(req.network(), &valid.container_id).name).collect();
    let is_stale = |rule: &Rule, chain: &str| {
        let is_of_network = rule.as_comment().is_some_and(|comment| comment.starts_with(&comments));
        is_of_network && container_chain::is_of_containers(chain) && !valid.iter().any(|valid| valid == chain)
    };
    in_all_tables(iptables, errors, &|nat| {
        nat.transaction(|listing, mut batch| {
            let mut stale = Vec::new();
            let jumps = listing.rules(POSTROUTING)?;
            for rule in &jumps {
                if let Some(chain) = rule.jump_target().filter(|chain| is_stale(rule, chain)) {
                    batch = batch.delete_rule(rule);
                    if !stale.iter().any(|known| known == chain) {
                        stale.push(chain.to_owned());
                    }
                }
            }
            // A DEL of the reference plugin that failed half-way leaves a chain without a jump.
            for chain in listing.chains()? {
                let is_candidate = container_chain::is_of_containers(&chain)
                    && jumps.iter().all(|rule| rule.jump_target() != Some(&chain));
                if is_candidate && listing.rules(&chain)?.iter().any(|rule| is_stale(rule, &chain)) {
                    stale.push(chain);
                }
            }
            Ok(stale.into_iter().fold(batch, |batch, chain| batch.flush_chain(&chain).delete_chain(chain)))
        })
    });
}

/// Checks that each address of an attachment is masqueraded by one of the tables that can have rules.
pub(super) fn check(req: &CheckRequest<Config>, result: &AddResult) -> Result<()> {
    let chain = ContainerChain::of(req.network(), &req.container_id);
    let iptables = Iptables::of(req);
    let mut errors = Errors::new();
    for family in Family::ALL {
        let mut missing = of_family(own_ips(result, &req.ifname), family);
        if missing.is_empty() {
            continue;
        }
        for nat in iptables.all_nats(family)? {
            nat.transaction(|listing, batch| {
                let jumps =
                    listing.find_rules(POSTROUTING, |rule| rule.jump_target() == Some(&chain.name))?;
                let rules = listing.rules(&chain.name)?;
                missing.retain(|ip| {
                    !jumps.contains(&chain.jump(*ip))
                        || !rules.contains(&chain.accept_local(*ip))
                        || !rules.contains(&chain.masquerade(family))
                });
                Ok(batch)
            })?;
        }
        missing.iter().for_each(|ip| errors.push(different(format!("address {ip} is not masqueraded"))));
    }
    errors.finish()
}

/// Carries out a step in every table that can have rules.
fn in_all_tables(iptables: &Iptables, errors: &mut Errors, step: &dyn Fn(&Nat) -> Result<()>) {
    for family in Family::ALL {
        for nat in errors.attempt(iptables.all_nats(family)).unwrap_or_default() {
            errors.attempt(step(&nat));
        }
    }
}

/// Returns the addresses that other attachments of the container to the network can have. `None` if they are unknown.
fn others_of(req: &DelRequest<Config>) -> Result<Option<Vec<IpNet>>> {
    if let Some(netns) = &req.netns {
        let inside = netns.net()?;
        let own = inside.find_link(&req.ifname)?.map(|link| link.index);
        let addresses = inside.addresses(None)?.into_iter();
        return Ok(Some(addresses.filter(|a| Some(a.link) != own).map(|a| a.address).collect()));
    }
    // The namespace is gone, and the attachments with it, or the runtime did not pass it.
    let links = req.net()?.links()?;
    let mut attachments = links.iter().filter_map(|link| names::attachment_of(link, req.network()));
    let has_others = attachments.any(|a| a.container_id == req.container_id && a.ifname != req.ifname);
    Ok((!has_others).then(Vec::new))
}

fn of_family<'a>(ips: impl IntoIterator<Item = &'a IpConfig>, family: Family) -> Vec<IpNet> {
    let addresses = ips.into_iter().map(|ip| ip.address);
    addresses.filter(|address| Family::of(address.addr()) == family).collect()
}
