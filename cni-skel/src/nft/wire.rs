//! Parts that all messages share: the family header, big-endian numbers, names and comments.

use super::constants::NFGENMSG;
use crate::netlink::{Attributes, Request};

/// The longest comment that `nft` accepts, in bytes.
pub(super) const COMMENT_MAX: usize = 128;
/// The type of a comment in the userdata of tables, chains, rules and elements.
pub(super) const COMMENT: u8 = 0;
/// The type of a comment in the userdata of sets.
pub(super) const SET_COMMENT: u8 = 7;
/// The longest name of a table, chain or set, in bytes.
const NAME_MAX: usize = 255;

/// Starts a request with `struct nfgenmsg`.
pub(super) fn start(mut request: Request, family: u8) -> Request {
    request.fixed(&[family, 0, 0, 0]);
    request
}

/// Returns the family of a message.
pub(super) fn family_of(payload: &[u8]) -> Option<u8> {
    payload.first_chunk::<NFGENMSG>().map(|header| header[0])
}

pub(super) fn attributes(payload: &[u8]) -> Attributes<'_> {
    Attributes::after(NFGENMSG, payload)
}

pub(super) fn put_be32(request: &mut Request, kind: u16, value: u32) {
    request.bytes(kind, &value.to_be_bytes());
}

pub(super) fn put_be64(request: &mut Request, kind: u16, value: u64) {
    request.bytes(kind, &value.to_be_bytes());
}

pub(super) fn be16(payload: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(*payload.first_chunk()?))
}

pub(super) fn be32(payload: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*payload.first_chunk()?))
}

pub(super) fn be64(payload: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*payload.first_chunk()?))
}

/// Appends a name. Refuses a name that `nft` would not accept.
pub(super) fn put_name(request: &mut Request, kind: u16, name: &str) {
    let mut bytes = name.bytes();
    let begins = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'.'));
    let goes_on = bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'/'));
    if begins && goes_on && name.len() <= NAME_MAX {
        request.text(kind, name);
    } else {
        request.refuse("a name of a table, chain or set is not 1 to 255 letters, digits and _ . - /");
    }
}

/// Appends userdata and a comment, unless both are empty.
pub(super) fn put_userdata(
    request: &mut Request,
    kind: u16,
    mut before: Vec<u8>,
    tag: u8,
    comment: Option<&str>,
) {
    if let Some(comment) = comment {
        // `nft list ruleset` prints the comment between quotes and escapes nothing.
        if comment.len() > COMMENT_MAX || comment.chars().any(|c| c == '"' || c.is_control()) {
            request.refuse("a comment is longer than 128 bytes or has quotes or control characters");
            return;
        }
        before.push(tag);
        before.push(u8::try_from(comment.len() + 1).unwrap_or(u8::MAX));
        before.extend_from_slice(comment.as_bytes());
        before.push(0);
    }
    if !before.is_empty() {
        request.bytes(kind, &before);
    }
}

/// Reads the comment in userdata, which is a list of type (one byte), length (one byte) and value.
pub(super) fn comment(mut userdata: &[u8], tag: u8) -> Option<String> {
    while let [kind, length, rest @ ..] = userdata {
        let (value, behind) = rest.split_at_checked(usize::from(*length))?;
        if *kind == tag {
            let end = value.iter().position(|b| *b == 0).unwrap_or(value.len());
            return Some(String::from_utf8_lossy(&value[..end]).into_owned());
        }
        userdata = behind;
    }
    None
}
