//! Masquerading with nftables, in the reference plugin's layout.
//!
//! A rule belongs to one attachment. Two hashes at the start of its comment identify it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cni_skel::net::NetError;
use cni_skel::nft::{Base, Chain, ChainType, Family, Hook, Nft, Rule, Table};
use cni_skel::types::{AddResult, Attachment, ContainerId, IfName, IpConfig, NetworkName};
use cni_skel::{AddRequest, CheckRequest, DelRequest, Result};
use ipnet::IpNet;

use super::{different, hash};
use crate::config::Config;
use crate::container::own_ips;

/// The longest comment that `nft` accepts, in bytes.
const MAX_COMMENT: usize = 128;

/// The number of bytes of each hash in a comment.
const HASH_BYTES: usize = 8;

/// Adds the rules for an attachment. They are removed if ADD fails.
pub(super) fn add(req: &AddRequest<Config>, result: &AddResult) -> Result<()> {
    let nft = Nft::open()?;
    let owner = Owner::of(req.network(), &req.container_id, &req.ifname);
    let (undo, id) = (nft.clone(), owner.id.clone());
    req.on_failure("remove the masquerading rules", move || remove(&undo, |rule| rule.starts_with(&id)));
    let layout = Layout::new();
    let rules: Vec<_> =
        own_ips(result, &req.ifname).map(|ip| layout.rule(ip).comment(&owner.comment)).collect();
    nft.transaction::<NetError>(|batch| {
        let mut batch = batch.add_table(&layout.table);
        // Only what differs is changed. A change costs time later, and other attachments use the chains.
        for chain in [&layout.checks, &layout.postrouting] {
            if nft.find_chain(chain)?.is_none() {
                batch = batch.add_chain(chain);
            }
        }
        let wanted = layout.postrouting_rules();
        if !are_same(&nft.rules(&layout.postrouting)?, &wanted) {
            batch = batch.flush_chain(&layout.postrouting);
            batch = wanted.iter().fold(batch, |batch, rule| batch.add_rule(rule));
        }
        let stale = nft.rules_with_comment(&layout.checks, |comment| comment.starts_with(&owner.id))?;
        batch = stale.iter().fold(batch, |batch, rule| batch.delete_rule(rule));
        Ok(rules.iter().fold(batch, |batch, rule| batch.add_rule(rule)))
    })?;
    Ok(())
}

/// Removes the rules of an attachment.
pub(super) fn del(nft: &Nft, req: &DelRequest<Config>) -> Result<()> {
    let owner = Owner::of(req.network(), &req.container_id, &req.ifname);
    Ok(remove(nft, |comment| comment.starts_with(&owner.id))?)
}

/// Removes the rules of attachments that are not valid any more.
pub(super) fn collect(nft: &Nft, network: &NetworkName, valid: &[Attachment]) -> Result<()> {
    let valid: Vec<_> = valid.iter().map(|a| Owner::of(network, &a.container_id, &a.ifname).id).collect();
    let of_network = format!("{}-", hash(network.as_str(), HASH_BYTES));
    let is_stale =
        |comment: &str| comment.starts_with(&of_network) && !valid.iter().any(|id| comment.starts_with(id));
    Ok(remove(nft, is_stale)?)
}

/// Checks that the addresses of an attachment are masqueraded.
pub(super) fn check(req: &CheckRequest<Config>, result: &AddResult) -> Result<()> {
    let nft = Nft::open()?;
    let layout = Layout::new();
    if !are_same(&nft.rules(&layout.postrouting)?, &layout.postrouting_rules()) {
        return Err(different(
            "chain postrouting of table inet cni_plugins_masquerade is changed".to_owned(),
        ));
    }
    let owner = Owner::of(req.network(), &req.container_id, &req.ifname);
    let rules = nft.rules_with_comment(&layout.checks, |comment| comment.starts_with(&owner.id))?;
    for ip in own_ips(result, &req.ifname) {
        let wanted = layout.rule(ip);
        if !rules.iter().any(|rule| rule.does_the_same(&wanted)) {
            return Err(different(format!("address {} is not masqueraded", ip.address)));
        }
    }
    Ok(())
}

fn remove(nft: &Nft, matches: impl Fn(&str) -> bool) -> Result<(), NetError> {
    let checks = Layout::new().checks;
    nft.transaction(|batch| {
        let rules = nft.rules_with_comment(&checks, &matches)?;
        Ok(rules.iter().fold(batch, |batch, rule| batch.delete_rule(rule)))
    })
}

fn are_same(rules: &[Rule], wanted: &[Rule]) -> bool {
    rules.len() == wanted.len() && rules.iter().zip(wanted).all(|(rule, wanted)| rule.does_the_same(wanted))
}

/// The reference plugin's table and chains.
struct Layout {
    table: Table,
    checks: Chain,
    postrouting: Chain,
}

impl Layout {
    fn new() -> Self {
        let table = Table::new(Family::Inet, "cni_plugins_masquerade")
            .comment("Masquerading for plugins from github.com/containernetworking/plugins");
        let checks = Chain::new(&table, "masq_checks")
            .comment("Masquerade traffic from certain IPs to any (non-multicast) IP outside their subnet");
        let base = Base::new(ChainType::Nat, Hook::Postrouting, Base::SRCNAT);
        let postrouting = Chain::base(&table, "postrouting", base);
        Self { table, checks, postrouting }
    }

    /// The rules of the base chain: all packets but multicast go to `masq_checks`.
    fn postrouting_rules(&self) -> [Rule; 3] {
        let to = |net: IpNet| Rule::new(&self.postrouting).daddr(net).return_();
        let ipv4 = IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(224, 0, 0, 0)), 4);
        let ipv6 = IpNet::new_assert(IpAddr::V6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0)), 8);
        [to(ipv4), to(ipv6), Rule::new(&self.postrouting).goto(&self.checks)]
    }

    fn rule(&self, ip: &IpConfig) -> Rule {
        Rule::new(&self.checks).saddr(ip.address.addr()).not_daddr(ip.address.trunc()).masquerade()
    }
}

/// The attachment that a rule belongs to.
struct Owner {
    /// The start of the comment.
    id: String,
    comment: String,
}

impl Owner {
    fn of(network: &NetworkName, container_id: &ContainerId, ifname: &IfName) -> Self {
        let attachment = format!("{ifname}:{container_id}");
        let hashes = [network.as_str(), &attachment].map(|text| hash(text, HASH_BYTES));
        let id = hashes.join("-");
        let text = format!("{id}, net: {network}, if: {ifname}, id: {container_id}");
        let mut comment: String = text.chars().filter(|c| *c != '"' && !c.is_control()).collect();
        while comment.len() > MAX_COMMENT {
            comment.pop();
        }
        Self { id, comment }
    }
}
