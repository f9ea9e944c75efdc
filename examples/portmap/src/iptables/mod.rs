//! iptables in the reference plugin's layout: a chain for each container on a network.
//!
//! If the chain does not exist, no ADD came before, so an ADD does not look at the rules of other containers. The interfaces of
//! a container on one network share the chain. An interface that is still in the container's namespace keeps its rules.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use cni_skel::iptables::{Batch, Family, Iptables, Listing, Nat, Rule};
use cni_skel::net::NetError;
use cni_skel::types::{IfName, NetworkName, PortMapping};
use cni_skel::{Errors, Netns, Result};

use crate::owner::Owner;
use crate::plan::{Unwanted, Wanted};
use chains::{DNAT, MASQ, OLD_SNAT};

mod chains;

/// Tells which addresses in a container's chain belong to other attachments.
#[derive(Clone, Debug)]
enum Others {
    /// The addresses of the container's other interfaces.
    Addresses(Vec<IpAddr>),
    /// The namespace cannot be read: all addresses except these. If these are not known either, none.
    AllExcept(Vec<IpAddr>),
}

impl Others {
    /// Reads the addresses in the container's namespace, if it can be entered.
    fn of(netns: Option<&Netns>, ifname: &IfName, own: &[IpAddr]) -> Self {
        let ask = |netns: &Netns| -> Result<Vec<IpAddr>, NetError> {
            let net = netns.net()?;
            let own = net.find_link(ifname)?.map(|link| link.index);
            let others = net.addresses(None)?.into_iter().filter(|address| Some(address.link) != own);
            Ok(others.map(|address| address.address.addr()).collect())
        };
        let answer = netns.and_then(|netns| ask(netns).ok());
        answer.map_or_else(|| Self::AllExcept(own.to_vec()), Self::Addresses)
    }

    fn has(&self, address: IpAddr) -> bool {
        match self {
            Self::Addresses(others) => others.contains(&address),
            Self::AllExcept(own) => !own.is_empty() && !own.contains(&address),
        }
    }
}

/// Adds the rules of an attachment, and removes those of an earlier ADD.
///
/// `mappings` are those of both families: in the reference plugin's layout, packets for all of them jump to the container's
/// chain.
pub(crate) fn add(
    iptables: &Iptables,
    wanted: &Wanted<'_>,
    mappings: &[PortMapping],
    netns: &Netns,
) -> Result<()> {
    for ports in wanted.ports {
        let nat = iptables.nat(Family::of(ports.address()))?;
        let entries = chains::entries(wanted, ports.is_ipv4(), mappings)?;
        nat.transaction(|listing, batch| {
            let mut batch = ensure(listing, batch, wanted)?;
            let chain = chains::of_container(&wanted.owner.network, &wanted.owner.container_id);
            let mut entries_there = Vec::new();
            let mut is_second = false;
            if listing.has_chain(&chain)? {
                // An address of this attachment is not another's, whatever the namespace has.
                let others = Others::of(Some(netns), &wanted.owner.ifname, &[ports.address()]);
                let is_other = |address| address != ports.address() && others.has(address);
                let rules = listing.rules(&chain)?;
                let (kept, stale) = parted(&rules, |dnat| dnat_address(dnat).is_some_and(is_other));
                // Rules without a comment stay without one when the ADD is repeated.
                is_second = !kept.is_empty()
                    && !stale.iter().any(|rule| rule.dnat().is_some() && rule.as_comment().is_none());
                batch = stale.into_iter().fold(batch, |batch, rule| batch.delete_rule(rule));
                entries_there = jumps_to(listing, DNAT, &chain)?;
                if kept.is_empty() {
                    batch = entries_there.iter().fold(batch, |batch, rule| batch.delete_rule(rule));
                    entries_there.clear();
                }
            } else {
                batch = batch.create_chain(&chain);
            }
            for rule in chains::mapping_rules(wanted, ports, is_second) {
                batch = batch.append_rule(&chain, &rule);
            }
            let new = entries.iter().filter(|entry| !entries_there.contains(entry));
            Ok(new.fold(batch, |batch, entry| batch.append_rule(DNAT, entry)))
        })?;
    }
    Ok(())
}

/// Removes the rules of an attachment, also those that the reference plugin made, from nftables and from legacy iptables. Adds
/// the container's addresses in them to `freed`.
///
/// The tables of legacy iptables can only be read with a program. It runs only if the runtime passes mappings.
pub(crate) fn remove(
    iptables: &Iptables,
    unwanted: &Unwanted<'_>,
    netns: Option<&Netns>,
    freed: &mut Vec<IpAddr>,
) -> Result<()> {
    let chain = chains::of_container(&unwanted.owner.network, &unwanted.owner.container_id);
    let old_chain = chains::old_of_container(unwanted.owner);
    let mut errors = Errors::new();
    let mut nats = nats(iptables, &mut errors);
    nats.retain(|nat| unwanted.mappings.is_some() || !nat.is_legacy());
    for nat in &nats {
        let removed = nat.transaction(|listing, mut batch| {
            if listing.has_chain(&chain)? {
                let others = Others::of(netns, &unwanted.owner.ifname, &unwanted.addresses);
                let rules = listing.rules(&chain)?;
                for (address, _) in rules.iter().filter_map(Rule::dnat) {
                    if !others.has(address) && !freed.contains(&address) {
                        freed.push(address);
                    }
                }
                let (kept, stale) =
                    parted(&rules, |dnat| dnat_address(dnat).is_some_and(|to| others.has(to)));
                batch = if kept.is_empty() {
                    without_chain(listing, batch, DNAT, &chain)?
                } else {
                    stale.into_iter().fold(batch, |batch, rule| batch.delete_rule(rule))
                };
            }
            if listing.has_chain(&old_chain)? {
                batch = without_chain(listing, batch, OLD_SNAT, &old_chain)?;
            }
            Ok(batch)
        });
        errors.attempt(removed);
    }
    errors.finish()
}

/// Removes the rules of attachments of the network that are not valid, also those that the reference plugin made, and chains
/// without a jump.
pub(crate) fn collect(iptables: &Iptables, network: &NetworkName, valid: &[Owner]) -> Result<()> {
    let mut valid_interfaces: BTreeMap<String, Vec<&IfName>> = BTreeMap::new();
    for owner in valid {
        let chain = chains::of_container(&owner.network, &owner.container_id);
        valid_interfaces.entry(chain).or_default().push(&owner.ifname);
    }
    let of_network = chains::comment_of_network(network);
    let mut errors = Errors::new();
    for nat in nats(iptables, &mut errors) {
        errors.attempt(nat.transaction(|listing, mut batch| {
            let mut has_entry = BTreeSet::new();
            let is_stale = |entry: &Rule| {
                let Some(chain) = entry.jump_target() else { return false };
                has_entry.insert(chain.to_owned());
                let is_of_network =
                    entry.as_comment().is_some_and(|comment| comment.starts_with(&of_network));
                is_of_network && !valid_interfaces.contains_key(chain)
            };
            let stale_entries = listing.find_rules(DNAT, is_stale)?;
            let mut stale_chains: BTreeSet<&str> =
                stale_entries.iter().filter_map(Rule::jump_target).collect();
            batch = stale_entries.iter().fold(batch, |batch, entry| batch.delete_rule(entry));
            let chains = listing.chains()?;
            for chain in chains.iter().filter(|chain| chains::is_of_container(chain)) {
                match valid_interfaces.get(chain) {
                    Some(interfaces) => batch = without_gone(listing, batch, chain, interfaces)?,
                    // A killed process left it. Its name does not tell the network, but it has no effect in any.
                    None if !has_entry.contains(chain) && !listing.has_jump_to(chain)? => {
                        stale_chains.insert(chain);
                    }
                    None => {}
                }
            }
            Ok(stale_chains.into_iter().fold(batch, |batch, chain| batch.delete_chain(chain)))
        }));
    }
    errors.finish()
}

/// Removes the rules of the interfaces that a container does not have any more from its chain. Rules that do not name their
/// interface are of the one that no other rule names.
fn without_gone<'a>(
    listing: &Listing<'_>,
    batch: Batch<'a>,
    chain: &str,
    interfaces: &[&IfName],
) -> Result<Batch<'a>> {
    let valid: Vec<_> = interfaces.iter().map(|ifname| chains::comment_of_interface(ifname)).collect();
    let rules = listing.rules(chain)?;
    let is_named = |valid: &String| rules.iter().any(|rule| rule.as_comment() == Some(valid));
    let are_all_named = valid.iter().all(is_named);
    let (kept, gone) = parted(&rules, |dnat| match dnat.map(Rule::as_comment) {
        // The reference plugin is at work, or it is somebody else's.
        None => true,
        Some(None) => !are_all_named,
        Some(Some(comment)) => valid.iter().any(|valid| valid == comment),
    });
    if kept.is_empty() && !gone.is_empty() {
        return without_chain(listing, batch, DNAT, chain);
    }
    Ok(gone.into_iter().fold(batch, |batch, rule| batch.delete_rule(rule)))
}

/// Names what is missing.
pub(crate) fn missing(
    iptables: &Iptables,
    wanted: &Wanted<'_>,
    mappings: &[PortMapping],
) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    for ports in wanted.ports {
        let nat = iptables.nat(Family::of(ports.address()))?;
        let entries = chains::entries(wanted, ports.is_ipv4(), mappings)?;
        let chain = chains::of_container(&wanted.owner.network, &wanted.owner.container_id);
        let listing = nat.listing();
        let mut look = |name: &str, wanted: &[Rule], says: &dyn Fn(&Rule) -> String| {
            let rules = listing.find_rules(name, |rule| is_like(rule, wanted))?;
            let lacking = wanted.iter().filter(|wanted| !is_among(wanted, &rules));
            missing.extend(lacking.map(says));
            Ok::<(), cni_skel::Error>(())
        };
        let lacks = |name: &str| format!("chain {name} has no jump to {DNAT}");
        look("PREROUTING", &[chains::jump_to_ports()], &|_| lacks("PREROUTING"))?;
        look("OUTPUT", &[chains::jump_to_ports()], &|_| lacks("OUTPUT"))?;
        look(DNAT, &entries, &|rule| format!("{DNAT} lacks {rule}"))?;
        let comment = chains::comment_of_interface(&wanted.owner.ifname);
        let is_second = !listing.find_rules(&chain, |rule| rule.as_comment() == Some(&comment))?.is_empty();
        let rules = chains::mapping_rules(wanted, ports, is_second);
        look(&chain, &rules, &|rule| format!("{chain} lacks {rule}"))?;
        for (name, rule) in chains::marking(wanted.settings).into_iter().flatten() {
            look(name, &[rule], &|rule| format!("{name} lacks {rule}"))?;
        }
        if chains::marking(wanted.settings).is_some() {
            let no_jump = |_: &Rule| format!("chain POSTROUTING has no jump to {MASQ}");
            look("POSTROUTING", &[chains::jump_to_masquerading()], &no_jump)?;
        }
    }
    Ok(missing)
}

/// Checks that iptables works.
pub(crate) fn probe(iptables: &Iptables) -> Result<()> {
    iptables.nat(Family::Ipv4)?.listing().has_chain(DNAT).map(drop)
}

fn nats(iptables: &Iptables, errors: &mut Errors) -> Vec<Nat> {
    let nats = Family::ALL.map(|family| errors.attempt(iptables.all_nats(family)));
    nats.into_iter().flatten().flatten().collect()
}

/// Adds what all containers share.
fn ensure<'a>(listing: &Listing<'_>, batch: Batch<'a>, wanted: &Wanted<'_>) -> Result<Batch<'a>> {
    let mut batch = batch.add_chain(DNAT);
    // After the rules of other programs, which may be for the same ports (CVE-2019-9946).
    let lead = chains::jump_to_ports();
    for name in ["PREROUTING", "OUTPUT"] {
        if !listing.rules(name)?.contains(&lead) {
            batch = batch.append_rule(name, &lead);
        }
    }
    for (name, rule) in chains::marking(wanted.settings).into_iter().flatten() {
        batch = batch.add_chain(name);
        if !listing.rules(name)?.contains(&rule) {
            batch = batch.append_rule(name, &rule);
        }
    }
    // Before the rules that masquerade containers, because one of them may accept the packet.
    if chains::marking(wanted.settings).is_some() && !listing.has_jump_to(MASQ)? {
        batch = batch.insert_rule("POSTROUTING", &chains::jump_to_masquerading());
    }
    Ok(batch)
}

/// Returns whether a rule is among these. A rule with matches that only the program can parse is compared by its comment and
/// its jump.
fn is_among(wanted: &Rule, rules: &[Rule]) -> bool {
    rules.iter().any(|rule| is_like(rule, std::slice::from_ref(wanted)))
}

fn is_like(rule: &Rule, wanted: &[Rule]) -> bool {
    let leads = |rule: &Rule| (rule.as_comment().map(str::to_owned), rule.jump_target().map(str::to_owned));
    wanted.iter().any(|wanted| rule == wanted || wanted.needs_program() && leads(rule) == leads(wanted))
}

/// Parts the rules of a container's chain into those to keep and those to remove. A DNAT rule and the rules before it that
/// set marks stay together: `is_kept` gets the DNAT rule, or none for rules at the end that have none behind them.
fn parted(rules: &[Rule], is_kept: impl Fn(Option<&Rule>) -> bool) -> (Vec<&Rule>, Vec<&Rule>) {
    let (mut kept, mut stale) = (Vec::new(), Vec::new());
    let mut rest = rules;
    while !rest.is_empty() {
        let end = rest.iter().position(|rule| rule.dnat().is_some()).map_or(rest.len(), |at| at + 1);
        let (block, behind) = rest.split_at(end);
        let dnat = block.last().filter(|rule| rule.dnat().is_some());
        if is_kept(dnat) { &mut kept } else { &mut stale }.extend(block);
        rest = behind;
    }
    (kept, stale)
}

/// The address that a DNAT rule sends packets to.
fn dnat_address(rule: Option<&Rule>) -> Option<IpAddr> {
    rule?.dnat().map(|(address, _)| address)
}

fn jumps_to(listing: &Listing<'_>, from: &str, chain: &str) -> Result<Vec<Rule>> {
    listing.find_rules(from, |rule| rule.jump_target() == Some(chain))
}

fn without_chain<'a>(listing: &Listing<'_>, batch: Batch<'a>, from: &str, chain: &str) -> Result<Batch<'a>> {
    let leads = jumps_to(listing, from, chain)?;
    let batch = leads.iter().fold(batch, |batch, rule| batch.delete_rule(rule));
    Ok(batch.delete_chain(chain))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use cni_skel::types::{ContainerId, Protocol};

    use super::*;
    use crate::config::Config;

    fn owner() -> Owner {
        Owner::new(
            &NetworkName::try_from("lan").expect("a literal"),
            &ContainerId::try_from("c1").expect("a literal"),
            &IfName::try_from("eth0").expect("a literal"),
        )
    }

    #[test]
    fn up_to_fifteen_ports_of_a_protocol_share_a_rule() {
        let port = |port| NonZeroU16::new(port).expect("not zero");
        let mut mappings: Vec<_> = (1..=31).map(|n| PortMapping::new(port(n), port(80))).collect();
        mappings.push(PortMapping::new(port(53), port(53)).protocol(Protocol::Udp));
        let settings = Config::default().settings().expect("the default will do");
        let wanted = Wanted { owner: &owner(), settings: &settings, ports: &[] };
        let entries = chains::entries(&wanted, true, &mappings).expect("no conditions");
        let texts: Vec<_> = entries.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 4);
        let comment = r#"-m comment --comment "dnat name: \"lan\" id: \"c1\"""#;
        let chain = "CNI-DN-78be48db7a08b98cf0bb5";
        assert_eq!(texts[2], format!("-p tcp {comment} -m multiport --dports 31 -j {chain}"));
        assert_eq!(texts[3], format!("-p udp {comment} -m multiport --dports 53 -j {chain}"));
    }

    #[test]
    fn rules_go_with_the_address_that_the_rule_behind_them_sends_to() {
        let to = |address: &str| {
            let address: IpAddr = address.parse().expect("a literal");
            Rule::new().dport(Protocol::Tcp, 80).dnat_to_port((address, 80).into())
        };
        let mark = || Rule::new().dport(Protocol::Tcp, 80).jump("MARK");
        let rules = [mark(), mark(), to("10.1.0.2"), mark(), to("10.1.0.3"), mark()];
        let other: IpAddr = "10.1.0.3".parse().expect("a literal");
        let (kept, stale) = parted(&rules, |dnat| dnat_address(dnat) == Some(other));
        assert_eq!(
            (kept, stale),
            (vec![&rules[3], &rules[4]], vec![&rules[0], &rules[1], &rules[2], &rules[5]])
        );
    }
}
