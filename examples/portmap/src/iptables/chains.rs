//! The reference plugin's chains in table `nat`, and the rules in them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use cni_skel::Result;
use cni_skel::iptables::Rule;
use cni_skel::types::{ContainerId, IfName, NetworkName, PortMapping};

use crate::config::{Mark, Settings};
use crate::owner::{Owner, digits};
use crate::plan::Wanted;
use crate::ports::{Mapping, Ports};

/// The chain for packets to any mapped port.
pub(super) const DNAT: &str = "CNI-HOSTPORT-DNAT";
/// The chain that marks packets for masquerading.
pub(super) const SETMARK: &str = "CNI-HOSTPORT-SETMARK";
/// The chain that masquerades marked packets.
pub(super) const MASQ: &str = "CNI-HOSTPORT-MASQ";
/// The chain in which old reference plugins masqueraded.
pub(super) const OLD_SNAT: &str = "CNI-HOSTPORT-SNAT";

/// The longest name of a chain.
const MAX_CHAIN: usize = 28;
/// The longest comment.
const MAX_COMMENT: usize = 255;
/// How many ports one rule can have.
const MAX_PORTS: usize = 15;

/// Returns the name of the chain of a container on a network. All interfaces of the container share it.
pub(super) fn of_container(network: &NetworkName, container_id: &ContainerId) -> String {
    named("CNI-DN-", network, container_id)
}

/// Returns the name of the second chain that old reference plugins made for a container.
pub(super) fn old_of_container(owner: &Owner) -> String {
    named("CNI-SN-", &owner.network, &owner.container_id)
}

/// Whether a chain has the name of a container's chain.
pub(super) fn is_of_container(chain: &str) -> bool {
    chain.len() == MAX_CHAIN && chain.starts_with("CNI-DN-")
}

fn named(prefix: &str, network: &NetworkName, container_id: &ContainerId) -> String {
    format!("{prefix}{}", digits(&format!("{network}{container_id}"), MAX_CHAIN - prefix.len()))
}

/// The jump for packets to this host.
pub(super) fn jump_to_ports() -> Rule {
    Rule::new().to_this_machine().jump(DNAT)
}

/// The jump for packets that leave.
pub(super) fn jump_to_masquerading() -> Rule {
    Rule::new().comment("CNI portfwd requiring masquerade").jump(MASQ)
}

/// The rules that mark packets and masquerade marked ones, each with its chain. `None` if an external chain does that.
pub(super) fn marking(settings: &Settings) -> Option<[(&'static str, Rule); 2]> {
    let Mark::Bit(bit) = settings.mark else { return None };
    let mark = 1 << bit;
    settings.snat.then(|| {
        let sets = Rule::new().comment("CNI portfwd masquerade mark").set_mark(mark, mark);
        [(SETMARK, sets), (MASQ, Rule::new().mark(mark, mark).masquerade())]
    })
}

/// The jumps to the container's chain: one for up to 15 ports of a protocol, including ports of an address of the other
/// family.
pub(super) fn entries(wanted: &Wanted<'_>, is_ipv4: bool, mappings: &[PortMapping]) -> Result<Vec<Rule>> {
    let mut of_protocol: BTreeMap<&str, (&PortMapping, Vec<u16>)> = BTreeMap::new();
    for mapping in mappings {
        let (_, ports) =
            of_protocol.entry(mapping.protocol.as_str()).or_insert_with(|| (mapping, Vec::new()));
        ports.push(mapping.host_port.get());
    }
    let Owner { network, container_id, .. } = wanted.owner;
    let chain = of_container(network, container_id);
    let comment = comment(network, container_id.as_str());
    let conditions = wanted.settings.conditions.words(is_ipv4);
    let rules = of_protocol.into_values().flat_map(|(mapping, ports)| {
        let groups: Vec<_> = ports.chunks(MAX_PORTS).map(<[u16]>::to_vec).collect();
        groups.into_iter().map(move |ports| (mapping.protocol, ports))
    });
    let rules = rules.map(|(protocol, ports)| {
        let rule = Rule::new().comment(&comment).dports(protocol, &ports);
        Ok(rule.conditions(conditions)?.jump(&chain))
    });
    rules.collect()
}

/// The comment of the jumps to a container's chain.
pub(super) fn comment(network: &NetworkName, container_id: &str) -> String {
    let mut comment = format!("{}{container_id}\"", comment_of_network(network));
    comment.truncate(MAX_COMMENT);
    comment
}

/// The prefix of the comments of a network's containers.
pub(super) fn comment_of_network(network: &NetworkName) -> String {
    format!("dnat name: \"{network}\" id: \"")
}

/// The comment of the DNAT rules of an interface whose container's chain already had the rules of another one. It tells GC
/// which interface they are of. The reference plugin has no such comment, and does not support two interfaces.
pub(super) fn comment_of_interface(ifname: &IfName) -> String {
    format!("if: \"{ifname}\"")
}

/// The rules of an interface in the container's chain. With `is_second` they name the interface.
pub(super) fn mapping_rules(wanted: &Wanted<'_>, ports: &Ports, is_second: bool) -> Vec<Rule> {
    let comment = is_second.then(|| comment_of_interface(&wanted.owner.ifname));
    let rules = |mapping| of_mapping(wanted.settings, ports, mapping, comment.as_deref());
    ports.mappings.iter().flat_map(rules).collect()
}

fn of_mapping(settings: &Settings, ports: &Ports, mapping: &Mapping, comment: Option<&str>) -> Vec<Rule> {
    let rule = Rule::new().dport(mapping.protocol, mapping.host_port);
    let rule = mapping.host_ip.iter().fold(rule, |rule, host_ip| rule.daddr(*host_ip));
    let mut rules = Vec::new();
    if settings.snat {
        let chain = match &settings.mark {
            Mark::Bit(_) => SETMARK,
            Mark::ExternalChain(chain) => chain,
        };
        if settings.masq_all {
            rules.push(rule.clone().jump(chain));
        } else {
            // The container itself and its neighbours, and the host's loopback address, which IPv6 cannot route.
            rules.push(rule.clone().saddr(ports.net).jump(chain));
            if ports.is_ipv4() {
                rules.push(rule.clone().saddr(IpAddr::V4(Ipv4Addr::LOCALHOST)).jump(chain));
            }
        }
    }
    let rule = comment.into_iter().fold(rule, |rule, comment| rule.comment(comment));
    rules.push(rule.dnat_to_port((ports.address(), mapping.container_port).into()));
    rules
}
