//! Netlink messages, read and written as the kernel does.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::numbers::{
    EINVAL, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_MULTI, NLMSG_DONE, NLMSG_ERROR, NLMSGERR_ATTR_MSG,
    NLMSGERR_ATTR_OFFS,
};

/// Length of `struct nlmsghdr`.
const HEADER: usize = 16;
/// Removes the two flag bits from an attribute's type.
const TYPE_MASK: u16 = 0x3fff;

/// A request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) kind: u16,
    pub(super) flags: u16,
    whole: &'a [u8],
}

impl<'a> Request<'a> {
    pub(super) fn parse(message: &'a [u8]) -> Option<Self> {
        let length = usize::try_from(u32_at(message, 0)?).ok()?;
        let whole = message.get(..length).filter(|whole| whole.len() >= HEADER)?;
        Some(Self { kind: u16_at(whole, 4)?, flags: u16_at(whole, 6)?, whole })
    }

    /// The header of the family, which a request must have in full.
    pub(super) fn header(&self, length: usize) -> Result<&'a [u8], Refusal> {
        self.whole.get(HEADER..HEADER + length).ok_or(Refusal::errno(EINVAL))
    }

    pub(super) fn attributes(&self, header: usize) -> Attributes<'a> {
        Attributes::parse(self.whole, HEADER + header, self.whole.len())
    }

    /// Writes the answer: the messages, and the outcome.
    pub(super) fn answer(&self, is_dump: bool, outcome: Result<Vec<Reply>, Refusal>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let multi = if is_dump { flag(NLM_F_MULTI) } else { 0 };
        let mut put = |kind: u16, flags: u16, payload: &[u8]| {
            let length = u32::try_from(HEADER + payload.len()).unwrap_or(u32::MAX);
            bytes.extend_from_slice(&length.to_ne_bytes());
            bytes.extend_from_slice(&kind.to_ne_bytes());
            bytes.extend_from_slice(&flags.to_ne_bytes());
            bytes.extend_from_slice(&self.whole[8..12]);
            bytes.extend_from_slice(&[0; 4]);
            bytes.extend_from_slice(payload);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        };
        match outcome {
            Ok(replies) => {
                replies.iter().for_each(|reply| put(reply.kind, multi, &reply.payload.bytes));
                if is_dump {
                    put(flag(NLMSG_DONE), multi, &[0; 4]);
                } else {
                    put(flag(NLMSG_ERROR), NLM_F_CAPPED, &[&[0; 4], &self.whole[..HEADER]].concat());
                }
            }
            Err(refusal) => {
                let mut payload = Payload::new(&(-refusal.errno).to_ne_bytes());
                payload.bytes.extend_from_slice(&self.whole[..HEADER]);
                let mut flags = NLM_F_CAPPED;
                if let Some(text) = refusal.text {
                    payload.text(NLMSGERR_ATTR_MSG, text);
                    flags |= NLM_F_ACK_TLVS;
                }
                if let Some(offset) = refusal.offset {
                    payload.u32(NLMSGERR_ATTR_OFFS, offset);
                    flags |= NLM_F_ACK_TLVS;
                }
                put(flag(NLMSG_ERROR), flags, &payload.bytes);
            }
        }
        bytes
    }
}

/// An error of the kernel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    errno: i32,
    text: Option<&'static str>,
    /// The offset of the attribute that caused it.
    offset: Option<u32>,
}

impl Refusal {
    pub(super) fn errno(errno: i32) -> Self {
        Self { errno, text: None, offset: None }
    }

    pub(super) fn new(errno: i32, text: &'static str) -> Self {
        Self { errno, text: Some(text), offset: None }
    }

    pub(super) fn without_words(self) -> Self {
        Self { text: None, ..self }
    }

    pub(super) fn about(self, attribute: Attribute<'_>) -> Self {
        Self { offset: Some(attribute.offset), ..self }
    }
}

/// The attributes of a message. The last one of a type counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Attributes<'a>(Vec<(u16, Attribute<'a>)>);

/// The payload of an attribute, and its offset in the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute<'a> {
    pub(super) payload: &'a [u8],
    whole: &'a [u8],
    offset: u32,
}

impl<'a> Attributes<'a> {
    fn parse(whole: &'a [u8], mut at: usize, end: usize) -> Self {
        let mut attributes = Vec::new();
        while let (Some(length), Some(kind)) = (u16_at(whole, at), u16_at(whole, at + 2)) {
            let length = usize::from(length);
            let Some(payload) = whole.get(at + 4..at + length).filter(|_| at + length <= end) else { break };
            let offset = u32::try_from(at).unwrap_or(u32::MAX);
            attributes.push((kind & TYPE_MASK, Attribute { payload, whole, offset }));
            at += length.next_multiple_of(4);
        }
        Self(attributes)
    }

    pub(super) fn get(&self, kind: u16) -> Option<Attribute<'a>> {
        self.0.iter().rev().find(|(own, _)| *own == kind).map(|(_, attribute)| *attribute)
    }

    pub(super) fn u32(&self, kind: u16) -> Option<u32> {
        u32_at(self.get(kind)?.payload, 0)
    }

    pub(super) fn text(&self, kind: u16) -> Option<String> {
        let payload = self.get(kind)?.payload;
        let end = payload.iter().position(|byte| *byte == 0).unwrap_or(payload.len());
        Some(String::from_utf8_lossy(&payload[..end]).into_owned())
    }

    pub(super) fn ip(&self, kind: u16) -> Option<IpAddr> {
        ip(self.get(kind)?.payload)
    }

    /// The attributes inside this attribute.
    pub(super) fn nested(&self, kind: u16) -> Option<Self> {
        self.get(kind).map(|attribute| attribute.nested(0))
    }
}

impl<'a> Attribute<'a> {
    /// The attributes inside this attribute, after a header.
    pub(super) fn nested(self, header: usize) -> Attributes<'a> {
        let start = usize::try_from(self.offset).unwrap_or(usize::MAX - 4 - header) + 4;
        Attributes::parse(self.whole, start + header, start + self.payload.len())
    }
}

/// A message of the answer.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) kind: u16,
    pub(super) payload: Payload,
}

/// The content of a message: a header and attributes.
#[derive(Clone, Debug)]
pub(super) struct Payload {
    bytes: Vec<u8>,
}

impl Payload {
    pub(super) fn new(header: &[u8]) -> Self {
        Self { bytes: header.to_vec() }
    }

    pub(super) fn bytes(&mut self, kind: u16, payload: &[u8]) -> &mut Self {
        let length = u16::try_from(4 + payload.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(payload);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    pub(super) fn u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    pub(super) fn text(&mut self, kind: u16, text: &str) -> &mut Self {
        self.bytes(kind, &[text.as_bytes(), &[0]].concat())
    }

    pub(super) fn ip(&mut self, kind: u16, address: IpAddr) -> &mut Self {
        match address {
            IpAddr::V4(v4) => self.bytes(kind, &v4.octets()),
            IpAddr::V6(v6) => self.bytes(kind, &v6.octets()),
        }
    }

    pub(super) fn nest(&mut self, kind: u16, inside: impl FnOnce(&mut Self)) -> &mut Self {
        let mut nest = Self { bytes: Vec::new() };
        inside(&mut nest);
        self.bytes(kind, &nest.bytes)
    }
}

pub(super) fn ip(payload: &[u8]) -> Option<IpAddr> {
    match payload.len() {
        4 => Some(Ipv4Addr::from(*payload.first_chunk::<4>()?).into()),
        16 => Some(Ipv6Addr::from(*payload.first_chunk::<16>()?).into()),
        _ => None,
    }
}

pub(super) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}

pub(super) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}

/// Converts a constant of libc to the type of a message's field. All constants used here fit.
pub(super) fn flag(number: i32) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}
