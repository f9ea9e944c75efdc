//! Making links: bridges, and veth pairs across namespaces.

use super::links::{is_exclusive, valid_mac, valid_mtu};
use super::message::{Attributes, Refusal, Request, u32_at};
use super::numbers::{
    EBUSY, EEXIST, EINVAL, EOPNOTSUPP, IFF_UP, IFLA_ADDRESS, IFLA_IFNAME, IFLA_INFO_DATA, IFLA_INFO_KIND,
    IFLA_LINKINFO, IFLA_MASTER, IFLA_MTU, IFLA_NET_NS_FD, LINK_HEADER, VETH_INFO_PEER,
};
use super::state::{Kind, Link, State};

impl State {
    pub(super) fn new_link(&mut self, netns: u32, request: &Request<'_>) -> Result<(), Refusal> {
        let header = request.header(LINK_HEADER)?;
        let attributes = request.attributes(LINK_HEADER);
        let name = attributes.text(IFLA_IFNAME).unwrap_or_default();
        // A request can also choose the index of the link.
        let number = u32_at(header, 4).unwrap_or_default();
        if number.cast_signed() < 0 {
            return Err(Refusal::new(EINVAL, "ifindex can't be negative"));
        }
        let namespace = &self.namespaces[&netns];
        if namespace.links.contains_key(&number) || namespace.find(&name).is_some() {
            return if is_exclusive(request) {
                Err(Refusal::errno(EEXIST))
            } else {
                self.set_link(netns, request)
            };
        }
        let info = attributes.nested(IFLA_LINKINFO).unwrap_or_default();
        let index = match info.text(IFLA_INFO_KIND).as_deref() {
            Some("bridge") => {
                let bridge = self.end(&attributes, Kind::Bridge)?;
                self.insert(netns, bridge, number)?
            }
            Some("veth") => self.new_veth(netns, &attributes, &info, number)?,
            _ => return Err(Refusal::new(EOPNOTSUPP, "Unknown device type")),
        };
        let made = match attributes.u32(IFLA_MASTER) {
            Some(master) => self.set_master(netns, index, master),
            None => Ok(()),
        };
        if let Err(refusal) = made {
            self.delete(netns, index);
            return Err(refusal);
        }
        if u32_at(header, 8).unwrap_or_default() & IFF_UP.cast_unsigned() != 0 {
            self.set_up(netns, index, true);
        }
        Ok(())
    }

    /// The kernel makes the peer first.
    fn new_veth(
        &mut self,
        netns: u32,
        own: &Attributes<'_>,
        info: &Attributes<'_>,
        number: u32,
    ) -> Result<u32, Refusal> {
        let data = info.nested(IFLA_INFO_DATA).unwrap_or_default();
        let header = data.get(VETH_INFO_PEER).map(|peer| peer.payload).unwrap_or_default();
        // The index of the peer can be chosen only in the same namespace.
        let far_number = u32_at(header, 4).filter(|_| number != 0).unwrap_or_default();
        let peer = data.get(VETH_INFO_PEER).map(|peer| peer.nested(LINK_HEADER)).unwrap_or_default();
        // For a pair the kernel returns no message.
        let mut far = self.end(&peer, Kind::Loopback).map_err(Refusal::without_words)?;
        let mut near = self.end(own, Kind::Loopback).map_err(Refusal::without_words)?;
        let far_netns = peer.u32(IFLA_NET_NS_FD).unwrap_or(netns);
        let namespace = self.namespaces.get_mut(&far_netns).ok_or(Refusal::errno(EINVAL))?;
        if namespace.find(&far.name).is_some() || far_netns == netns && far.name == near.name {
            return Err(Refusal::errno(EEXIST));
        }
        let far_index = namespace.reserve_index(far_number)?;
        let Some(namespace) = self.namespaces.get_mut(&netns) else { return Err(Refusal::errno(EINVAL)) };
        if far_netns == netns && number == far_index {
            return Err(Refusal::errno(EBUSY));
        }
        let near_index = namespace.reserve_index(number)?;
        near.kind = Kind::Veth { peer_netns: far_netns, peer: far_index };
        far.kind = Kind::Veth { peer_netns: netns, peer: near_index };
        namespace.links.insert(near_index, near);
        if let Some(namespace) = self.namespaces.get_mut(&far_netns) {
            namespace.links.insert(far_index, far);
        }
        Ok(near_index)
    }

    fn insert(&mut self, netns: u32, link: Link, number: u32) -> Result<u32, Refusal> {
        let Some(namespace) = self.namespaces.get_mut(&netns) else { return Ok(0) };
        let index = namespace.reserve_index(number)?;
        namespace.links.insert(index, link);
        Ok(index)
    }

    /// A link as requested.
    fn end(&mut self, attributes: &Attributes<'_>, kind: Kind) -> Result<Link, Refusal> {
        let mac = attributes.get(IFLA_ADDRESS).map(valid_mac).transpose()?;
        let mtu = attributes.u32(IFLA_MTU);
        mtu.map_or(Ok(()), valid_mtu)?;
        let name = attributes.text(IFLA_IFNAME).unwrap_or_default();
        let mut link = Link::new(name, kind, mac.unwrap_or_else(|| self.new_mac()));
        link.mac_is_chosen = mac.is_some();
        link.mtu = mtu.unwrap_or(link.mtu);
        Ok(link)
    }
}
