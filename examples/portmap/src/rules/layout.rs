//! The tables, chains and rules of that layout.

use std::net::{IpAddr, Ipv4Addr};

use cni_skel::net::NetError;
use cni_skel::nft::{
    Base, Batch, Chain, ChainType, DataType, Element, Family, Field, Hook, Nft, Rule, Set, Table, Value,
};

use crate::made;
use crate::owner::{self, Owner};
use crate::plan::{Unwanted, Wanted};
use crate::ports::{self, Mapping, Ports};

/// How far behind the usual places our chains are.
pub(crate) const BEHIND: i32 = 10;

/// The reference plugin's table of one family.
pub(super) struct Layout {
    is_ipv4: bool,
    pub(super) table: Table,
    pub(super) hostip_hostports: Chain,
    pub(super) hostports: Chain,
    pub(super) hostports_all: Chain,
    pub(super) masquerading: Chain,
    /// That plugin's ways to the ports: of what comes in, and of what is made here.
    pub(super) theirs: [Chain; 2],
    /// Ours.
    pub(super) ours: [Chain; 2],
    pub(super) attachments: Set,
}

impl Layout {
    pub(super) fn new(is_ipv4: bool) -> Self {
        let family = if is_ipv4 { Family::Ip } else { Family::Ip6 };
        let table = Table::new(family, "cni_hostport").comment("CNI portmap plugin");
        let base =
            |name, hook, priority| Chain::base(&table, name, Base::new(ChainType::Nat, hook, priority));
        let address = if is_ipv4 { DataType::Ipv4Addr } else { DataType::Ipv6Addr };
        Self {
            is_ipv4,
            hostip_hostports: Chain::new(&table, "hostip_hostports"),
            hostports: Chain::new(&table, "hostports"),
            hostports_all: Chain::new(&table, "hostports_all"),
            theirs: [
                base("prerouting", Hook::Prerouting, Base::DSTNAT),
                base("output", Hook::Output, Base::DSTNAT),
            ],
            ours: [
                base("late_prerouting", Hook::Prerouting, Base::DSTNAT + BEHIND),
                base("late_output", Hook::Output, Base::DSTNAT + BEHIND),
            ],
            masquerading: base("masquerading", Hook::Postrouting, Base::SRCNAT),
            attachments: Set::map(&table, "attachments", &[owner::KEY], &[address])
                .comment("Who has which address, for plugins that add no rule twice"),
            table,
        }
    }

    pub(super) fn shown(&self) -> String {
        format!("{} {}", self.table.family.as_str(), self.table.name)
    }

    /// Has all there that is not one attachment's own. The reference plugin's ways to the ports are closed: an old one left
    /// them without a look at the destination (CVE-2025-67499), and none of them is needed.
    pub(super) fn ensure<'a>(
        &self,
        nft: &'a Nft,
        batch: Batch<'a>,
        snat: bool,
    ) -> Result<Batch<'a>, NetError> {
        let chains = [&self.hostip_hostports, &self.hostports, &self.hostports_all];
        let chains = chains.into_iter().chain(&self.ours).chain(snat.then_some(&self.masquerading));
        let batch = made::missing(nft, batch, &self.table, chains, [&self.attachments])?;
        let theirs = self.theirs.iter().map(|chain| (chain, Vec::new()));
        let all = self.leads().into_iter().chain(theirs);
        all.into_iter().try_fold(batch, |batch, (chain, rules)| made::rules(nft, batch, chain, &rules))
    }

    /// The rules by which packets come to the ports. Conditions are not here but in the rules of the ports, so that each
    /// network has its own.
    pub(super) fn leads(&self) -> [(&Chain, Vec<Rule>); 3] {
        let local = |chain| vec![Rule::new(chain).to_this_machine().jump(&self.hostports_all)];
        let jumps =
            [&self.hostip_hostports, &self.hostports].map(|to| Rule::new(&self.hostports_all).jump(to));
        let [prerouting, output] = &self.ours;
        [(prerouting, local(prerouting)), (output, local(output)), (&self.hostports_all, jumps.to_vec())]
    }

    /// Whether packets come to the ports, by our way or by the reference plugin's, which may have conditions in it.
    pub(super) fn lacks_ways(&self, nft: &Nft) -> Result<Vec<String>, NetError> {
        let mut lacking = Vec::new();
        for (ours, theirs) in self.ours.iter().zip(&self.theirs) {
            let mut rules = nft.rules(ours)?;
            rules.extend(nft.rules(theirs)?);
            if !rules.iter().any(|rule| rule.jump_target() == Some(&self.hostports_all.name)) {
                lacking.push(format!("chain {} {} does not lead to mapped ports", self.shown(), ours.name));
            }
        }
        let rules = nft.rules(&self.hostports_all)?;
        if !rules.iter().any(|rule| rule.jump_target() == Some(&self.hostports.name)) {
            let name = &self.hostports_all.name;
            lacking.push(format!("chain {} {name} does not lead to mapped ports", self.shown()));
        }
        Ok(lacking)
    }

    /// Forgets attachments. With the last one our ways go, too: what is there then is the reference plugin's, and that may
    /// have conditions on its own ways.
    pub(super) fn forget<'a>(
        &self,
        nft: &'a Nft,
        mut batch: Batch<'a>,
        attachments: &[Element],
    ) -> Result<Batch<'a>, NetError> {
        batch = batch.delete_elements(&self.attachments, attachments);
        let stays = |element: &Element| attachments.iter().all(|gone| gone.key != element.key);
        if !nft.has_element(&self.attachments, stays)? {
            for chain in &self.ours {
                if nft.find_chain(chain)?.is_some() {
                    batch = batch.delete_chain(chain);
                }
            }
        }
        Ok(batch)
    }

    pub(super) fn mapping_rules(&self, wanted: &Wanted<'_>, ports: &Ports) -> Vec<Rule> {
        let begun = wanted.settings.conditions.begin(&Rule::new(&self.hostports), self.is_ipv4);
        let rules = ports.mappings.iter().flat_map(|mapping| {
            begun.iter().map(|rule| mapping.append_to(rule.clone(), ports.address())).collect::<Vec<_>>()
        });
        rules.collect()
    }

    /// What the container sends to its own port has to come back with another address, and so has what comes from the
    /// host's loopback address.
    pub(super) fn masquerading_rules(&self, wanted: &Wanted<'_>, ports: &Ports) -> Vec<Rule> {
        let to = ports.address();
        let rule = Rule::new(&self.masquerading);
        match wanted.settings {
            settings if !settings.snat => Vec::new(),
            // Only what came by a mapped port.
            settings if settings.masq_all => vec![rule.daddr(to).ct_status_dnat().masquerade()],
            _ => {
                let mut rules = vec![rule.clone().saddr(to).daddr(to).masquerade()];
                if self.is_ipv4 {
                    rules.push(rule.saddr(IpAddr::V4(Ipv4Addr::LOCALHOST)).daddr(to).masquerade());
                }
                rules
            }
        }
    }

    /// What is known about an attachment.
    pub(super) fn known(&self, nft: &Nft, owner: &Owner) -> Result<Option<Element>, NetError> {
        let found = nft.find_elements(&self.attachments, &[vec![owner.key()]])?;
        Ok(found.into_iter().flatten().find(|element| owner.has(element)))
    }

    /// Those rules of attachments with a comment that is meant. The number of all of them grows with that of containers.
    pub(super) fn rules_with_comment(
        &self,
        nft: &Nft,
        is_meant: impl Fn(&str) -> bool,
    ) -> Result<Vec<Rule>, NetError> {
        let mut rules = nft.rules_with_comment(&self.hostip_hostports, &is_meant)?;
        rules.extend(nft.rules_with_comment(&self.hostports, &is_meant)?);
        rules.extend(nft.rules_with_comment(&self.masquerading, &is_meant)?);
        Ok(rules)
    }

    pub(super) fn remove_rules<'a>(
        &self,
        nft: &Nft,
        mut batch: Batch<'a>,
        owner: &Owner,
        addresses: &[IpAddr],
        freed: &mut Vec<IpAddr>,
    ) -> Result<Batch<'a>, NetError> {
        if addresses.is_empty() {
            return Ok(batch);
        }
        let comment = owner.rule_comment();
        for rule in &self.rules_with_comment(nft, |about| about == comment)? {
            let address = container_address(rule).filter(|address| addresses.contains(address));
            if let Some(address) = address {
                batch = batch.delete_rule(rule);
                if !freed.contains(&address) {
                    freed.push(address);
                }
            }
        }
        Ok(batch)
    }

    /// The addresses that the reference plugin mapped the ports to. Where the runtime does not tell them, they are those
    /// of the container's rules for just these ports, but for addresses that are known to be of another attachment.
    pub(super) fn guess(&self, nft: &Nft, unwanted: &Unwanted<'_>) -> Result<Vec<IpAddr>, NetError> {
        let mappings = ports::applying(self.is_ipv4, unwanted.mappings.unwrap_or_default());
        if mappings.is_empty() {
            return Ok(Vec::new());
        }
        let comment = unwanted.owner.rule_comment();
        let rules = self.rules_with_comment(nft, |about| about == comment)?;
        let is_one = |rule: &&Rule| mappings.iter().any(|mapping| mapping.is_of(rule));
        let mut addresses: Vec<_> = rules.iter().filter(is_one).filter_map(Rule::dnat_address).collect();
        if !addresses.is_empty() {
            let others = nft.elements(&self.attachments)?;
            let others = others.iter().filter(|element| {
                element.comment.as_deref().is_some_and(|about| owner::is_of(about, &comment))
            });
            let others: Vec<_> = others.filter_map(address_of).collect();
            addresses.retain(|address| !others.contains(address));
        }
        Ok(addresses)
    }
}

impl Mapping {
    /// The rest of a rule that leads packets for this port to the container.
    pub(super) fn append_to(&self, rule: Rule, to: IpAddr) -> Rule {
        let rule = self.host_ip.iter().fold(rule, |rule, host_ip| rule.daddr(*host_ip));
        rule.dport(self.protocol, self.host_port).dnat_to_port((to, self.container_port).into())
    }

    /// Whether a rule is about this port of the host.
    pub(super) fn is_of(&self, rule: &Rule) -> bool {
        let address = rule.required(Field::IpDaddr).or_else(|| rule.required(Field::Ip6Daddr));
        rule.required(Field::L4Proto) == Some(self.protocol.into())
            && rule.required(Field::Dport) == Some(Value::port(self.host_port))
            && address == self.host_ip.map(Value::from)
    }
}

/// The address of the container that a rule is for.
pub(super) fn container_address(rule: &Rule) -> Option<IpAddr> {
    let to = || rule.required(Field::IpDaddr).or_else(|| rule.required(Field::Ip6Daddr))?.as_ip();
    rule.dnat_address().or_else(to)
}

pub(super) fn address_of(attachment: &Element) -> Option<IpAddr> {
    attachment.data.first()?.as_ip()
}
