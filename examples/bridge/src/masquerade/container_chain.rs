//! The chain of a container in a network, and what leads into it: the reference plugin's layout.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cni_skel::Result;
use cni_skel::iptables::{Batch, Family, Listing, Nat, Rule};
use cni_skel::types::{ContainerId, NetworkName};
use ipnet::IpNet;

use super::hash;

/// Where packets come from that leave the machine.
pub(super) const POSTROUTING: &str = "POSTROUTING";
/// What the names of all such chains begin with.
const PREFIX: &str = "CNI-";
/// How many bytes of the hash follow.
const HASHED: usize = 12;
/// The longest comment that iptables takes, in bytes.
const MAX_COMMENT: usize = 255;

/// What a container's rules in a network are known by: the name of the chain, and the comment of each.
#[derive(Clone)]
pub(super) struct ContainerChain {
    pub(super) name: String,
    comment: String,
}

impl ContainerChain {
    pub(super) fn of(network: &NetworkName, container_id: &ContainerId) -> Self {
        let name = format!("{PREFIX}{}", hash(&format!("{network}{container_id}"), HASHED));
        // Names and ids are ASCII.
        let mut comment = format!("{}{container_id}\"", comments_of(network));
        comment.truncate(MAX_COMMENT);
        Self { name, comment }
    }

    /// What stays in the network.
    pub(super) fn stay(&self, ip: IpNet) -> Rule {
        Rule::new().daddr(ip).comment(&self.comment).accept()
    }

    /// What leaves it.
    pub(super) fn leave(&self, family: Family) -> Rule {
        let multicast = match family {
            Family::Ipv4 => IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(224, 0, 0, 0)), 4),
            Family::Ipv6 => IpNet::new_assert(IpAddr::V6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0)), 8),
        };
        Rule::new().not_daddr(multicast).comment(&self.comment).masquerade()
    }

    /// What leads into the chain.
    pub(super) fn lead(&self, ip: IpNet) -> Rule {
        Rule::new().saddr(ip.addr()).comment(&self.comment).jump(&self.name)
    }

    /// All of it, where nothing is there.
    pub(super) fn make<'a>(&self, batch: Batch<'a>, family: Family, ips: &[IpNet]) -> Batch<'a> {
        let batch = self.fill(batch.create_chain(&self.name), &self.wanted(family, ips, &[]));
        ips.iter().fold(batch, |batch, ip| batch.append_rule(POSTROUTING, &self.lead(*ip)))
    }

    /// What is missing of it.
    pub(super) fn ensure<'a>(
        &self,
        listing: &Listing<'_>,
        batch: Batch<'a>,
        family: Family,
        ips: &[IpNet],
    ) -> Result<Batch<'a>> {
        if !listing.has_chain(&self.name)? {
            return Ok(self.make(batch, family, ips));
        }
        let present = listing.rules(&self.name)?;
        let wanted = self.wanted(family, ips, &present);
        let mut batch = batch;
        if present != wanted {
            batch = self.fill(batch.flush_chain(&self.name), &wanted);
        }
        let leads = listing.find_rules(POSTROUTING, |rule| rule.leads_to() == Some(&self.name))?;
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
        rules.iter().fold(batch, |batch, rule| batch.append_rule(&self.name, rule))
    }

    /// Removes what leads into the chain from an attachment's own addresses, and from those that no other attachment has;
    /// and the chain if nothing leads there any more. Who the others are is asked only if it matters.
    pub(super) fn remove(
        &self,
        nat: &Nat,
        own: &[IpNet],
        others: &dyn Fn() -> Result<Option<Vec<IpNet>>>,
    ) -> Result<()> {
        nat.transaction(|listing, mut batch| {
            if !listing.has_chain(&self.name)? {
                return Ok(batch);
            }
            let mut stays = false;
            for rule in listing.find_rules(POSTROUTING, |rule| rule.leads_to() == Some(&self.name))? {
                let goes = match rule.source() {
                    Some(source) if is_of(source, own) => true,
                    source => {
                        others()?.is_some_and(|others| !source.is_some_and(|s| has_some_of(s, &others)))
                    }
                };
                stays |= !goes;
                batch = if goes { batch.delete_rule(&rule) } else { batch };
            }
            Ok(if stays { batch } else { batch.flush_chain(&self.name).delete_chain(&self.name) })
        })
    }
}

/// What the comments of all of a network's rules begin with.
pub(super) fn comments_of(network: &NetworkName) -> String {
    format!("name: \"{network}\" id: \"")
}

/// Whether a chain has a name as those here have.
pub(super) fn is_of_containers(chain: &str) -> bool {
    let is_digit = |b: u8| b.is_ascii_digit() || matches!(b, b'a'..=b'f');
    chain.strip_prefix(PREFIX).is_some_and(|hash| hash.len() == 2 * HASHED && hash.bytes().all(is_digit))
}

/// Whether addresses are one of these.
fn is_of(source: IpNet, ips: &[IpNet]) -> bool {
    ips.iter().any(|ip| IpNet::from(ip.addr()) == source)
}

/// Whether addresses have one of these among them: an older reference plugin led the whole network into the chain.
fn has_some_of(source: IpNet, ips: &[IpNet]) -> bool {
    ips.iter().any(|ip| source.contains(&ip.addr()))
}
