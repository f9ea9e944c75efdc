//! Connection tracking of UDP. The kernel keeps the DNAT decision of a flow as long as packets keep coming, so flows are deleted
//! when their port is mapped or unmapped.

use std::net::IpAddr;

use cni_skel::net::{Net, NetError};
use cni_skel::nft::{FlowFilter, Nft};
use cni_skel::types::{PortMapping, Protocol};

use crate::plan::Unwanted;
use crate::ports::{self, Ports};

/// Returns whether any mapping is for UDP.
pub(crate) fn has_udp(mappings: &[PortMapping]) -> bool {
    mappings.iter().any(|mapping| mapping.protocol == Protocol::Udp)
}

/// Deletes the flows to the mapped ports of this host. Flows to the same ports of other hosts stay.
pub(crate) fn delete_to_mapped(nft: &Nft, host: &Net, all: &[Ports]) -> Result<(), NetError> {
    let mut own: Option<Vec<IpAddr>> = None;
    for ports in all {
        for mapping in ports.mappings.iter().filter(|mapping| mapping.protocol == Protocol::Udp) {
            let mut filter = of_family(ports.is_ipv4()).original_dport(mapping.host_port);
            if let Some(host_ip) = mapping.host_ip {
                filter = filter.original_dst(host_ip);
            }
            for address in destinations(nft, &filter)? {
                // Listed only if there is a flow, and once.
                let own = match &mut own {
                    Some(own) => own,
                    none => none.insert(addresses(host)?),
                };
                if address.is_loopback() || own.contains(&address) {
                    let _ = nft.delete_flows(&filter.clone().original_dst(address))?;
                }
            }
        }
    }
    Ok(())
}

/// Deletes the flows that reached the container through its mapped ports.
pub(crate) fn delete_to_freed(nft: &Nft, unwanted: &Unwanted<'_>, freed: &[IpAddr]) -> Result<(), NetError> {
    for address in freed {
        let to = of_family(address.is_ipv4()).reply_src(*address);
        let filters = match unwanted.mappings {
            Some(mappings) => {
                let mappings = ports::applying(address.is_ipv4(), mappings);
                let udp = mappings.into_iter().filter(|mapping| mapping.protocol == Protocol::Udp);
                udp.map(|mapping| to.clone().original_dport(mapping.host_port)).collect()
            }
            None => vec![to],
        };
        for filter in filters {
            for original in destinations(nft, &filter)? {
                // A packet to the container itself did not come through a port of the host.
                if original != *address {
                    let _ = nft.delete_flows(&filter.clone().original_dst(original))?;
                }
            }
        }
    }
    Ok(())
}

fn of_family(is_ipv4: bool) -> FlowFilter {
    if is_ipv4 { FlowFilter::ipv4(Protocol::Udp) } else { FlowFilter::ipv6(Protocol::Udp) }
}

fn destinations(nft: &Nft, filter: &FlowFilter) -> Result<Vec<IpAddr>, NetError> {
    let mut destinations: Vec<_> = nft.flows(filter)?.iter().map(|flow| flow.original.dst).collect();
    destinations.sort();
    destinations.dedup();
    Ok(destinations)
}

fn addresses(host: &Net) -> Result<Vec<IpAddr>, NetError> {
    Ok(host.addresses(None)?.iter().map(|address| address.address.addr()).collect())
}
