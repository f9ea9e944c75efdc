//! The VLANs of bridges and their ports.

use std::collections::BTreeMap;

use super::batch::Batch;
use super::constants::{
    AF_BRIDGE, BRIDGE_VLAN_INFO_PVID, BRIDGE_VLAN_INFO_RANGE_BEGIN, BRIDGE_VLAN_INFO_RANGE_END,
    BRIDGE_VLAN_INFO_UNTAGGED, IFINFOMSG, IFLA_AF_SPEC, IFLA_BRIDGE_VLAN_INFO, IFLA_EXT_MASK,
    RTEXT_FILTER_BRVLAN_COMPRESSED, RTM_DELLINK, RTM_GETLINK, RTM_NEWLINK, RTM_SETLINK,
};
use super::error::NetError;
use super::handle::{Net, Task};
use super::link::header;
use super::numbers::LinkIndex;
use crate::netlink::{Attributes, Message, Request};

/// The highest VLAN ID. The lowest is 1.
const MAX_ID: u16 = 4094;

/// A range of VLANs that a port of a bridge is a member of, with the same flags.
///
/// It has an effect only on a bridge with VLAN filtering ([`Bridge::vlan_filtering`](super::Bridge)).
///
/// ```no_run
/// # use cni_skel::net::{BridgeVlan, LinkIndex, Net, NetError};
/// # fn f(net: &Net, port: LinkIndex) -> Result<(), NetError> {
/// net.delete_bridge_vlans(port, &[BridgeVlan::native(1)])?;
/// net.add_bridge_vlans(port, &[BridgeVlan::native(100), BridgeVlan::tagged_range(200, 210)])
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BridgeVlan {
    /// The first VLAN ID.
    pub first: u16,
    /// The last VLAN ID.
    pub last: u16,
    /// Whether packets that arrive without a tag belong to this VLAN. A port has at most one such VLAN.
    pub pvid: bool,
    /// Whether packets leave without a tag.
    pub untagged: bool,
}

impl BridgeVlan {
    /// Describes a VLAN whose packets arrive and leave without a tag.
    pub fn native(id: u16) -> Self {
        Self { first: id, last: id, pvid: true, untagged: true }
    }

    /// Describes a VLAN whose packets have a tag.
    pub fn tagged(id: u16) -> Self {
        Self::tagged_range(id, id)
    }

    /// Describes a range of VLANs whose packets have a tag.
    pub fn tagged_range(first: u16, last: u16) -> Self {
        Self { first, last, pvid: false, untagged: false }
    }
}

impl Net {
    /// Makes a port of a bridge a member of VLANs. For those that it is a member of, changes the flags.
    ///
    /// # Errors
    ///
    /// The link is not a bridge's port, a VLAN ID is not from 1 to 4094, the kernel does not support VLAN filtering
    /// ([`NetError::is_unsupported`]), or it refuses. VLANs before the refused one are added.
    pub fn add_bridge_vlans(&self, port: LinkIndex, vlans: &[BridgeVlan]) -> Result<(), NetError> {
        let (task, request) = add(port, vlans);
        self.change(task, request)
    }

    /// Removes a port from VLANs, whatever its flags. VLANs that it is not a member of are ignored.
    ///
    /// # Errors
    ///
    /// As [`add_bridge_vlans`](Self::add_bridge_vlans).
    pub fn delete_bridge_vlans(&self, port: LinkIndex, vlans: &[BridgeVlan]) -> Result<(), NetError> {
        let (task, request) = delete(port, vlans);
        self.change(task, request)
    }

    /// Lists the VLANs of all bridges and ports that have any, by link. Each list is in order of VLAN ID. The kernel cannot
    /// list those of a single link.
    ///
    /// # Errors
    ///
    /// The kernel refuses, or the list changes each time it is read.
    pub fn bridge_vlans(&self) -> Result<BTreeMap<LinkIndex, Vec<BridgeVlan>>, NetError> {
        let mut request = Request::dump(RTM_GETLINK);
        request.fixed(&header(AF_BRIDGE, None, 0, 0)).u32(IFLA_EXT_MASK, RTEXT_FILTER_BRVLAN_COMPRESSED);
        let answer = self.ask(&Task::new("list VLANs"), request)?;
        let mut all = BTreeMap::<_, Vec<_>>::new();
        for (link, vlans) in answer.messages().filter_map(decode).filter(|(_, vlans)| !vlans.is_empty()) {
            all.entry(link).or_default().extend(vlans);
        }
        all.values_mut().for_each(|vlans| vlans.sort_by_key(|vlan| vlan.first));
        Ok(all)
    }
}

impl Batch<'_> {
    /// Makes a port of a bridge a member of VLANs, as [`Net::add_bridge_vlans`] does.
    pub fn add_bridge_vlans(mut self, port: LinkIndex, vlans: &[BridgeVlan]) -> Self {
        let (task, request) = add(port, vlans);
        self.push(task, request);
        self
    }

    /// Removes a port from VLANs, as [`Net::delete_bridge_vlans`] does.
    pub fn delete_bridge_vlans(mut self, port: LinkIndex, vlans: &[BridgeVlan]) -> Self {
        let (task, request) = delete(port, vlans);
        self.push(task, request);
        self
    }
}

pub(super) fn add(port: LinkIndex, vlans: &[BridgeVlan]) -> (Task, Request) {
    (Task::on(format!("add {} to", describe(vlans)), port), change(RTM_SETLINK, port, vlans))
}

pub(super) fn delete(port: LinkIndex, vlans: &[BridgeVlan]) -> (Task, Request) {
    (Task::on(format!("delete {} from", describe(vlans)), port), change(RTM_DELLINK, port, vlans))
}

fn describe(vlans: &[BridgeVlan]) -> String {
    let names = vlans.iter().map(|vlan| match vlan {
        BridgeVlan { first, last, .. } if first == last => first.to_string(),
        BridgeVlan { first, last, .. } => format!("{first}-{last}"),
    });
    format!("VLANs {}", names.collect::<Vec<_>>().join(", "))
}

fn change(kind: u16, port: LinkIndex, vlans: &[BridgeVlan]) -> Request {
    let mut request = Request::change(kind, 0);
    request.fixed(&header(AF_BRIDGE, Some(port), 0, 0));
    request.nest(IFLA_AF_SPEC, |spec| vlans.iter().for_each(|vlan| put(spec, vlan)));
    request
}

fn put(spec: &mut Request, vlan: &BridgeVlan) {
    if !(1..=MAX_ID).contains(&vlan.first) || !(vlan.first..=MAX_ID).contains(&vlan.last) {
        spec.refuse("a VLAN ID is not from 1 to 4094, or the last is lower than the first");
    }
    let mut flags = 0;
    if vlan.pvid {
        flags |= BRIDGE_VLAN_INFO_PVID;
    }
    if vlan.untagged {
        flags |= BRIDGE_VLAN_INFO_UNTAGGED;
    }
    if vlan.first == vlan.last {
        put_one(spec, vlan.first, flags);
    } else if vlan.pvid {
        spec.refuse("more than one VLAN is for packets without a tag");
    } else {
        put_one(spec, vlan.first, flags | BRIDGE_VLAN_INFO_RANGE_BEGIN);
        put_one(spec, vlan.last, flags | BRIDGE_VLAN_INFO_RANGE_END);
    }
}

/// `struct bridge_vlan_info`.
fn put_one(spec: &mut Request, id: u16, flags: u16) {
    let ([a, b], [c, d]) = (flags.to_ne_bytes(), id.to_ne_bytes());
    spec.bytes(IFLA_BRIDGE_VLAN_INFO, &[a, b, c, d]);
}

/// Reads the VLANs of one port. Returns `None` if the message is about something else.
pub(super) fn decode(message: Message<'_>) -> Option<(LinkIndex, Vec<BridgeVlan>)> {
    if message.kind != RTM_NEWLINK {
        return None;
    }
    let header = message.payload.first_chunk::<IFINFOMSG>()?;
    if header[0] != AF_BRIDGE {
        return None;
    }
    let index = LinkIndex::new(u32::from_ne_bytes([header[4], header[5], header[6], header[7]]))?;
    let spec = Attributes::after(IFINFOMSG, message.payload).find(|a| a.kind == IFLA_AF_SPEC)?;
    let (mut vlans, mut range_start) = (Vec::new(), None);
    for attribute in spec.nested().filter(|attribute| attribute.kind == IFLA_BRIDGE_VLAN_INFO) {
        let [a, b, c, d] = *attribute.payload.first_chunk::<4>()?;
        let (flags, id) = (u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d]));
        let first = match range_start.take() {
            Some(first) if flags & BRIDGE_VLAN_INFO_RANGE_END != 0 => first,
            _ => id,
        };
        if flags & BRIDGE_VLAN_INFO_RANGE_BEGIN != 0 {
            range_start = Some(id);
            continue;
        }
        let (pvid, untagged) = (flags & BRIDGE_VLAN_INFO_PVID != 0, flags & BRIDGE_VLAN_INFO_UNTAGGED != 0);
        vlans.push(BridgeVlan { first, last: id, pvid, untagged });
    }
    Some((index, vlans))
}
