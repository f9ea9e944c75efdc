//! Builds one request: header, family header, attributes, with the lengths filled in.

use std::io;

use super::constants::{ATTRIBUTE_HEADER, HEADER, NLA_F_NESTED, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, align};

/// A request. What does not fit or cannot be said is remembered, and refused when it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    expects: Expects,
    fault: Option<&'static str>,
}

/// How the kernel's answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expects {
    /// An acknowledgement, and the request must not be sent twice.
    ChangeAck,
    /// One message and an acknowledgement.
    ReadAck,
    /// Messages and an end mark.
    Dump,
}

impl Request {
    /// A request that changes something.
    pub(crate) fn change(kind: u16, flags: u16) -> Self {
        Self::new(kind, flags | NLM_F_ACK, Expects::ChangeAck)
    }

    /// A request for one object.
    pub(crate) fn read(kind: u16) -> Self {
        Self::new(kind, NLM_F_ACK, Expects::ReadAck)
    }

    /// A request for all objects.
    pub(crate) fn dump(kind: u16) -> Self {
        Self::new(kind, NLM_F_DUMP, Expects::Dump)
    }

    fn new(kind: u16, flags: u16, expects: Expects) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&(flags | NLM_F_REQUEST).to_ne_bytes());
        // Sequence number and port: the first is stamped on when it is sent, the second is the kernel's job.
        bytes.extend_from_slice(&[0; 8]);
        Self { bytes, expects, fault: None }
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

    /// Appends text with its NUL. Text with a NUL inside would mean less to the kernel than it says.
    pub(crate) fn text(&mut self, kind: u16, text: &str) -> &mut Self {
        if text.contains('\0') {
            return self.refuse("a name contains a NUL byte");
        }
        let mut payload = Vec::with_capacity(text.len() + 1);
        payload.extend_from_slice(text.as_bytes());
        payload.push(0);
        self.bytes(kind, &payload)
    }

    /// Appends an attribute that holds what the closure appends.
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

    /// Marks the request as one that must not be sent.
    pub(crate) fn refuse(&mut self, fault: &'static str) -> &mut Self {
        self.fault.get_or_insert(fault);
        self
    }

    /// Whether sending it again does no harm.
    pub(crate) fn is_read(&self) -> bool {
        self.expects != Expects::ChangeAck
    }

    /// Fills in length and sequence number, and gives the bytes to send.
    pub(crate) fn finish(&mut self, sequence: u32) -> io::Result<&[u8]> {
        if let Some(fault) = self.fault {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, fault));
        }
        let Ok(length) = u32::try_from(self.bytes.len()) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the message is longer than 4 GiB"));
        };
        self.patch(0, length.to_ne_bytes());
        self.patch(8, sequence.to_ne_bytes());
        Ok(&self.bytes)
    }

    /// The type of the attribute at an offset that the kernel named.
    pub(crate) fn attribute_at(&self, offset: u32) -> Option<u16> {
        let offset = usize::try_from(offset).ok().filter(|o| *o >= HEADER)?;
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
