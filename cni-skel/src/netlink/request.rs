//! Builds requests: header, family header and attributes.

use std::io;

use super::constants::{ATTRIBUTE_HEADER, HEADER, NLA_F_NESTED, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, align};
#[cfg(feature = "nft")]
use super::constants::{FLAGS_AT, PORT_AT};

/// A request. If it cannot be encoded, sending it fails.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    expects: Expects,
    fault: Option<&'static str>,
    /// The offset of each message. Only a transaction has more than one.
    parts: Vec<usize>,
}

/// The kind of answer that a request gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expects {
    /// An acknowledgement. The request must not be sent twice.
    ChangeAck,
    /// One message and an acknowledgement.
    ReadAck,
    /// Messages and an end mark.
    Dump,
}

impl Request {
    /// Starts a request that changes something.
    pub(crate) fn change(kind: u16, flags: u16) -> Self {
        Self::new(kind, flags | NLM_F_ACK, Expects::ChangeAck)
    }

    /// Starts a request for one object.
    pub(crate) fn read(kind: u16) -> Self {
        Self::new(kind, NLM_F_ACK, Expects::ReadAck)
    }

    /// Starts a request for all objects.
    pub(crate) fn dump(kind: u16) -> Self {
        Self::new(kind, NLM_F_DUMP, Expects::Dump)
    }

    fn new(kind: u16, flags: u16, expects: Expects) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&(flags | NLM_F_REQUEST).to_ne_bytes());
        // The sequence number is filled in when the request is sent, the port by the kernel.
        bytes.extend_from_slice(&[0; 8]);
        Self { bytes, expects, fault: None, parts: vec![0] }
    }

    /// Starts a message of a transaction. It is acknowledged only if it fails.
    #[cfg(feature = "nft")]
    pub(crate) fn part(kind: u16, flags: u16) -> Self {
        Self::new(kind, flags, Expects::ChangeAck)
    }

    /// Combines messages into a transaction, which the kernel carries out completely or not at all. `begin` and `end` mark its
    /// boundaries.
    ///
    /// Only the last message before `end` asks for an acknowledgement. The kernel reports a refused message before it, so the
    /// first answer is the one for the whole transaction. All messages have the same sequence number. The port in the header
    /// of each message, which the kernel ignores and repeats in its answer, is the index of the message.
    #[cfg(feature = "nft")]
    pub(crate) fn transaction(begin: Self, requests: Vec<Self>, end: Self) -> Self {
        let last = requests.len();
        let mut whole =
            Self { bytes: Vec::new(), expects: Expects::ChangeAck, fault: None, parts: Vec::new() };
        for (index, mut part) in [begin].into_iter().chain(requests).chain([end]).enumerate() {
            let length = u32::try_from(part.bytes.len()).unwrap_or(u32::MAX);
            part.patch(0, length.to_ne_bytes());
            part.patch(PORT_AT, u32::try_from(index).unwrap_or(u32::MAX).to_ne_bytes());
            if index == last {
                let flags = super::attributes::u16_at(&part.bytes, FLAGS_AT).unwrap_or_default();
                part.patch(FLAGS_AT, (flags | NLM_F_ACK).to_ne_bytes());
            }
            whole.parts.push(whole.bytes.len());
            whole.bytes.extend_from_slice(&part.bytes);
            whole.fault = whole.fault.or(part.fault);
        }
        whole
    }

    /// Appends a family header or another fixed structure.
    pub(crate) fn fixed(&mut self, structure: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(structure);
        self.pad()
    }

    /// Appends an attribute.
    pub(crate) fn bytes(&mut self, kind: u16, payload: &[u8]) -> &mut Self {
        match u16::try_from(payload.len() + ATTRIBUTE_HEADER) {
            Ok(length) => {
                self.bytes.extend_from_slice(&length.to_ne_bytes());
                self.bytes.extend_from_slice(&kind.to_ne_bytes());
                self.bytes.extend_from_slice(payload);
                self.pad()
            }
            Err(_) => self.refuse("an attribute is longer than 64 KiB"),
        }
    }

    pub(crate) fn u8(&mut self, kind: u16, value: u8) -> &mut Self {
        self.bytes(kind, &[value])
    }

    pub(crate) fn u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// Appends a text and a NUL. Refuses a text with a NUL inside, of which the kernel would read only the beginning.
    pub(crate) fn text(&mut self, kind: u16, text: &str) -> &mut Self {
        if text.contains('\0') {
            return self.refuse("a name contains a NUL byte");
        }
        let mut payload = Vec::with_capacity(text.len() + 1);
        payload.extend_from_slice(text.as_bytes());
        payload.push(0);
        self.bytes(kind, &payload)
    }

    /// Appends an attribute that contains what the closure appends.
    pub(crate) fn nest(&mut self, kind: u16, inside: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&(kind | NLA_F_NESTED).to_ne_bytes());
        inside(self);
        match u16::try_from(self.bytes.len() - start) {
            Ok(length) => self.patch(start, length.to_ne_bytes()),
            Err(_) => self.refuse("an attribute is longer than 64 KiB"),
        }
    }

    /// Makes sending the request fail with `fault`, unless an earlier fault is set.
    pub(crate) fn refuse(&mut self, fault: &'static str) -> &mut Self {
        self.fault.get_or_insert(fault);
        self
    }

    /// Returns whether the request only reads, so that it can be sent again.
    pub(crate) fn is_read(&self) -> bool {
        self.expects != Expects::ChangeAck
    }

    /// Returns whether this is a transaction.
    pub(crate) fn is_transaction(&self) -> bool {
        self.parts.len() > 1
    }

    /// Fills in length and sequence number. Returns the bytes to send.
    pub(crate) fn finish(&mut self, sequence: u32) -> io::Result<&[u8]> {
        if let Some(fault) = self.fault {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, fault));
        }
        let Ok(length) = u32::try_from(self.bytes.len()) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the message is longer than 4 GiB"));
        };
        if let [only] = self.parts[..] {
            self.patch(only, length.to_ne_bytes());
        }
        for index in 0..self.parts.len() {
            self.patch(self.parts[index] + 8, sequence.to_ne_bytes());
        }
        Ok(&self.bytes)
    }

    /// Returns the type of the attribute at an offset in one of the messages.
    pub(crate) fn attribute_at(&self, part: usize, offset: u32) -> Option<u16> {
        let offset = usize::try_from(offset).ok().filter(|o| *o >= HEADER)?;
        let offset = self.parts.get(part)?.checked_add(offset)?;
        super::attributes::u16_at(&self.bytes, offset.checked_add(2)?)
            .map(|kind| kind & super::constants::NLA_TYPE_MASK)
    }

    fn pad(&mut self) -> &mut Self {
        self.bytes.resize(align(self.bytes.len()), 0);
        self
    }

    fn patch<const N: usize>(&mut self, offset: usize, value: [u8; N]) -> &mut Self {
        if let Some(place) = self.bytes.get_mut(offset..offset + N) {
            place.copy_from_slice(&value);
        }
        self
    }
}
