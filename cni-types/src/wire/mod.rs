//! The shapes that results have on the wire. They do not leave this module.
//!
//! There are three families: [slots], one for each address family, before 0.3.0; [lists], with `version` in
//! each address, up to 0.4.0; and without it since 1.0.0. Within a family versions differ in nothing but their name.

mod family;
mod fields;
mod lists;
mod parts;
mod slots;

use std::fmt;

use thiserror::Error;

use crate::json::{Node, Object, Path};
use crate::{AddResult, DecodeError, SpecVersion};
use family::Family;
use fields::Fields;

impl AddResult {
    /// Decodes a result of any version. What it names in `cniVersion` counts; `version` is what it is in if it names
    /// none, as a `prevResult` is in the version of its configuration.
    ///
    /// # Errors
    /// Code 6 when it is no JSON object or a value has another type, 7 when a value will not do (an address without
    /// prefix, say), 1 when its version is unknown. The JSON path is named.
    pub fn decode(version: SpecVersion, json: &str) -> Result<Self, DecodeError> {
        decode(|| Ok(version), json)
    }

    /// Encodes it in the shape of a version: indented by four spaces, without an end of line.
    ///
    /// # Errors
    /// When the version cannot say it at all: 0.1.0 and 0.2.0 cannot say a result without an address. What it
    /// cannot say in part is left out, and [`losses`](Self::losses) tells what.
    pub fn encode(&self, version: SpecVersion) -> Result<String, EncodeError> {
        encode(self, version)
    }

    /// What [`encode`](Self::encode) leaves out in a version, because the version has no way to say it.
    pub fn losses(&self, version: SpecVersion) -> Vec<Loss> {
        losses(self, version)
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

fn encode(result: &AddResult, version: SpecVersion) -> Result<String, EncodeError> {
    let (node, _) = build(result, version);
    if Family::of(version) == Family::Slots && result.ips.is_empty() {
        return Err(EncodeError(version));
    }
    Ok(node.to_pretty_json())
}

fn losses(result: &AddResult, version: SpecVersion) -> Vec<Loss> {
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
