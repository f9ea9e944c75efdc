//! nftables with an element of a map for each port: what a packet and a call cost does not grow with the number of ports.
//!
//! The table is ours alone. Its chains come after those of others at the usual places, so that a port that somebody else
//! has rules for stays theirs. Of several attachments that want one port the newest has it, and the others wait.

use std::net::{IpAddr, Ipv4Addr};

use cni_skel::net::NetError;
use cni_skel::nft::{
    Base, Batch, Chain, ChainType, DataType, Element, Family, Field, Hook, Nft, Rule, Set, Table, Value,
};
use cni_skel::types::NetworkName;

use crate::made;
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
    /// Ports of one address of the host, and of all.
    ports: [PortMap; 2],
    /// From which address to which is masqueraded.
    masquerade: Set,
    /// To which address all that came by a port is masqueraded.
    masquerade_all: Set,
    /// Each attachment's address, and how many ports it has.
    attachments: Set,
}

/// Ports, and who waits for them.
struct PortMap {
    /// What has each port.
    held: Set,
    /// The same for those who have it not: the key has their own key behind it.
    waiting: Set,
}

/// Adds what is wanted. What an earlier ADD of this attachment made has to be removed before it in the same batch.
pub(crate) fn add<'a>(nft: &'a Nft, batch: Batch<'a>, wanted: &Wanted<'_>) -> Result<Batch<'a>, NetError> {
    let layout = Layout::new();
    let mut batch = layout.ensure(nft, batch)?;
    for maps in &layout.families {
        let Some(ports) = wanted.of_family(maps.is_ipv4) else { continue };
        for ports_of in &maps.ports {
            let mappings = ports.mappings.iter().filter(|mapping| ports_of.is_for(mapping));
            let elements: Vec<_> =
                mappings.map(|mapping| mapping.element(ports.address(), wanted.owner)).collect();
            batch = ports_of.take(nft, batch, wanted.owner, &elements)?;
        }
        let count = u32::try_from(ports.mappings.len()).unwrap_or(u32::MAX);
        let attachment = Element::new([wanted.owner.key()])
            .data([ports.address().into(), Value::mark(count)])
            .comment(wanted.owner.comment());
        batch = batch.add_elements(&maps.attachments, &[attachment]);
        for (set, elements) in maps.masquerades(wanted, ports) {
            let keys: Vec<_> = elements.iter().map(|element| element.key.clone()).collect();
            let mut others: Vec<_> = nft.find_elements(set, &keys)?.into_iter().flatten().collect();
            // Its own are removed already. Others' are of somebody who had the address before.
            others.retain(|element| !wanted.owner.has(element));
            batch = batch.delete_elements(set, &others).add_elements(set, &elements);
        }
    }
    Ok(batch)
}

/// Removes what is this attachment's, and adds the container's addresses that it was for to `freed`. It costs next to
/// nothing where there was none. With `is_replaced` the ports that it tells are added in the same batch.
pub(crate) fn remove<'a>(
    nft: &'a Nft,
    batch: Batch<'a>,
    unwanted: &Unwanted<'_>,
    is_replaced: bool,
    freed: &mut Vec<IpAddr>,
) -> Result<Batch<'a>, NetError> {
    let layout = Layout::new();
    layout
        .families
        .iter()
        .try_fold(batch, |batch, maps| maps.remove(nft, batch, unwanted, is_replaced, freed))
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
    layout.families.iter().try_fold(batch, |mut batch, maps| {
        for ports in &maps.ports {
            let mut stale = nft.elements(&ports.held)?;
            stale.retain(is_stale);
            batch = ports.free(batch, &stale, &nft.elements(&ports.waiting)?, is_stale, |_| false);
        }
        for set in [&maps.masquerade, &maps.masquerade_all, &maps.attachments] {
            let mut stale = nft.elements(set)?;
            stale.retain(is_stale);
            batch = batch.delete_elements(set, &stale);
        }
        Ok(batch)
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
            let element = mapping.element(ports.address(), wanted.owner);
            let map = maps.ports.iter().find(|map| map.is_for(mapping)).map(|map| &map.held);
            if !map.map_or(Ok(false), |map| is_there(nft, map, &element))? {
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
        let chains = [&self.ports, &self.prerouting, &self.output, &self.postrouting];
        let sets = self.families.iter().flat_map(Maps::sets);
        let batch = made::missing(nft, batch, &self.table, chains, sets)?;
        self.leads()
            .into_iter()
            .try_fold(batch, |batch, (chain, rules)| made::rules(nft, batch, chain, &rules))
    }

    /// All rules that there are.
    fn leads(&self) -> [(&Chain, Vec<Rule>); 4] {
        let local = |chain| vec![Rule::new(chain).to_this_machine().jump(&self.ports)];
        let ports = self.families.iter().flat_map(|maps| {
            let by = |fields: &[Field], map| Rule::new(&self.ports).dnat_by(fields, map);
            let [of_address, of_any] = &maps.ports;
            let port = [Field::L4Proto, Field::Dport];
            [by(&[maps.daddr(), port[0], port[1]], &of_address.held), by(&port, &of_any.held)]
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
        let port = [DataType::InetProto, DataType::InetService];
        let of_address = [address, DataType::InetProto, DataType::InetService];
        let ports = |name: String, key: &[DataType]| {
            let to = [address, DataType::InetService];
            PortMap {
                held: Set::map(table, &name, key, &to),
                waiting: Set::map(table, format!("{name}_waiting"), &[key, &[owner::KEY]].concat(), &to),
            }
        };
        Self {
            is_ipv4,
            ports: [
                ports(format!("{name}_ports_of_address"), &of_address),
                ports(format!("{name}_ports"), &port),
            ],
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

    fn sets(&self) -> impl Iterator<Item = &Set> {
        let ports = self.ports.iter().flat_map(|ports| [&ports.held, &ports.waiting]);
        ports.chain([&self.masquerade, &self.masquerade_all, &self.attachments])
    }

    fn saddr(&self) -> Field {
        if self.is_ipv4 { Field::IpSaddr } else { Field::Ip6Saddr }
    }

    fn daddr(&self) -> Field {
        if self.is_ipv4 { Field::IpDaddr } else { Field::Ip6Daddr }
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
        is_replaced: bool,
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
        let told = ports::applying(self.is_ipv4, unwanted.mappings.unwrap_or_default());
        let mut found = Vec::with_capacity(self.ports.len());
        for ports in &self.ports {
            let keys: Vec<_> =
                told.iter().filter(|mapping| ports.is_for(mapping)).map(Mapping::key).collect();
            let mut held: Vec<_> = nft.find_elements(&ports.held, &keys)?.into_iter().flatten().collect();
            held.retain(|element| owner.has(element));
            found.push((ports, keys, held, nft.elements(&ports.waiting)?));
        }
        let own = |waiting: &[Element]| waiting.iter().filter(|element| owner.has(element)).count();
        let total: usize = found.iter().map(|(_, _, held, waiting)| held.len() + own(waiting)).sum();
        for (ports, keys, mut held, waiting) in found {
            // The runtime did not tell all ports.
            if u32::try_from(total).ok() != count {
                held = nft.elements(&ports.held)?;
                held.retain(|element| owner.has(element));
            }
            let is_taken = |key: &[Value]| is_replaced && keys.iter().any(|taken| taken == key);
            batch = ports.free(batch, &held, &waiting, |element| owner.has(element), is_taken);
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
}

impl PortMap {
    fn is_for(&self, mapping: &Mapping) -> bool {
        self.held.key.len() == mapping.key().len()
    }

    /// Gives ports to an attachment. Those who have had them wait from now on.
    fn take<'a>(
        &self,
        nft: &'a Nft,
        batch: Batch<'a>,
        owner: &Owner,
        elements: &[Element],
    ) -> Result<Batch<'a>, NetError> {
        let keys: Vec<_> = elements.iter().map(|element| element.key.clone()).collect();
        let mut others: Vec<_> = nft.find_elements(&self.held, &keys)?.into_iter().flatten().collect();
        // Its own are removed already.
        others.retain(|element| !owner.has(element));
        let waiting: Vec<_> = others.iter().filter_map(waiting).collect();
        let batch = batch.delete_elements(&self.held, &others).add_elements(&self.waiting, &waiting);
        Ok(batch.add_elements(&self.held, elements))
    }

    /// Takes ports away from attachments, which do not wait any more either, and gives them to others who wait, but for
    /// those that are taken again at once.
    fn free<'a>(
        &self,
        batch: Batch<'a>,
        held: &[Element],
        waiting: &[Element],
        is_gone: impl Fn(&Element) -> bool,
        is_taken: impl Fn(&[Value]) -> bool,
    ) -> Batch<'a> {
        let (gone, staying): (Vec<_>, Vec<_>) = waiting.iter().cloned().partition(is_gone);
        let mut batch = batch.delete_elements(&self.held, held).delete_elements(&self.waiting, &gone);
        for free in held.iter().filter(|free| !is_taken(&free.key)) {
            if let Some(next) = staying.iter().find(|next| next.key.starts_with(&free.key)) {
                let mut element = Element::new(free.key.clone()).data(next.data.clone());
                element.comment.clone_from(&next.comment);
                batch = batch
                    .delete_elements(&self.waiting, std::slice::from_ref(next))
                    .add_elements(&self.held, &[element]);
            }
        }
        batch
    }
}

/// The element of one who waits. The comment tells who; one that does not is not ours, and cannot wait.
fn waiting(held: &Element) -> Option<Element> {
    let comment = held.comment.clone()?;
    let mut key = held.key.clone();
    key.push(owner::key_of(&comment)?);
    Some(Element::new(key).data(held.data.clone()).comment(comment))
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
