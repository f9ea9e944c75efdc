//! The table, its chains, maps and sets.

use std::net::{IpAddr, Ipv4Addr};

use cni_skel::net::NetError;
use cni_skel::nft::{
    Base, Batch, Chain, ChainType, DataType, Element, Family, Field, Hook, Nft, Rule, Set, Table, Value,
};

use crate::made;
use crate::owner::{self, Owner};
use crate::plan::{Unwanted, Wanted};
use crate::ports::{self, Mapping, Ports};
use crate::rules::AFTER_OTHERS;

/// The table.
pub(super) struct Layout {
    pub(super) table: Table,
    pub(super) ports: Chain,
    pub(super) prerouting: Chain,
    pub(super) output: Chain,
    pub(super) postrouting: Chain,
    pub(super) families: [Maps; 2],
}

/// The maps and sets of one family.
pub(super) struct Maps {
    pub(super) is_ipv4: bool,
    /// The ports of one address of the host, and of all addresses.
    pub(super) ports: [PortMap; 2],
    /// Pairs of source and destination address that are masqueraded.
    pub(super) masquerade: Set,
    /// Destination addresses for which all packets to a mapped port are masqueraded.
    pub(super) masquerade_all: Set,
    /// The address of each attachment, and its number of ports.
    pub(super) attachments: Set,
}

/// Ports, and the attachments that wait for them.
pub(super) struct PortMap {
    /// The attachment that has each port.
    pub(super) held: Set,
    /// The attachments that wait for each port. The key ends with the key of the attachment.
    pub(super) waiting: Set,
}

impl Layout {
    pub(super) fn new() -> Self {
        let table = Table::new(Family::Inet, "cni_hostport_maps").comment("CNI portmap plugin, layout maps");
        let base =
            |name, hook, priority| Chain::base(&table, name, Base::new(ChainType::Nat, hook, priority));
        Self {
            ports: Chain::new(&table, "ports"),
            prerouting: base("prerouting", Hook::Prerouting, Base::DSTNAT + AFTER_OTHERS),
            output: base("output", Hook::Output, Base::DSTNAT + AFTER_OTHERS),
            postrouting: base("postrouting", Hook::Postrouting, Base::SRCNAT),
            families: [true, false].map(|is_ipv4| Maps::new(&table, is_ipv4)),
            table,
        }
    }

    pub(super) fn ensure<'a>(&self, nft: &'a Nft, batch: Batch<'a>) -> Result<Batch<'a>, NetError> {
        let chains = [&self.ports, &self.prerouting, &self.output, &self.postrouting];
        let sets = self.families.iter().flat_map(Maps::sets);
        let batch = made::missing(nft, batch, &self.table, chains, sets)?;
        self.rules()
            .into_iter()
            .try_fold(batch, |batch, (chain, rules)| made::rules(nft, batch, chain, &rules))
    }

    /// All rules of the table.
    pub(super) fn rules(&self) -> [(&Chain, Vec<Rule>); 4] {
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
    pub(super) fn new(table: &Table, is_ipv4: bool) -> Self {
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
            .comment("Address and number of ports of each attachment"),
        }
    }

    pub(super) fn sets(&self) -> impl Iterator<Item = &Set> {
        let ports = self.ports.iter().flat_map(|ports| [&ports.held, &ports.waiting]);
        ports.chain([&self.masquerade, &self.masquerade_all, &self.attachments])
    }

    pub(super) fn saddr(&self) -> Field {
        if self.is_ipv4 { Field::IpSaddr } else { Field::Ip6Saddr }
    }

    pub(super) fn daddr(&self) -> Field {
        if self.is_ipv4 { Field::IpDaddr } else { Field::Ip6Daddr }
    }

    pub(super) fn masquerades(&self, wanted: &Wanted<'_>, ports: &Ports) -> Vec<(&Set, Vec<Element>)> {
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

    /// From the container to itself, and from the host's loopback address, which the kernel does not route for IPv6.
    pub(super) fn masquerade_keys(&self, address: IpAddr) -> Vec<Vec<Value>> {
        let mut keys = vec![vec![address.into(), address.into()]];
        if self.is_ipv4 {
            keys.push(vec![Ipv4Addr::LOCALHOST.into(), address.into()]);
        }
        keys
    }

    pub(super) fn remove<'a>(
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
        let passed = ports::applying(self.is_ipv4, unwanted.mappings.unwrap_or_default());
        let mut found = Vec::with_capacity(self.ports.len());
        for ports in &self.ports {
            let keys: Vec<_> =
                passed.iter().filter(|mapping| ports.is_for(mapping)).map(Mapping::key).collect();
            let mut held: Vec<_> = nft.find_elements(&ports.held, &keys)?.into_iter().flatten().collect();
            held.retain(|element| owner.has(element));
            found.push((ports, keys, held, nft.elements(&ports.waiting)?));
        }
        let own = |waiting: &[Element]| waiting.iter().filter(|element| owner.has(element)).count();
        let total: usize = found.iter().map(|(_, _, held, waiting)| held.len() + own(waiting)).sum();
        for (ports, keys, mut held, waiting) in found {
            // The runtime did not pass all ports.
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
    pub(super) fn is_for(&self, mapping: &Mapping) -> bool {
        self.held.key.len() == mapping.key().len()
    }

    /// Gives ports to an attachment. The attachments that had them wait from now on.
    pub(super) fn take<'a>(
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

    /// Takes ports away from attachments, also from the queue, and gives each to the next attachment that waits for it, unless
    /// the same batch takes it again.
    pub(super) fn free<'a>(
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

/// Returns the element for an attachment that waits, or `None` if the comment does not name an attachment.
pub(super) fn waiting(held: &Element) -> Option<Element> {
    let comment = held.comment.clone()?;
    let mut key = held.key.clone();
    key.push(owner::key_of(&comment)?);
    Some(Element::new(key).data(held.data.clone()).comment(comment))
}

impl Mapping {
    pub(super) fn key(&self) -> Vec<Value> {
        let port = [self.protocol.into(), Value::port(self.host_port)];
        self.host_ip.map(Value::from).into_iter().chain(port).collect()
    }

    pub(super) fn element(&self, address: IpAddr, owner: &Owner) -> Element {
        Element::new(self.key())
            .data([address.into(), Value::port(self.container_port)])
            .comment(owner.comment())
    }
}
