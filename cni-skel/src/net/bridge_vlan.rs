//! VLANs of bridge ports.

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

/// The highest number of a VLAN; the lowest is 1.
const MAX: u16 = 4094;

/// VLANs with numbers one after the other that a port of a bridge takes part in, all in the same way.
///
/// They mean something only on a bridge that filters ([`Bridge::vlan_filtering`](super::Bridge)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BridgeVlan {
    /// The first number.
    pub first: u16,
    /// The last number.
    pub last: u16,
    /// Whether what comes in without a tag is of this VLAN. A port has one such VLAN or none.
    pub pvid: bool,
    /// Whether what goes out has no tag.
    pub untagged: bool,
}

impl BridgeVlan {
    /// A VLAN whose packets have no tag, in and out.
    pub fn native(id: u16) -> Self {
        Self { first: id, last: id, pvid: true, untagged: true }
    }

    /// A VLAN whose packets have a tag.
    pub fn tagged(id: u16) -> Self {
        Self::tagged_range(id, id)
    }

    /// VLANs whose packets have a tag.
    pub fn tagged_range(first: u16, last: u16) -> Self {
        Self { first, last, pvid: false, untagged: false }
    }
}

impl Net {
    /// Has a port of a bridge take part in VLANs; in those that it is in already, in this way from now on.
    ///
    /// # Errors
    ///
    /// The link is not a bridge's port, a number is not from 1 to 4094, [`NetError::is_unsupported`] where the kernel knows no
    /// VLANs, or it refuses. Those before the refused one are there then.
    pub fn add_bridge_vlans(&self, port: LinkIndex, vlans: &[BridgeVlan]) -> Result<(), NetError> {
        let (task, request) = add(port, vlans);
        self.change(task, request)
    }

    /// Ends a port's part in VLANs, however it took part in them. It is no error if it did not.
    ///
    /// # Errors
    ///
    /// As [`add_bridge_vlans`](Self::add_bridge_vlans).
    pub fn delete_bridge_vlans(&self, port: LinkIndex, vlans: &[BridgeVlan]) -> Result<(), NetError> {
        let (task, request) = delete(port, vlans);
        self.change(task, request)
    }

    /// Lists the VLANs of all bridges and their ports, by the index of the link, each list by number. What has none is not
    /// in it. The kernel has no shorter answer.
    ///
    /// # Errors
    ///
    /// The kernel refuses, or the list keeps changing while it is read.
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
    /// Has a port of a bridge take part in VLANs, as [`Net::add_bridge_vlans`] does.
    pub fn add_bridge_vlans(mut self, port: LinkIndex, vlans: &[BridgeVlan]) -> Self {
        let (task, request) = add(port, vlans);
        self.push(task, request);
        self
    }

    /// Ends a port's part in VLANs, as [`Net::delete_bridge_vlans`] does.
    pub fn delete_bridge_vlans(mut self, port: LinkIndex, vlans: &[BridgeVlan]) -> Self {
        let (task, request) = delete(port, vlans);
        self.push(task, request);
        self
    }
}

pub(super) fn add(port: LinkIndex, vlans: &[BridgeVlan]) -> (Task, Request) {
    (Task::on(format!("add {} to", names(vlans)), port), change(RTM_SETLINK, port, vlans))
}

pub(super) fn delete(port: LinkIndex, vlans: &[BridgeVlan]) -> (Task, Request) {
    (Task::on(format!("delete {} from", names(vlans)), port), change(RTM_DELLINK, port, vlans))
}

fn names(vlans: &[BridgeVlan]) -> String {
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
    if !(1..=MAX).contains(&vlan.first) || !(vlan.first..=MAX).contains(&vlan.last) {
        spec.refuse("VLANs have numbers from 1 to 4094, the last not before the first");
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
        spec.refuse("a port has one VLAN for what comes in without a tag");
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

/// Reads the VLANs of one port, or `None` when the message is about something else.
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
    let (mut vlans, mut begun) = (Vec::new(), None);
    for attribute in spec.nested().filter(|attribute| attribute.kind == IFLA_BRIDGE_VLAN_INFO) {
        let [a, b, c, d] = *attribute.payload.first_chunk::<4>()?;
        let (flags, id) = (u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d]));
        let first = match begun.take() {
            Some(first) if flags & BRIDGE_VLAN_INFO_RANGE_END != 0 => first,
            _ => id,
        };
        if flags & BRIDGE_VLAN_INFO_RANGE_BEGIN != 0 {
            begun = Some(id);
            continue;
        }
        let (pvid, untagged) = (flags & BRIDGE_VLAN_INFO_PVID != 0, flags & BRIDGE_VLAN_INFO_UNTAGGED != 0);
        vlans.push(BridgeVlan { first, last: id, pvid, untagged });
    }
    Some((index, vlans))
}
