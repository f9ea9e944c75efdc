//! Answers of the kernel: messages, and refusals.

use std::error::Error;
use std::io;

use super::attributes::{Attributes, u16_at, u32_at};
use super::constants::{
    HEADER, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLMSGERR_ATTR_MSG, NLMSGERR_ATTR_OFFS, PORT_AT, align,
};
use super::request::Request;

/// The answer to one request: its messages, and the refusal if the kernel refused it.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// The messages with their headers, one after the other.
    pub(crate) bytes: Vec<u8>,
    pub(crate) refusal: Option<Refusal>,
}

impl Answer {
    /// Iterates over the messages.
    pub(crate) fn messages(&self) -> Messages<'_> {
        Messages::new(&self.bytes)
    }
}

/// Iterates over the messages of a datagram. Ends at a message that is cut off.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Messages<'a>(&'a [u8]);

impl<'a> Messages<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let length = usize::try_from(u32_at(self.0, 0)?).ok()?;
        let (kind, flags) = (u16_at(self.0, 4)?, u16_at(self.0, 6)?);
        let (sequence, port) = (u32_at(self.0, 8)?, u32_at(self.0, 12)?);
        let (Some(whole), Some(payload)) = (self.0.get(..length), self.0.get(HEADER..length)) else {
            self.0 = &[];
            return None;
        };
        self.0 = self.0.get(align(length)..).unwrap_or_default();
        Some(Message { kind, flags, sequence, port, payload, whole })
    }
}

/// One message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) port: u32,
    pub(crate) payload: &'a [u8],
    /// The message with its header.
    pub(crate) whole: &'a [u8],
}

/// A request that failed.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub(crate) struct Refusal {
    pub(crate) error: io::Error,
    /// The text of the extended acknowledgement.
    #[source]
    pub(crate) text: Option<Explanation>,
    #[cfg_attr(not(feature = "nft"), expect(dead_code, reason = "only transactions have parts"))]
    /// The index of the refused message in a transaction. 0 for every other request.
    pub(crate) part: usize,
}

impl Refusal {
    /// Returns whether the object does not exist.
    #[cfg(feature = "nft")]
    pub(crate) fn is_missing(&self) -> bool {
        self.error.raw_os_error() == Some(nix::libc::ENOENT)
    }

    /// Reads `NLMSG_ERROR`. Returns `None` if it reports success.
    pub(crate) fn in_error(message: Message<'_>, request: &Request) -> Option<Self> {
        let payload = message.payload;
        let repeated = match message.flags & NLM_F_CAPPED {
            0 => u32_at(payload, 4).and_then(|l| usize::try_from(l).ok()).unwrap_or(HEADER),
            _ => HEADER,
        };
        // The header of the request follows the errno.
        let part = u32_at(payload, 4 + PORT_AT).and_then(|p| usize::try_from(p).ok()).unwrap_or_default();
        Self::read(message, repeated.saturating_add(4), request, part)
    }

    /// Reads `NLMSG_DONE`. Returns `None` if it reports success.
    pub(crate) fn in_done(message: Message<'_>, request: &Request) -> Option<Self> {
        if message.payload.is_empty() { None } else { Self::read(message, 4, request, 0) }
    }

    fn read(message: Message<'_>, attributes_at: usize, request: &Request, part: usize) -> Option<Self> {
        let Some(code) = u32_at(message.payload, 0) else {
            return Some(Self::from(io::Error::new(
                io::ErrorKind::InvalidData,
                "the kernel's answer is cut off",
            )));
        };
        let code = code.cast_signed();
        if code >= 0 {
            return None;
        }
        let errno = code.checked_neg().unwrap_or(i32::MAX);
        let mut text = None;
        let mut attribute_kind = None;
        if message.flags & NLM_F_ACK_TLVS != 0 {
            for attribute in Attributes::after(attributes_at, message.payload) {
                match attribute.kind {
                    NLMSGERR_ATTR_MSG => text = Some(attribute.text().into_owned()),
                    NLMSGERR_ATTR_OFFS => {
                        attribute_kind = attribute.u32().and_then(|o| request.attribute_at(part, o));
                    }
                    _ => {}
                }
            }
        }
        let text = match (text, attribute_kind) {
            (Some(text), Some(kind)) => Some(format!("{text} (attribute {kind})")),
            (None, Some(kind)) => Some(format!("attribute {kind}")),
            (text, None) => text,
        };
        Some(Self { error: io::Error::from_raw_os_error(errno), text: text.map(Explanation), part })
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        let text = error.source().map(|cause| Explanation(cause.to_string()));
        Self { error, text, part: 0 }
    }
}

/// An explanation of a refusal: the kernel's, or the cause of an error of this process.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Explanation(pub(crate) String);
