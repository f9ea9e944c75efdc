//! Neighbours: the hardware addresses that belong to the IP addresses on a link (ARP and NDP).

use std::net::IpAddr;

use super::constants::{
    AF_INET, AF_INET6, AF_UNSPEC, NDA_DST, NDA_IFINDEX, NDA_LLADDR, NDMSG, RTM_DELNEIGH, RTM_GETNEIGH,
    RTM_NEWNEIGH,
};
use super::error::NetError;
use super::handle::{Net, Task};
use super::numbers::{LinkIndex, NeighbourState, RouteType};
use super::wire::{family, ip, put_ip};
use crate::netlink::{Attributes, Message, NLM_F_CREATE, NLM_F_EXCL, Request};
use crate::types::MacAddr;

/// An entry of the neighbour table: to add, or as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Neighbour {
    /// The index of the link.
    pub link: LinkIndex,
    /// The neighbour's IP address.
    pub address: IpAddr,
    /// Its hardware address, if it is known.
    pub mac: Option<MacAddr>,
    /// Its state. A new entry is [permanent](NeighbourState::PERMANENT).
    pub state: NeighbourState,
}

impl Neighbour {
    /// Describes a permanent entry.
    pub fn new(link: LinkIndex, address: IpAddr, mac: MacAddr) -> Self {
        Self { link, address, mac: Some(mac), state: NeighbourState::PERMANENT }
    }
}

impl Net {
    /// Adds a neighbour.
    ///
    /// # Errors
    ///
    /// The address has an entry ([`NetError::is_exists`]), there is no such link, or the kernel refuses.
    pub fn add_neighbour(&self, neighbour: &Neighbour) -> Result<(), NetError> {
        let task = Task::on(format!("add neighbour {} to", neighbour.address), neighbour.link);
        self.change(task, add(neighbour))
    }

    /// Deletes a neighbour.
    ///
    /// # Errors
    ///
    /// There is no such entry ([`NetError::is_not_found`]), or the kernel refuses.
    pub fn delete_neighbour(&self, neighbour: &Neighbour) -> Result<(), NetError> {
        let mut request = Request::change(RTM_DELNEIGH, 0);
        put(&mut request, neighbour);
        self.change(Task::on(format!("delete neighbour {} from", neighbour.address), neighbour.link), request)
    }

    /// Lists the IPv4 and IPv6 neighbours of one link or of all links.
    ///
    /// # Errors
    ///
    /// The kernel refuses, or the list changes each time it is read.
    pub fn neighbours(&self, link: Option<LinkIndex>) -> Result<Vec<Neighbour>, NetError> {
        let mut request = Request::dump(RTM_GETNEIGH);
        request.fixed(&header(AF_UNSPEC, None, 0.into(), 0));
        if let Some(link) = link {
            request.u32(NDA_IFINDEX, link.get());
        }
        let task = match link {
            Some(link) => Task::on("list neighbours of", link),
            None => Task::new("list neighbours"),
        };
        let answer = self.ask(&task, request)?;
        let neighbours = answer.messages().filter_map(decode);
        Ok(neighbours.filter(|neighbour| link.is_none_or(|link| neighbour.link == link)).collect())
    }
}

pub(super) fn add(neighbour: &Neighbour) -> Request {
    let mut request = Request::change(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL);
    put(&mut request, neighbour);
    if let Some(mac) = &neighbour.mac {
        request.bytes(NDA_LLADDR, mac.as_bytes());
    }
    request
}

fn put(request: &mut Request, neighbour: &Neighbour) {
    request.fixed(&header(
        family(neighbour.address),
        Some(neighbour.link),
        neighbour.state,
        RouteType::UNICAST.into(),
    ));
    put_ip(request, NDA_DST, neighbour.address);
}

/// `struct ndmsg`.
fn header(family: u8, link: Option<LinkIndex>, state: NeighbourState, kind: u8) -> [u8; NDMSG] {
    let ([a, b, c, d], [e, f]) =
        (link.map_or(0, LinkIndex::get).to_ne_bytes(), u16::from(state).to_ne_bytes());
    [family, 0, 0, 0, a, b, c, d, e, f, 0, kind]
}

pub(super) fn decode(message: Message<'_>) -> Option<Neighbour> {
    if message.kind != RTM_NEWNEIGH {
        return None;
    }
    let [family, _, _, _, a, b, c, d, e, f, _, _] = *message.payload.first_chunk::<NDMSG>()?;
    if !matches!(family, AF_INET | AF_INET6) {
        return None;
    }
    let (mut address, mut mac) = (None, None);
    for attribute in Attributes::after(NDMSG, message.payload) {
        match attribute.kind {
            NDA_DST => address = ip(attribute.payload),
            NDA_LLADDR => mac = MacAddr::from_bytes(attribute.payload),
            _ => {}
        }
    }
    Some(Neighbour {
        link: LinkIndex::new(u32::from_ne_bytes([a, b, c, d]))?,
        address: address?,
        mac,
        state: u16::from_ne_bytes([e, f]).into(),
    })
}
