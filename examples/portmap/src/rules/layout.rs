//! The tables, chains and rules of layout `rules`.

use std::net::{IpAddr, Ipv4Addr};

use cni_skel::net::NetError;
use cni_skel::nft::{
    Base, Batch, Chain, ChainType, DataType, Element, Family, Field, Hook, Nft, Rule, Set, Table, Value,
};

use crate::made;
use crate::owner::{self, Owner};
use crate::plan::{Unwanted, Wanted};
use crate::ports::{self, Mapping, Ports};

/// How much later than the standard priority our base chains run.
pub(crate) const AFTER_OTHERS: i32 = 10;

/// The table of one family, with the reference plugin's name.
pub(super) struct Layout {
    is_ipv4: bool,
    pub(super) table: Table,
    pub(super) hostip_hostports: Chain,
    pub(super) hostports: Chain,
    pub(super) hostports_all: Chain,
    pub(super) masquerading: Chain,
    /// The reference plugin's base chains, for packets from outside and from this host.
    pub(super) reference_chains: [Chain; 2],
    /// Our base chains.
    pub(super) base_chains: [Chain; 2],
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
            reference_chains: [
                base("prerouting", Hook::Prerouting, Base::DSTNAT),
                base("output", Hook::Output, Base::DSTNAT),
            ],
            base_chains: [
                base("late_prerouting", Hook::Prerouting, Base::DSTNAT + AFTER_OTHERS),
                base("late_output", Hook::Output, Base::DSTNAT + AFTER_OTHERS),
            ],
            masquerading: base("masquerading", Hook::Postrouting, Base::SRCNAT),
            attachments: Set::map(&table, "attachments", &[owner::KEY], &[address])
                .comment("Address of each attachment"),
            table,
        }
    }

    pub(super) fn shown(&self) -> String {
        format!("{} {}", self.table.family.as_str(), self.table.name)
    }

    /// Adds what all attachments share. Empties the reference plugin's base chains: old versions did not check the destination
    /// there (CVE-2025-67499), and our chains replace them.
    pub(super) fn ensure<'a>(
        &self,
        nft: &'a Nft,
        batch: Batch<'a>,
        snat: bool,
    ) -> Result<Batch<'a>, NetError> {
        let chains = [&self.hostip_hostports, &self.hostports, &self.hostports_all];
        let chains = chains.into_iter().chain(&self.base_chains).chain(snat.then_some(&self.masquerading));
        let batch = made::missing(nft, batch, &self.table, chains, [&self.attachments])?;
        let theirs = self.reference_chains.iter().map(|chain| (chain, Vec::new()));
        let all = self.jumps().into_iter().chain(theirs);
        all.into_iter().try_fold(batch, |batch, (chain, rules)| made::rules(nft, batch, chain, &rules))
    }

    /// The rules that send packets to the chains with the ports. Conditions are in the rules of the ports, so that each network
    /// has its own.
    pub(super) fn jumps(&self) -> [(&Chain, Vec<Rule>); 3] {
        let local = |chain| vec![Rule::new(chain).to_this_machine().jump(&self.hostports_all)];
        let jumps =
            [&self.hostip_hostports, &self.hostports].map(|to| Rule::new(&self.hostports_all).jump(to));
        let [prerouting, output] = &self.base_chains;
        [(prerouting, local(prerouting)), (output, local(output)), (&self.hostports_all, jumps.to_vec())]
    }

    /// Names the chains without a jump to the ports. A jump of ours is enough, and so is one of the reference plugin, which may
    /// have conditions.
    pub(super) fn missing_jumps(&self, nft: &Nft) -> Result<Vec<String>, NetError> {
        let mut lacking = Vec::new();
        for (ours, theirs) in self.base_chains.iter().zip(&self.reference_chains) {
            let mut rules = nft.rules(ours)?;
            rules.extend(nft.rules(theirs)?);
            if !rules.iter().any(|rule| rule.jump_target() == Some(&self.hostports_all.name)) {
                lacking.push(format!(
                    "chain {} {} has no jump to {}",
                    self.shown(),
                    ours.name,
                    self.hostports_all.name
                ));
            }
        }
        let rules = nft.rules(&self.hostports_all)?;
        if !rules.iter().any(|rule| rule.jump_target() == Some(&self.hostports.name)) {
            let name = &self.hostports_all.name;
            lacking.push(format!("chain {} {name} has no jump to {}", self.shown(), self.hostports.name));
        }
        Ok(lacking)
    }

    /// Removes attachments from the map. With the last one our base chains go too: the rules that are left are the reference
    /// plugin's, and its jumps may have conditions.
    pub(super) fn forget<'a>(
        &self,
        nft: &'a Nft,
        mut batch: Batch<'a>,
        attachments: &[Element],
    ) -> Result<Batch<'a>, NetError> {
        batch = batch.delete_elements(&self.attachments, attachments);
        let stays = |element: &Element| attachments.iter().all(|gone| gone.key != element.key);
        if !nft.has_element(&self.attachments, stays)? {
            for chain in &self.base_chains {
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

    /// Masquerades what the container sends to its own port, and what comes from the host's loopback address. The container
    /// could not answer otherwise.
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

    /// Finds the element of an attachment.
    pub(super) fn known(&self, nft: &Nft, owner: &Owner) -> Result<Option<Element>, NetError> {
        let found = nft.find_elements(&self.attachments, &[vec![owner.key()]])?;
        Ok(found.into_iter().flatten().find(|element| owner.has(element)))
    }

    /// Finds the rules of attachments by their comments. Reads all rules, whose number grows with that of containers.
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

    /// Finds the addresses that the reference plugin mapped the ports to, if the runtime does not pass them: those of the
    /// container's rules for these ports, except addresses of other attachments.
    pub(super) fn addresses_in_rules(
        &self,
        nft: &Nft,
        unwanted: &Unwanted<'_>,
    ) -> Result<Vec<IpAddr>, NetError> {
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
    /// Appends the port and the DNAT to the container to a rule.
    pub(super) fn append_to(&self, rule: Rule, to: IpAddr) -> Rule {
        let rule = self.host_ip.iter().fold(rule, |rule, host_ip| rule.daddr(*host_ip));
        rule.dport(self.protocol, self.host_port).dnat_to_port((to, self.container_port).into())
    }

    /// Returns whether a rule is for this port of the host.
    pub(super) fn is_of(&self, rule: &Rule) -> bool {
        let address = rule.required(Field::IpDaddr).or_else(|| rule.required(Field::Ip6Daddr));
        rule.required(Field::L4Proto) == Some(self.protocol.into())
            && rule.required(Field::Dport) == Some(Value::port(self.host_port))
            && address == self.host_ip.map(Value::from)
    }
}

/// Returns the container's address in a rule.
pub(super) fn container_address(rule: &Rule) -> Option<IpAddr> {
    let to = || rule.required(Field::IpDaddr).or_else(|| rule.required(Field::Ip6Daddr))?.as_ip();
    rule.dnat_address().or_else(to)
}

pub(super) fn address_of(attachment: &Element) -> Option<IpAddr> {
    attachment.data.first()?.as_ip()
}
