//! Tracked flows (conntrack): listing and deleting them.

use std::net::IpAddr;

use cni_types::Protocol;

use super::constants::{
    CT_DELETE, CT_GET, CT_NEW, CTA_FILTER, CTA_FILTER_ORIG_FLAGS, CTA_FILTER_REPLY_FLAGS, CTA_ID,
    CTA_IP_V4_DST, CTA_IP_V4_SRC, CTA_IP_V6_DST, CTA_IP_V6_SRC, CTA_MARK, CTA_PROTO_DST_PORT, CTA_PROTO_NUM,
    CTA_PROTO_SRC_PORT, CTA_TUPLE_IP, CTA_TUPLE_ORIG, CTA_TUPLE_PROTO, CTA_TUPLE_REPLY, CTA_ZONE,
    FILTER_DST_PORT, FILTER_IP_DST, FILTER_IP_SRC, FILTER_PROTO_NUM, FILTER_SRC_PORT, NFPROTO_IPV4,
    NFPROTO_IPV6,
};
use super::handle::Nft;
use super::value::Value;
use super::wire::{attributes, be16, be32, family_of, start};
use crate::net::NetError;
use crate::netlink::{Attributes, Message, NLA_F_NESTED, Request};

/// The number of requests whose acknowledgements certainly fit into the socket's receive buffer.
const AT_ONCE: usize = 64;

/// A flow that the kernel tracks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flow {
    /// The addresses and ports of its first packet, as it arrived.
    pub original: Tuple,
    /// The addresses and ports of its replies, as they arrive.
    pub reply: Tuple,
    /// Its mark.
    pub mark: u32,
    /// The attributes that identify it to the kernel: original tuple, ID and zone.
    identity: Vec<(u16, Vec<u8>)>,
}

/// One direction of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tuple {
    /// The source address.
    pub src: IpAddr,
    /// The destination address.
    pub dst: IpAddr,
    /// The protocol number.
    pub protocol: u8,
    /// The source port. 0 if the protocol has none.
    pub sport: u16,
    /// The destination port. 0 if the protocol has none.
    pub dport: u16,
}

/// Selects flows of a family and a protocol, by addresses and ports. A flow has to match everything that is set.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlowFilter {
    family: u8,
    protocol: u8,
    original: Side,
    reply: Side,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Side {
    src: Option<IpAddr>,
    dst: Option<IpAddr>,
    sport: Option<u16>,
    dport: Option<u16>,
}

impl FlowFilter {
    /// Selects all flows of a protocol over IPv4.
    pub fn ipv4(protocol: Protocol) -> Self {
        Self::new(NFPROTO_IPV4, protocol)
    }

    /// Selects all flows of a protocol over IPv6.
    pub fn ipv6(protocol: Protocol) -> Self {
        Self::new(NFPROTO_IPV6, protocol)
    }

    fn new(family: u8, protocol: Protocol) -> Self {
        Self { family, protocol: protocol.number(), original: Side::default(), reply: Side::default() }
    }

    /// Requires the destination address of the first packet.
    pub fn original_dst(mut self, address: IpAddr) -> Self {
        self.original.dst = Some(address);
        self
    }

    /// Requires the destination port of the first packet.
    pub fn original_dport(mut self, port: u16) -> Self {
        self.original.dport = Some(port);
        self
    }

    /// Requires the source address of the first packet.
    pub fn original_src(mut self, address: IpAddr) -> Self {
        self.original.src = Some(address);
        self
    }

    /// Requires the source address of the replies: where the flow goes after address translation.
    pub fn reply_src(mut self, address: IpAddr) -> Self {
        self.reply.src = Some(address);
        self
    }

    /// Requires the source port of the replies: where the flow goes after address translation.
    pub fn reply_sport(mut self, port: u16) -> Self {
        self.reply.sport = Some(port);
        self
    }

    fn matches(&self, flow: &Flow) -> bool {
        self.original.matches(&flow.original, self.protocol) && self.reply.matches(&flow.reply, self.protocol)
    }

    fn sides(&self) -> [(&Side, u16, u16); 2] {
        [
            (&self.original, CTA_TUPLE_ORIG, CTA_FILTER_ORIG_FLAGS),
            (&self.reply, CTA_TUPLE_REPLY, CTA_FILTER_REPLY_FLAGS),
        ]
    }
}

impl Side {
    fn matches(&self, tuple: &Tuple, protocol: u8) -> bool {
        tuple.protocol == protocol
            && self.src.is_none_or(|src| src == tuple.src)
            && self.dst.is_none_or(|dst| dst == tuple.dst)
            && self.sport.is_none_or(|sport| sport == tuple.sport)
            && self.dport.is_none_or(|dport| dport == tuple.dport)
    }

    fn flags(&self) -> u32 {
        let bit = |is_given, bit| if is_given { bit } else { 0 };
        FILTER_PROTO_NUM
            | bit(kernel_compares(self.src), FILTER_IP_SRC)
            | bit(kernel_compares(self.dst), FILTER_IP_DST)
            | bit(self.sport.is_some(), FILTER_SRC_PORT)
            | bit(self.dport.is_some(), FILTER_DST_PORT)
    }

    fn put(&self, request: &mut Request, kind: u16, protocol: u8) {
        request.nest(kind, |tuple| {
            tuple.nest(CTA_TUPLE_IP, |ip| {
                let addresses =
                    [(self.src, [CTA_IP_V4_SRC, CTA_IP_V6_SRC]), (self.dst, [CTA_IP_V4_DST, CTA_IP_V6_DST])];
                for (address, [v4, v6]) in addresses {
                    if let Some(address) = address {
                        let kind = if address.is_ipv4() { v4 } else { v6 };
                        ip.bytes(kind, Value::from(address).bytes());
                    }
                }
            });
            tuple.nest(CTA_TUPLE_PROTO, |proto| {
                proto.u8(CTA_PROTO_NUM, protocol);
                for (port, kind) in [(self.sport, CTA_PROTO_SRC_PORT), (self.dport, CTA_PROTO_DST_PORT)] {
                    if let Some(port) = port {
                        proto.bytes(kind, &port.to_be_bytes());
                    }
                }
            });
        });
    }
}

impl Nft {
    /// Lists tracked flows.
    ///
    /// # Errors
    ///
    /// The kernel refuses, or does not track flows ([`NetError::is_unsupported`]).
    pub fn flows(&self, filter: &FlowFilter) -> Result<Vec<Flow>, NetError> {
        let answer = self.ask("list tracked flows", list(filter))?;
        // Linux before 5.8 lists all flows of the family.
        Ok(answer.messages().filter_map(decode).filter(|flow| filter.matches(flow)).collect())
    }

    /// Deletes tracked flows, so that their next packets go through the rules like first packets. Returns how many were
    /// deleted. Flows that end meanwhile are not an error.
    ///
    /// # Errors
    ///
    /// The kernel refuses, or does not track flows ([`NetError::is_unsupported`]).
    pub fn delete_flows(&self, filter: &FlowFilter) -> Result<usize, NetError> {
        let mut count = 0;
        for flows in self.flows(filter)?.chunks(AT_ONCE) {
            let mut requests: Vec<_> = flows.iter().map(|flow| delete(filter.family, flow)).collect();
            for answer in self.exchange("delete tracked flows", &mut requests)? {
                match answer.refusal.map(|refusal| NetError::new("delete a tracked flow".to_owned(), refusal))
                {
                    None => count += 1,
                    Some(gone) if gone.is_not_found() => {}
                    Some(error) => return Err(error),
                }
            }
        }
        Ok(count)
    }
}

/// Returns whether the kernel can filter by an address. With an IPv6 address, Linux 6.18 for example lists all flows but those
/// that have it.
fn kernel_compares(address: Option<IpAddr>) -> bool {
    address.is_some_and(|address| address.is_ipv4())
}

fn list(filter: &FlowFilter) -> Request {
    let mut request = start(Request::dump(CT_GET), filter.family);
    for (side, tuple, _) in filter.sides() {
        side.put(&mut request, tuple, filter.protocol);
    }
    request.nest(CTA_FILTER, |nest| {
        for (side, _, flags) in filter.sides() {
            // The flags are in the machine's byte order, unlike everything else.
            nest.u32(flags, side.flags());
        }
    });
    request
}

fn delete(family: u8, flow: &Flow) -> Request {
    let mut request = start(Request::change(CT_DELETE, 0), family);
    for (kind, payload) in &flow.identity {
        let nested = if *kind == CTA_TUPLE_ORIG { NLA_F_NESTED } else { 0 };
        request.bytes(*kind | nested, payload);
    }
    request
}

pub(super) fn decode(message: Message<'_>) -> Option<Flow> {
    if message.kind != CT_NEW {
        return None;
    }
    family_of(message.payload)?;
    let (mut original, mut reply, mut mark, mut identity) = (None, None, 0, Vec::new());
    for attribute in attributes(message.payload) {
        if [CTA_TUPLE_ORIG, CTA_ID, CTA_ZONE].contains(&attribute.kind) {
            identity.push((attribute.kind, attribute.payload.to_vec()));
        }
        match attribute.kind {
            CTA_TUPLE_ORIG => original = tuple(attribute.nested()),
            CTA_TUPLE_REPLY => reply = tuple(attribute.nested()),
            CTA_MARK => mark = be32(attribute.payload)?,
            _ => {}
        }
    }
    Some(Flow { original: original?, reply: reply?, mark, identity })
}

fn tuple(attributes: Attributes<'_>) -> Option<Tuple> {
    let (mut src, mut dst, mut protocol, mut sport, mut dport) = (None, None, None, 0, 0);
    for attribute in attributes {
        for inner in attribute.nested() {
            match (attribute.kind, inner.kind) {
                (CTA_TUPLE_IP, CTA_IP_V4_SRC | CTA_IP_V6_SRC) => src = ip(inner.payload),
                (CTA_TUPLE_IP, CTA_IP_V4_DST | CTA_IP_V6_DST) => dst = ip(inner.payload),
                (CTA_TUPLE_PROTO, CTA_PROTO_NUM) => protocol = inner.u8(),
                (CTA_TUPLE_PROTO, CTA_PROTO_SRC_PORT) => sport = be16(inner.payload)?,
                (CTA_TUPLE_PROTO, CTA_PROTO_DST_PORT) => dport = be16(inner.payload)?,
                _ => {}
            }
        }
    }
    Some(Tuple { src: src?, dst: dst?, protocol: protocol?, sport, dport })
}

fn ip(payload: &[u8]) -> Option<IpAddr> {
    match payload.len() {
        4 => Some(<[u8; 4]>::try_from(payload).ok()?.into()),
        16 => Some(<[u8; 16]>::try_from(payload).ok()?.into()),
        _ => None,
    }
}
