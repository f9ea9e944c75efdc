//! The iptables chain of a container in a network, and the rules that jump to it, in the reference plugin's layout.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cni_skel::Result;
use cni_skel::iptables::{Batch, Family, Listing, Nat, Rule};
use cni_skel::types::{ContainerId, NetworkName};
use ipnet::IpNet;

use super::hash;

/// The chain that every outgoing packet passes.
pub(super) const POSTROUTING: &str = "POSTROUTING";
/// The start of the name of each container's chain.
const PREFIX: &str = "CNI-";
/// The number of bytes of the hash in the name.
const HASH_BYTES: usize = 12;
/// The longest comment that iptables accepts, in bytes.
const MAX_COMMENT: usize = 255;

/// The name of a container's chain in a network, and the comment of its rules.
#[derive(Clone)]
pub(super) struct ContainerChain {
    pub(super) name: String,
    comment: String,
}

impl ContainerChain {
    pub(super) fn of(network: &NetworkName, container_id: &ContainerId) -> Self {
        let name = format!("{PREFIX}{}", hash(&format!("{network}{container_id}"), HASH_BYTES));
        // Names and ids are ASCII.
        let mut comment = format!("{}{container_id}\"", comments_of(network));
        comment.truncate(MAX_COMMENT);
        Self { name, comment }
    }

    /// The rule for packets that stay in the network.
    pub(super) fn accept_local(&self, ip: IpNet) -> Rule {
        Rule::new().daddr(ip).comment(&self.comment).accept()
    }

    /// The rule for packets that leave the network.
    pub(super) fn masquerade(&self, family: Family) -> Rule {
        let multicast = match family {
            Family::Ipv4 => IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(224, 0, 0, 0)), 4),
            Family::Ipv6 => IpNet::new_assert(IpAddr::V6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0)), 8),
        };
        Rule::new().not_daddr(multicast).comment(&self.comment).masquerade()
    }

    /// The rule of `POSTROUTING` that jumps to the chain.
    pub(super) fn jump(&self, ip: IpNet) -> Rule {
        Rule::new().saddr(ip.addr()).comment(&self.comment).jump(&self.name)
    }

    /// Adds chain and rules, if the chain does not exist.
    pub(super) fn create<'a>(&self, batch: Batch<'a>, family: Family, ips: &[IpNet]) -> Batch<'a> {
        let batch = self.fill(batch.create_chain(&self.name), &self.wanted(family, ips, &[]));
        ips.iter().fold(batch, |batch, ip| batch.append_rule(POSTROUTING, &self.jump(*ip)))
    }

    /// Adds what is missing of chain and rules.
    pub(super) fn complete<'a>(
        &self,
        listing: &Listing<'_>,
        batch: Batch<'a>,
        family: Family,
        ips: &[IpNet],
    ) -> Result<Batch<'a>> {
        if !listing.has_chain(&self.name)? {
            return Ok(self.create(batch, family, ips));
        }
        let present = listing.rules(&self.name)?;
        let wanted = self.wanted(family, ips, &present);
        let mut batch = batch;
        if present != wanted {
            batch = self.fill(batch.flush_chain(&self.name), &wanted);
        }
        let jumps = listing.find_rules(POSTROUTING, |rule| rule.jump_target() == Some(&self.name))?;
        let missing = ips.iter().map(|ip| self.jump(*ip)).filter(|jump| !jumps.contains(jump));
        Ok(missing.fold(batch, |batch, jump| batch.append_rule(POSTROUTING, &jump)))
    }

    /// Returns the rules of the chain. Those that accept packets to the networks of these addresses, and of the container's
    /// other attachments, come before the one that masquerades.
    fn wanted(&self, family: Family, ips: &[IpNet], present: &[Rule]) -> Vec<Rule> {
        let known = present.iter().filter_map(|rule| {
            let accept = self.accept_local(rule.destination()?);
            (*rule == accept).then_some(accept)
        });
        let mut wanted: Vec<Rule> = Vec::new();
        for accept in known.chain(ips.iter().map(|ip| self.accept_local(*ip))) {
            if !wanted.contains(&accept) {
                wanted.push(accept);
            }
        }
        wanted.push(self.masquerade(family));
        wanted
    }

    fn fill<'a>(&self, batch: Batch<'a>, rules: &[Rule]) -> Batch<'a> {
        rules.iter().fold(batch, |batch, rule| batch.append_rule(&self.name, rule))
    }

    /// Removes the jumps for an attachment's own addresses and for those that no other attachment has, and the chain if no
    /// jump is left. `others` returns the addresses of the other attachments, and is only called if it matters.
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
            let mut is_used = false;
            for rule in listing.find_rules(POSTROUTING, |rule| rule.jump_target() == Some(&self.name))? {
                let is_stale = match rule.source() {
                    Some(source) if is_one_of(source, own) => true,
                    source => {
                        others()?.is_some_and(|others| !source.is_some_and(|s| contains_one_of(s, &others)))
                    }
                };
                is_used |= !is_stale;
                batch = if is_stale { batch.delete_rule(&rule) } else { batch };
            }
            Ok(if is_used { batch } else { batch.flush_chain(&self.name).delete_chain(&self.name) })
        })
    }
}

/// Returns the start of the comment of each rule of a network.
pub(super) fn comments_of(network: &NetworkName) -> String {
    format!("name: \"{network}\" id: \"")
}

/// Whether the name of a chain has the form of a container's chain.
pub(super) fn is_of_containers(chain: &str) -> bool {
    let is_digit = |b: u8| b.is_ascii_digit() || matches!(b, b'a'..=b'f');
    chain.strip_prefix(PREFIX).is_some_and(|hash| hash.len() == 2 * HASH_BYTES && hash.bytes().all(is_digit))
}

/// Whether the source of a rule is one of these addresses.
fn is_one_of(source: IpNet, ips: &[IpNet]) -> bool {
    ips.iter().any(|ip| IpNet::from(ip.addr()) == source)
}

/// Whether the source of a rule contains one of these addresses. An older reference plugin's rules have the whole network.
fn contains_one_of(source: IpNet, ips: &[IpNet]) -> bool {
    ips.iter().any(|ip| source.contains(&ip.addr()))
}
