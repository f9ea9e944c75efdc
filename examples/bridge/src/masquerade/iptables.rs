//! Masquerading with iptables, in the reference plugin's layout.
//!
//! A container has a chain in a network, named after both: packets that stay in the network are let through, all others
//! but multicast are masqueraded. `POSTROUTING` leads into it from each address of the container. The chain belongs to all
//! attachments of the container to the network, so whoever leaves takes the rules for its own addresses along, and the
//! last one the chain.

use std::cell::OnceCell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cni_skel::iptables::{Batch, Family, Iptables, Listing, Nat, Rule};
use cni_skel::types::{AddResult, Attachment, ContainerId, IpConfig, NetworkName};
use cni_skel::{AddRequest, CheckRequest, DelRequest, Errors, GcRequest, Result};
use ipnet::IpNet;

use super::{addresses, different, hash};
use crate::config::Config;
use crate::names;

const POSTROUTING: &str = "POSTROUTING";
/// What the names of all such chains begin with.
const PREFIX: &str = "CNI-";
/// How many bytes of the hash follow.
const HASHED: usize = 12;
/// The longest comment that iptables takes, in bytes.
const MAX_COMMENT: usize = 255;

/// Has the addresses of an attachment masqueraded, and undone should ADD fail.
pub(super) fn add(req: &AddRequest<Config>, result: &AddResult) -> Result<()> {
    let iptables = Iptables::of(req);
    for family in Family::ALL {
        let ips = of_family(&result.ips, family);
        if ips.is_empty() {
            continue;
        }
        let nat = iptables.nat(family)?;
        let layout = Layout::of(req.network(), &req.container_id);
        let (undo_nat, undo_layout, undo_ips) = (nat.clone(), layout.clone(), ips.clone());
        req.on_failure("stop masquerading", move || {
            undo_layout.remove(&undo_nat, |source| is_of(source, &undo_ips), || Ok(None))
        });
        // Most containers have no chain yet; without one there is nothing to look at.
        if layout.make(nat.batch(), family, &ips).send().is_err() {
            nat.transaction(|listing, batch| layout.ensure(listing, batch, family, &ips))?;
        }
    }
    Ok(())
}

/// Ends what ADD began, and gives back what is still open.
pub(super) fn del(req: &DelRequest<Config>, errors: &mut Errors) -> Vec<Nat> {
    let layout = Layout::of(req.network(), &req.container_id);
    // A result that does not decode tells no addresses; DEL must not fail over it.
    let told = req.prev_result().ok().flatten();
    let own: Vec<_> =
        told.iter().flat_map(|told| addresses(told, req.ifname.as_str())).map(|ip| ip.address).collect();
    let others = OnceCell::new();
    let others = || match others.get() {
        Some(others) => Ok(Option::clone(others)),
        None => others_of(req).map(|found| others.get_or_init(|| found).clone()),
    };
    everywhere(&Iptables::of(req), errors, |nat| layout.remove(nat, |source| is_of(source, &own), others))
}

/// Ends what no valid attachment of the network has.
pub(super) fn collect(req: &GcRequest<Config>, valid: &[Attachment], errors: &mut Errors) {
    let is_stale = |rule: &Rule, chain: &str| {
        let owner = rule.as_comment().and_then(|comment| owner_of(comment, req.network()));
        owner.is_some_and(|id| {
            Layout::of(req.network(), &id).chain == chain
                && valid.iter().all(|valid| valid.container_id != id)
        })
    };
    everywhere(&Iptables::of(req), errors, |nat| {
        nat.transaction(|listing, mut batch| {
            let mut stale = Vec::new();
            let leads = listing.rules(POSTROUTING)?;
            for rule in &leads {
                if let Some(chain) = rule.leads_to().filter(|chain| is_stale(rule, chain)) {
                    batch = batch.delete_rule(rule);
                    stale.push(chain.to_owned());
                }
            }
            // Chains that nothing leads to are what somebody else's DEL left half done.
            for chain in listing.chains()?.into_iter().filter(|chain| is_ours(chain)) {
                let is_led_to = leads.iter().any(|rule| rule.leads_to() == Some(&chain));
                if !is_led_to && listing.rules(&chain)?.iter().any(|rule| is_stale(rule, &chain)) {
                    stale.push(chain);
                }
            }
            stale.sort();
            stale.dedup();
            Ok(stale.into_iter().fold(batch, |batch, chain| batch.flush_chain(&chain).delete_chain(chain)))
        })
    });
}

/// Looks whether the addresses of an attachment are masqueraded, in any of the tables that may have rules.
pub(super) fn check(req: &CheckRequest<Config>, result: &AddResult) -> Result<()> {
    let layout = Layout::of(req.network(), &req.container_id);
    let iptables = Iptables::of(req);
    let mut errors = Errors::new();
    for family in Family::ALL {
        let mut missing = of_family(addresses(result, req.ifname.as_str()), family);
        if missing.is_empty() {
            continue;
        }
        for nat in iptables.all_nats(family)? {
            nat.transaction(|listing, batch| {
                let (leads, rules) = (listing.rules(POSTROUTING)?, listing.rules(&layout.chain)?);
                missing.retain(|ip| {
                    !leads.contains(&layout.lead(*ip))
                        || !rules.contains(&layout.stay(*ip))
                        || !rules.contains(&layout.leave(family))
                });
                Ok(batch)
            })?;
        }
        missing.iter().for_each(|ip| errors.push(different(format!("address {ip} is not masqueraded"))));
    }
    errors.finish()
}

/// Does something in every table that may have rules, and gives back those that are open.
fn everywhere(iptables: &Iptables, errors: &mut Errors, step: impl Fn(&Nat) -> Result<()>) -> Vec<Nat> {
    let mut open = Vec::new();
    for family in Family::ALL {
        for nat in errors.attempt(iptables.all_nats(family)).unwrap_or_default() {
            errors.attempt(step(&nat));
            open.push(nat);
        }
    }
    open
}

/// The addresses that other attachments of the container to the network may have. None if that cannot be told.
fn others_of(req: &DelRequest<Config>) -> Result<Option<Vec<IpNet>>> {
    if let Some(netns) = &req.netns {
        let inside = netns.net()?;
        let own = inside.find_link(req.ifname.as_str())?.map(|link| link.index);
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

/// Whether addresses are one of these.
fn is_of(source: IpNet, ips: &[IpNet]) -> bool {
    ips.iter().any(|ip| IpNet::from(ip.addr()) == source)
}

/// Whether addresses have one of these among them: an older reference plugin led the whole network into the chain.
fn has_some_of(source: IpNet, ips: &[IpNet]) -> bool {
    ips.iter().any(|ip| source.contains(&ip.addr()))
}

/// The container that a comment names, if it is of the network.
fn owner_of(comment: &str, network: &NetworkName) -> Option<ContainerId> {
    let id = comment.strip_prefix(&format!("name: \"{network}\" id: \""))?.strip_suffix('"')?;
    id.parse().ok()
}

/// Whether a chain has a name as those here have.
fn is_ours(chain: &str) -> bool {
    let is_digit = |b: u8| b.is_ascii_digit() || matches!(b, b'a'..=b'f');
    chain.strip_prefix(PREFIX).is_some_and(|hash| hash.len() == 2 * HASHED && hash.bytes().all(is_digit))
}

/// What a container's rules in a network are known by.
#[derive(Clone)]
struct Layout {
    chain: String,
    comment: String,
}

impl Layout {
    fn of(network: &NetworkName, container_id: &ContainerId) -> Self {
        let chain = format!("{PREFIX}{}", hash(&format!("{network}{container_id}"), HASHED));
        // Names and ids are ASCII.
        let mut comment = format!("name: \"{network}\" id: \"{container_id}\"");
        comment.truncate(MAX_COMMENT);
        Self { chain, comment }
    }

    /// What stays in the network.
    fn stay(&self, ip: IpNet) -> Rule {
        Rule::new().daddr(ip).comment(&self.comment).accept()
    }

    /// What leaves it.
    fn leave(&self, family: Family) -> Rule {
        let multicast = match family {
            Family::Ipv4 => IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(224, 0, 0, 0)), 4),
            Family::Ipv6 => IpNet::new_assert(IpAddr::V6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0)), 8),
        };
        Rule::new().not_daddr(multicast).comment(&self.comment).masquerade()
    }

    /// What leads into the chain.
    fn lead(&self, ip: IpNet) -> Rule {
        Rule::new().saddr(ip.addr()).comment(&self.comment).jump(&self.chain)
    }

    /// All of it, where nothing is there.
    fn make<'a>(&self, batch: Batch<'a>, family: Family, ips: &[IpNet]) -> Batch<'a> {
        let batch = self.fill(batch.create_chain(&self.chain), &self.wanted(family, ips, &[]));
        ips.iter().fold(batch, |batch, ip| batch.append_rule(POSTROUTING, &self.lead(*ip)))
    }

    /// What is missing of it.
    fn ensure<'a>(
        &self,
        listing: &Listing<'_>,
        batch: Batch<'a>,
        family: Family,
        ips: &[IpNet],
    ) -> Result<Batch<'a>> {
        if !listing.has_chain(&self.chain)? {
            return Ok(self.make(batch, family, ips));
        }
        let present = listing.rules(&self.chain)?;
        let wanted = self.wanted(family, ips, &present);
        let mut batch = batch;
        if present != wanted {
            batch = self.fill(batch.flush_chain(&self.chain), &wanted);
        }
        let leads = listing.rules(POSTROUTING)?;
        let missing = ips.iter().map(|ip| self.lead(*ip)).filter(|lead| !leads.contains(lead));
        Ok(missing.fold(batch, |batch, lead| batch.append_rule(POSTROUTING, &lead)))
    }

    /// The chain's rules: the networks of these addresses, and those that other attachments have there already, come
    /// before what masquerades all else.
    fn wanted(&self, family: Family, ips: &[IpNet], present: &[Rule]) -> Vec<Rule> {
        let known = present.iter().filter_map(|rule| {
            let stay = self.stay(rule.destination()?);
            (*rule == stay).then_some(stay)
        });
        let mut wanted: Vec<Rule> = Vec::new();
        for stay in known.chain(ips.iter().map(|ip| self.stay(*ip))) {
            if !wanted.contains(&stay) {
                wanted.push(stay);
            }
        }
        wanted.push(self.leave(family));
        wanted
    }

    fn fill<'a>(&self, batch: Batch<'a>, rules: &[Rule]) -> Batch<'a> {
        rules.iter().fold(batch, |batch, rule| batch.append_rule(&self.chain, rule))
    }

    /// Removes what leads into the chain from an attachment's own addresses, and from those that no other attachment has;
    /// and the chain if nothing leads there any more. Who the others are is asked only if it matters.
    fn remove(
        &self,
        nat: &Nat,
        is_own: impl Fn(IpNet) -> bool,
        others: impl Fn() -> Result<Option<Vec<IpNet>>>,
    ) -> Result<()> {
        nat.transaction(|listing, mut batch| {
            if !listing.has_chain(&self.chain)? {
                return Ok(batch);
            }
            let mut stays = false;
            for rule in listing.rules(POSTROUTING)? {
                if rule.leads_to() != Some(&self.chain) {
                    continue;
                }
                let goes = match rule.source() {
                    Some(source) if is_own(source) => true,
                    source => {
                        others()?.is_some_and(|others| !source.is_some_and(|s| has_some_of(s, &others)))
                    }
                };
                stays |= !goes;
                batch = if goes { batch.delete_rule(&rule) } else { batch };
            }
            Ok(if stays { batch } else { batch.flush_chain(&self.chain).delete_chain(&self.chain) })
        })
    }
}
