//! The shapes that results have on the wire. They do not leave this module.
//!
//! There are three families: [slots], one for each address family, before 0.3.0; [lists], with `version` in
//! each address, up to 0.4.0; and without it since 1.0.0. Within a family versions differ in nothing but their name.

mod fields;
mod lists;
mod parts;
mod slots;

use std::fmt;

use thiserror::Error;

use crate::json::{Node, Object, Path};
use crate::{AddResult, DecodeError, SpecVersion};
use fields::Fields;
pub(crate) use parts::{dns_from, route_from};

/// The family that a version's shape belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Slots,
    VersionedLists,
    Lists,
}

impl Family {
    const fn of(version: SpecVersion) -> Self {
        match version {
            SpecVersion::V0_1_0 | SpecVersion::V0_2_0 => Self::Slots,
            SpecVersion::V0_3_0 | SpecVersion::V0_3_1 | SpecVersion::V0_4_0 => Self::VersionedLists,
            SpecVersion::V1_0_0 | SpecVersion::V1_1_0 => Self::Lists,
        }
    }
}

/// `version` is that of a result that names none. If there is no such version, it is an error that says why.
pub(crate) fn decode(
    version: impl FnOnce() -> Result<SpecVersion, DecodeError>,
    json: &str,
) -> Result<AddResult, DecodeError> {
    let mut fields = Fields::new(Object::parse(json, &Path::ROOT)?, &Path::ROOT);
    let named: Option<String> = fields.text("cniVersion")?;
    let version = match named {
        None => version()?,
        Some(text) => text.parse().map_err(|_| {
            let path = Path::ROOT.key("cniVersion");
            DecodeError::unsupported_version(&path, format!("unsupported CNI result version {text:?}"))
        })?,
    };
    match Family::of(version) {
        Family::Slots => slots::decode(fields),
        family => lists::decode(fields, family),
    }
}

pub(crate) fn encode(result: &AddResult, version: SpecVersion) -> Result<String, EncodeError> {
    let (node, _) = build(result, version);
    if Family::of(version) == Family::Slots && result.ips.is_empty() {
        return Err(EncodeError(version));
    }
    Ok(node.to_pretty_json())
}

pub(crate) fn losses(result: &AddResult, version: SpecVersion) -> Vec<Loss> {
    build(result, version).1.into_iter().map(Loss).collect()
}

/// The document, and the paths of what it leaves out.
fn build(result: &AddResult, version: SpecVersion) -> (Node, Vec<String>) {
    let mut lost = Vec::new();
    let node = match Family::of(version) {
        Family::Slots => slots::encode(result, version, &mut lost),
        family => lists::encode(result, version, family, &mut lost),
    };
    (node, lost)
}

/// A part of a result that a version of the specification has no way to say: `ips[2].interface`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss(String);

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A result that a version of the specification cannot say.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("version {0} has no way to say a result without an IP address")]
pub struct EncodeError(SpecVersion);
