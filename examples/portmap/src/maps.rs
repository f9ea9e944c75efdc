//! nftables with an element of a map for each port: what a packet and a call cost does not grow with the number of ports.
//!
//! The table is ours alone. Its chains come after those of others at the usual places, so that a port that somebody else
//! has rules for stays theirs.

use std::net::{IpAddr, Ipv4Addr};

use cni_skel::net::NetError;
use cni_skel::nft::{
    Base, Batch, Chain, ChainType, DataType, Element, Family, Field, Hook, Nft, Rule, Set, Table, Value,
};
use cni_skel::types::NetworkName;

use crate::owner::{self, Owner};
use crate::plan::{Unwanted, Wanted};
use crate::ports::{self, Mapping, Ports};
use crate::rules::BEHIND;

/// The table.
struct Layout {
    table: Table,
    ports: Chain,
    prerouting: Chain,
    output: Chain,
    postrouting: Chain,
    families: [Maps; 2],
}

/// The maps and sets of one family.
struct Maps {
    is_ipv4: bool,
    /// Ports of one address of the host.
    of_address: Set,
    /// Ports of all addresses of the host.
    of_any: Set,
    /// From which address to which is masqueraded.
    masquerade: Set,
    /// To which address all that came by a port is masqueraded.
    masquerade_all: Set,
    /// Each attachment's address, and how many ports it has.
    attachments: Set,
}

/// Elements that an ADD took from other attachments: the newest ADD has a port.
pub(crate) type Replaced = Vec<(Set, Element)>;

/// Adds what is wanted. What an earlier ADD of this attachment made has to be removed before it in the same batch.
pub(crate) fn add<'a>(
    nft: &'a Nft,
    batch: Batch<'a>,
    wanted: &Wanted<'_>,
    replaced: &mut Replaced,
) -> Result<Batch<'a>, NetError> {
    let layout = Layout::new();
    let mut batch = layout.ensure(nft, batch)?;
    replaced.clear();
    for maps in &layout.families {
        let Some(ports) = wanted.of_family(maps.is_ipv4) else { continue };
        for (set, elements) in maps.elements(wanted, ports) {
            let keys: Vec<_> = elements.iter().map(|element| element.key.clone()).collect();
            let mut others: Vec<_> = nft.find_elements(set, &keys)?.into_iter().flatten().collect();
            // Its own are removed already.
            others.retain(|element| !wanted.owner.has(element));
            if !others.is_empty() {
                batch = batch.delete_elements(set, &others);
                replaced.extend(others.into_iter().map(|element| (set.clone(), element)));
            }
            batch = batch.add_elements(set, &elements);
        }
    }
    Ok(batch)
}

/// Gives the ports back that an ADD took, where they are free.
pub(crate) fn give_back<'a>(
    nft: &'a Nft,
    batch: Batch<'a>,
    owner: &Owner,
    replaced: &Replaced,
) -> Result<Batch<'a>, NetError> {
    replaced.iter().try_fold(batch, |batch, (set, element)| {
        let there = nft.find_elements(set, std::slice::from_ref(&element.key))?.into_iter().flatten().next();
        // What is its own goes in the same batch.
        let is_free = there.is_none_or(|there| owner.has(&there));
        Ok(if is_free { batch.add_elements(set, std::slice::from_ref(element)) } else { batch })
    })
}

/// Removes what is this attachment's, and adds the container's addresses that it was for to `freed`. It costs next to
/// nothing where there was none.
pub(crate) fn remove<'a>(
    nft: &'a Nft,
    batch: Batch<'a>,
    unwanted: &Unwanted<'_>,
    freed: &mut Vec<IpAddr>,
) -> Result<Batch<'a>, NetError> {
    let layout = Layout::new();
    layout.families.iter().try_fold(batch, |batch, maps| maps.remove(nft, batch, unwanted, freed))
}

/// Removes what is of no valid attachment of the network.
pub(crate) fn collect<'a>(
    nft: &'a Nft,
    batch: Batch<'a>,
    network: &NetworkName,
    valid: &[Owner],
) -> Result<Batch<'a>, NetError> {
    let of_network = owner::of_network(network);
    let is_stale = |element: &Element| {
        let is_of_network = element.comment.as_deref().is_some_and(|c| c.starts_with(&of_network));
        is_of_network && !valid.iter().any(|owner| owner.has(element))
    };
    let layout = Layout::new();
    let sets = layout.families.iter().flat_map(Maps::sets);
    sets.into_iter().try_fold(batch, |batch, set| {
        let mut stale = nft.elements(set)?;
        stale.retain(is_stale);
        Ok(batch.delete_elements(set, &stale))
    })
}

/// Names what is wanted and is not there.
pub(crate) fn missing(nft: &Nft, wanted: &Wanted<'_>) -> Result<Vec<String>, NetError> {
    let layout = Layout::new();
    let mut missing = Vec::new();
    for (chain, leads) in layout.leads() {
        let rules = nft.rules(chain)?;
        if !leads.iter().all(|lead| rules.iter().any(|rule| rule.does_the_same(lead))) {
            missing.push(format!("chain inet {} {} is not as ADD made it", layout.table.name, chain.name));
        }
    }
    for maps in &layout.families {
        let Some(ports) = wanted.of_family(maps.is_ipv4) else { continue };
        for mapping in &ports.mappings {
            let (set, element) = (maps.map_of(mapping), mapping.element(ports.address(), wanted.owner));
            if !is_there(nft, set, &element)? {
                missing.push(format!("{mapping} does not lead to {}", ports.address()));
            }
        }
        for (set, elements) in maps.masquerades(wanted, ports) {
            for element in elements {
                if !is_there(nft, set, &element)? {
                    let to = ports.address();
                    missing.push(format!("what comes to {to} is not masqueraded where it has to be"));
                }
            }
        }
    }
    Ok(missing)
}

fn is_there(nft: &Nft, set: &Set, element: &Element) -> Result<bool, NetError> {
    let found = nft.find_elements(set, std::slice::from_ref(&element.key))?;
    Ok(found.into_iter().flatten().any(|found| found == *element))
}

impl Layout {
    fn new() -> Self {
        let table = Table::new(Family::Inet, "cni_hostport_maps").comment("CNI portmap plugin, layout maps");
        let base =
            |name, hook, priority| Chain::base(&table, name, Base::new(ChainType::Nat, hook, priority));
        Self {
            ports: Chain::new(&table, "ports"),
            prerouting: base("prerouting", Hook::Prerouting, Base::DSTNAT + BEHIND),
            output: base("output", Hook::Output, Base::DSTNAT + BEHIND),
            postrouting: base("postrouting", Hook::Postrouting, Base::SRCNAT),
            families: [true, false].map(|is_ipv4| Maps::new(&table, is_ipv4)),
            table,
        }
    }

    fn ensure<'a>(&self, nft: &'a Nft, batch: Batch<'a>) -> Result<Batch<'a>, NetError> {
        let mut batch = batch.add_table(&self.table);
        for chain in [&self.ports, &self.prerouting, &self.output, &self.postrouting] {
            batch = batch.add_chain(chain);
        }
        for set in self.families.iter().flat_map(Maps::sets) {
            batch = batch.add_set(set);
        }
        for (chain, leads) in self.leads() {
            let rules = nft.rules(chain)?;
            let are_same = rules.len() == leads.len()
                && rules.iter().zip(&leads).all(|(rule, lead)| rule.does_the_same(lead));
            if !are_same {
                batch = batch.flush_chain(chain);
                batch = leads.iter().fold(batch, |batch, lead| batch.add_rule(lead));
            }
        }
        Ok(batch)
    }

    /// All rules that there are.
    fn leads(&self) -> [(&Chain, Vec<Rule>); 4] {
        let local = |chain| vec![Rule::new(chain).to_this_machine().jump(&self.ports)];
        let ports = self.families.iter().flat_map(|maps| {
            let by = |fields: &[Field], map| Rule::new(&self.ports).dnat_by(fields, map);
            let of_address = [maps.daddr(), Field::L4Proto, Field::Dport];
            [by(&of_address, &maps.of_address), by(&[Field::L4Proto, Field::Dport], &maps.of_any)]
        });
        let masquerade = self.families.iter().flat_map(|maps| {
            let rule = || Rule::new(&self.postrouting);
            [
                rule().is_in(&[maps.saddr(), maps.daddr()], &maps.masquerade).masquerade(),
                rule().is_in(&[maps.daddr()], &maps.masquerade_all).ct_status_dnat().masquerade(),
            ]
        });
        [
            (&self.prerouting, local(&self.prerouting)),
            (&self.output, local(&self.output)),
            (&self.ports, ports.collect()),
            (&self.postrouting, masquerade.collect()),
        ]
    }
}

impl Maps {
    fn new(table: &Table, is_ipv4: bool) -> Self {
        let (name, address) =
            if is_ipv4 { ("ipv4", DataType::Ipv4Addr) } else { ("ipv6", DataType::Ipv6Addr) };
        let to = [address, DataType::InetService];
        let port = [DataType::InetProto, DataType::InetService];
        let of_address = [address, DataType::InetProto, DataType::InetService];
        Self {
            is_ipv4,
            of_address: Set::map(table, format!("{name}_ports_of_address"), &of_address, &to),
            of_any: Set::map(table, format!("{name}_ports"), &port, &to),
            masquerade: Set::new(table, format!("{name}_masquerade"), &[address, address]),
            masquerade_all: Set::new(table, format!("{name}_masquerade_all"), &[address]),
            attachments: Set::map(
                table,
                format!("{name}_attachments"),
                &[owner::KEY],
                &[address, DataType::Mark],
            )
            .comment("Each attachment's address, and its number of ports"),
        }
    }

    fn sets(&self) -> [&Set; 5] {
        [&self.of_address, &self.of_any, &self.masquerade, &self.masquerade_all, &self.attachments]
    }

    fn saddr(&self) -> Field {
        if self.is_ipv4 { Field::IpSaddr } else { Field::Ip6Saddr }
    }

    fn daddr(&self) -> Field {
        if self.is_ipv4 { Field::IpDaddr } else { Field::Ip6Daddr }
    }

    fn map_of(&self, mapping: &Mapping) -> &Set {
        if mapping.host_ip.is_some() { &self.of_address } else { &self.of_any }
    }

    /// All elements of an attachment.
    fn elements(&self, wanted: &Wanted<'_>, ports: &Ports) -> Vec<(&Set, Vec<Element>)> {
        let (owner, address) = (wanted.owner, ports.address());
        let of = |is_of_address: bool| {
            let mappings = ports.mappings.iter().filter(move |m| m.host_ip.is_some() == is_of_address);
            mappings.map(|mapping| mapping.element(address, owner)).collect()
        };
        let count = u32::try_from(ports.mappings.len()).unwrap_or(u32::MAX);
        let attachment =
            Element::new([owner.key()]).data([address.into(), Value::mark(count)]).comment(owner.comment());
        let mut elements = vec![
            (&self.of_address, of(true)),
            (&self.of_any, of(false)),
            (&self.attachments, vec![attachment]),
        ];
        elements.extend(self.masquerades(wanted, ports));
        elements
    }

    fn masquerades(&self, wanted: &Wanted<'_>, ports: &Ports) -> Vec<(&Set, Vec<Element>)> {
        let element = |key: Vec<Value>| Element::new(key).comment(wanted.owner.comment());
        let address = ports.address();
        match wanted.settings {
            settings if !settings.snat => Vec::new(),
            settings if settings.masq_all => {
                vec![(&self.masquerade_all, vec![element(vec![address.into()])])]
            }
            _ => {
                let keys = self.masquerade_keys(address);
                vec![(&self.masquerade, keys.into_iter().map(element).collect())]
            }
        }
    }

    /// From the container to itself, and from the host's loopback address, which IPv6 cannot route.
    fn masquerade_keys(&self, address: IpAddr) -> Vec<Vec<Value>> {
        let mut keys = vec![vec![address.into(), address.into()]];
        if self.is_ipv4 {
            keys.push(vec![Ipv4Addr::LOCALHOST.into(), address.into()]);
        }
        keys
    }

    fn remove<'a>(
        &self,
        nft: &'a Nft,
        mut batch: Batch<'a>,
        unwanted: &Unwanted<'_>,
        freed: &mut Vec<IpAddr>,
    ) -> Result<Batch<'a>, NetError> {
        let owner = unwanted.owner;
        let known = nft.find_elements(&self.attachments, &[vec![owner.key()]])?;
        let Some(known) = known.into_iter().flatten().find(|element| owner.has(element)) else {
            return Ok(batch);
        };
        let [address, count] = &known.data[..] else { return Ok(batch) };
        let count = count.bytes().first_chunk().map(|bytes| u32::from_ne_bytes(*bytes));
        let Some(address) = address.as_ip() else { return Ok(batch) };
        let of_address = self.ports_of(nft, &self.of_address, unwanted)?;
        let of_any = self.ports_of(nft, &self.of_any, unwanted)?;
        let is_all = u32::try_from(of_address.len() + of_any.len()).ok() == count;
        let all = [(&self.of_address, of_address), (&self.of_any, of_any)];
        for (set, mut elements) in all {
            // The runtime did not tell all ports, or another attachment has taken some.
            if !is_all {
                elements = nft.elements(set)?;
                elements.retain(|element| owner.has(element));
            }
            batch = batch.delete_elements(set, &elements);
        }
        for (set, keys) in [
            (&self.masquerade, self.masquerade_keys(address)),
            (&self.masquerade_all, vec![vec![address.into()]]),
        ] {
            let mut elements: Vec<_> = nft.find_elements(set, &keys)?.into_iter().flatten().collect();
            elements.retain(|element| owner.has(element));
            batch = batch.delete_elements(set, &elements);
        }
        if !freed.contains(&address) {
            freed.push(address);
        }
        Ok(batch.delete_elements(&self.attachments, &[known]))
    }

    /// The elements of the ports that the runtime tells, as far as they are this attachment's.
    fn ports_of(&self, nft: &Nft, set: &Set, unwanted: &Unwanted<'_>) -> Result<Vec<Element>, NetError> {
        let mappings = ports::applying(self.is_ipv4, unwanted.mappings.unwrap_or_default());
        let keys: Vec<_> =
            mappings.iter().filter(|m| self.map_of(m).name == set.name).map(Mapping::key).collect();
        let mut elements: Vec<_> = nft.find_elements(set, &keys)?.into_iter().flatten().collect();
        elements.retain(|element| unwanted.owner.has(element));
        Ok(elements)
    }
}

impl Mapping {
    fn key(&self) -> Vec<Value> {
        let port = [self.protocol.into(), Value::port(self.host_port)];
        self.host_ip.map(Value::from).into_iter().chain(port).collect()
    }

    fn element(&self, address: IpAddr, owner: &Owner) -> Element {
        Element::new(self.key())
            .data([address.into(), Value::port(self.container_port)])
            .comment(owner.comment())
    }
}
