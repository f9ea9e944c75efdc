//! Masquerading with iptables, in the reference plugin's chain.
//!
//! A container has a chain in a network, named after both: packets that stay in the network are let through, all others
//! but multicast are masqueraded. `POSTROUTING` leads into it from each address of the container. The chain belongs to all
//! attachments of the container to the network, so whoever leaves takes the rules for its own addresses along, and the
//! last one the chain.

use std::cell::OnceCell;

use cni_skel::iptables::{Family, Iptables, Nat, Rule};
use cni_skel::types::{AddResult, Attachment, IpConfig};
use cni_skel::{AddRequest, CheckRequest, DelRequest, Errors, GcRequest, Result};
use ipnet::IpNet;

use super::container_chain::{self, ContainerChain, POSTROUTING};
use super::{addresses, different};
use crate::config::Config;
use crate::names;

/// Has the addresses of an attachment masqueraded, and undone should ADD fail.
pub(super) fn add(req: &AddRequest<Config>, result: &AddResult) -> Result<()> {
    let iptables = Iptables::of(req);
    for family in Family::ALL {
        let ips = of_family(&result.ips, family);
        if ips.is_empty() {
            continue;
        }
        let nat = iptables.nat(family)?;
        let chain = ContainerChain::of(req.network(), &req.container_id);
        let (undo, of, own) = (nat.clone(), chain.clone(), ips.clone());
        req.on_failure("stop masquerading", move || of.remove(&undo, &own, &|| Ok(None)));
        // Most containers have no chain yet; without one there is nothing to look at.
        if chain.make(nat.batch(), family, &ips).send().is_err() {
            nat.transaction(|listing, batch| chain.ensure(listing, batch, family, &ips))?;
        }
    }
    Ok(())
}

/// Ends what ADD began.
pub(super) fn del(iptables: &Iptables, req: &DelRequest<Config>, errors: &mut Errors) {
    let chain = ContainerChain::of(req.network(), &req.container_id);
    // A result that does not decode tells no addresses; DEL must not fail over it.
    let told = req.prev_result().ok().flatten();
    let own: Vec<_> =
        told.iter().flat_map(|told| addresses(told, req.ifname.as_str())).map(|ip| ip.address).collect();
    let others = OnceCell::new();
    let others = || match others.get() {
        Some(others) => Ok(Option::clone(others)),
        None => others_of(req).map(|found| others.get_or_init(|| found).clone()),
    };
    everywhere(iptables, errors, &|nat| chain.remove(nat, &own, &others));
}

/// Ends what no valid attachment of the network has.
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
    everywhere(iptables, errors, &|nat| {
        nat.transaction(|listing, mut batch| {
            let mut stale = Vec::new();
            let leads = listing.rules(POSTROUTING)?;
            for rule in &leads {
                if let Some(chain) = rule.leads_to().filter(|chain| is_stale(rule, chain)) {
                    batch = batch.delete_rule(rule);
                    if !stale.iter().any(|known| known == chain) {
                        stale.push(chain.to_owned());
                    }
                }
            }
            // Chains that nothing leads to are what somebody else's DEL left half done.
            for chain in listing.chains()? {
                let is_candidate = container_chain::is_of_containers(&chain)
                    && leads.iter().all(|rule| rule.leads_to() != Some(&chain));
                if is_candidate && listing.rules(&chain)?.iter().any(|rule| is_stale(rule, &chain)) {
                    stale.push(chain);
                }
            }
            Ok(stale.into_iter().fold(batch, |batch, chain| batch.flush_chain(&chain).delete_chain(chain)))
        })
    });
}

/// Looks whether the addresses of an attachment are masqueraded, in any of the tables that may have rules.
pub(super) fn check(req: &CheckRequest<Config>, result: &AddResult) -> Result<()> {
    let chain = ContainerChain::of(req.network(), &req.container_id);
    let iptables = Iptables::of(req);
    let mut errors = Errors::new();
    for family in Family::ALL {
        let mut missing = of_family(addresses(result, req.ifname.as_str()), family);
        if missing.is_empty() {
            continue;
        }
        for nat in iptables.all_nats(family)? {
            nat.transaction(|listing, batch| {
                let leads = listing.find_rules(POSTROUTING, |rule| rule.leads_to() == Some(&chain.name))?;
                let rules = listing.rules(&chain.name)?;
                missing.retain(|ip| {
                    !leads.contains(&chain.lead(*ip))
                        || !rules.contains(&chain.stay(*ip))
                        || !rules.contains(&chain.leave(family))
                });
                Ok(batch)
            })?;
        }
        missing.iter().for_each(|ip| errors.push(different(format!("address {ip} is not masqueraded"))));
    }
    errors.finish()
}

/// Does something in every table that may have rules.
fn everywhere(iptables: &Iptables, errors: &mut Errors, step: &dyn Fn(&Nat) -> Result<()>) {
    for family in Family::ALL {
        for nat in errors.attempt(iptables.all_nats(family)).unwrap_or_default() {
            errors.attempt(step(&nat));
        }
    }
}

/// The addresses that other attachments of the container to the network may have. None if that cannot be told.
fn others_of(req: &DelRequest<Config>) -> Result<Option<Vec<IpNet>>> {
    if let Some(netns) = &req.netns {
        let inside = netns.net()?;
        let own = inside.find_link(&req.ifname)?.map(|link| link.index);
        let addresses = inside.addresses(None)?.into_iter();
        return Ok(Some(addresses.filter(|a| Some(a.link) != own).map(|a| a.address).collect()));
    }
    // Without the namespace there are no attachments, unless the runtime just does not tell.
    let links = req.net()?.links()?;
    let mut attachments = links.iter().filter_map(|link| names::attachment_of(link, req.network()));
    let has_others = attachments.any(|a| a.container_id == req.container_id && a.ifname != req.ifname);
    Ok((!has_others).then(Vec::new))
}

fn of_family<'a>(ips: impl IntoIterator<Item = &'a IpConfig>, family: Family) -> Vec<IpNet> {
    let addresses = ips.into_iter().map(|ip| ip.address);
    addresses.filter(|address| Family::of(address.addr()) == family).collect()
}
