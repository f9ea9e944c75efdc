//! Neighbours that were added by requests.

use std::net::IpAddr;

use super::links::is_exclusive;
use super::message::{Payload, Refusal, Reply, Request, u16_at, u32_at};
use super::numbers::{
    AF_INET, AF_INET6, EEXIST, EINVAL, ENODEV, ENOENT, NDA_DST, NDA_LLADDR, NEIGHBOUR_HEADER, RTM_NEWNEIGH,
};
use super::state::{Neighbour, State};

impl State {
    pub(super) fn dump_neighbours(&self, netns: u32) -> Vec<Reply> {
        self.namespaces[&netns].neighbours.iter().map(describe).collect()
    }

    pub(super) fn add_neighbour(&mut self, netns: u32, request: &Request<'_>) -> Result<(), Refusal> {
        let (link, address, state) = self.neighbour_in(netns, request)?;
        let attributes = request.attributes(NEIGHBOUR_HEADER);
        let mac = attributes.get(NDA_LLADDR).map(|mac| mac.payload.to_vec()).unwrap_or_default();
        let Some(namespace) = self.namespaces.get_mut(&netns) else { return Err(Refusal::errno(EINVAL)) };
        let is_same = |own: &Neighbour| own.link == link && own.address == address;
        if namespace.neighbours.iter().any(is_same) && is_exclusive(request) {
            return Err(Refusal::errno(EEXIST));
        }
        namespace.neighbours.retain(|own| !is_same(own));
        namespace.neighbours.push(Neighbour { link, address, mac, state });
        Ok(())
    }

    pub(super) fn delete_neighbour(&mut self, netns: u32, request: &Request<'_>) -> Result<(), Refusal> {
        let (link, address, _) = self.neighbour_in(netns, request)?;
        let Some(namespace) = self.namespaces.get_mut(&netns) else { return Err(Refusal::errno(EINVAL)) };
        let before = namespace.neighbours.len();
        namespace.neighbours.retain(|own| own.link != link || own.address != address);
        if namespace.neighbours.len() == before { Err(Refusal::errno(ENOENT)) } else { Ok(()) }
    }

    fn neighbour_in(&self, netns: u32, request: &Request<'_>) -> Result<(u32, IpAddr, u16), Refusal> {
        let header = request.header(NEIGHBOUR_HEADER)?;
        let address = request.attributes(NEIGHBOUR_HEADER).ip(NDA_DST);
        let address = address.ok_or(Refusal::new(EINVAL, "Network address not specified"))?;
        let link = u32_at(header, 4).unwrap_or_default();
        if self.link(netns, link).is_none() {
            return Err(Refusal::errno(ENODEV));
        }
        Ok((link, address, u16_at(header, 8).unwrap_or_default()))
    }
}

fn describe(neighbour: &Neighbour) -> Reply {
    let family = if neighbour.address.is_ipv6() { AF_INET6 } else { AF_INET };
    let mut header = [0; NEIGHBOUR_HEADER];
    header[0] = u8::try_from(family).unwrap_or_default();
    header[4..8].copy_from_slice(&neighbour.link.to_ne_bytes());
    header[8..10].copy_from_slice(&neighbour.state.to_ne_bytes());
    let mut payload = Payload::new(&header);
    payload.ip(NDA_DST, neighbour.address).bytes(NDA_LLADDR, &neighbour.mac);
    Reply { kind: RTM_NEWNEIGH, payload }
}
