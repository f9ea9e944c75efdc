//! Reads attributes without copying them. Malformed bytes end the iteration; nothing panics.

use std::borrow::Cow;

use super::constants::{ATTRIBUTE_HEADER, NLA_TYPE_MASK, align};

/// Iterates over the attributes in a part of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    /// Reads the attributes that follow a family header of the given length.
    pub(crate) fn after(header: usize, payload: &'a [u8]) -> Self {
        Self(payload.get(align(header)..).unwrap_or_default())
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let length = usize::from(u16_at(self.0, 0)?);
        let kind = u16_at(self.0, 2)? & NLA_TYPE_MASK;
        let Some(payload) = self.0.get(ATTRIBUTE_HEADER..length) else {
            self.0 = &[];
            return None;
        };
        self.0 = self.0.get(align(length)..).unwrap_or_default();
        Some(Attribute { kind, payload })
    }
}

/// An attribute. The methods return `None` if the payload is too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attribute<'a> {
    pub(crate) kind: u16,
    pub(crate) payload: &'a [u8],
}

impl<'a> Attribute<'a> {
    pub(crate) fn u8(self) -> Option<u8> {
        self.payload.first().copied()
    }

    pub(crate) fn u16(self) -> Option<u16> {
        u16_at(self.payload, 0)
    }

    pub(crate) fn u32(self) -> Option<u32> {
        u32_at(self.payload, 0)
    }

    pub(crate) fn i32(self) -> Option<i32> {
        self.u32().map(u32::cast_signed)
    }

    /// Reads the text up to the first NUL. It may not be UTF-8.
    pub(crate) fn text(self) -> Cow<'a, str> {
        let end = self.payload.iter().position(|b| *b == 0).unwrap_or(self.payload.len());
        String::from_utf8_lossy(&self.payload[..end])
    }

    pub(crate) fn nested(self) -> Attributes<'a> {
        Attributes(self.payload)
    }
}

pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}

pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}
