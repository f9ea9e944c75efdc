//! The shapes of results in JSON. Only this module knows them.
//!
//! Versions before 0.3.0 have [slots], one for each address family. Versions from 0.3.0 have [lists], up to 0.4.0 with
//! `version` in each address. Versions with the same shape are a [family]; they differ only in `cniVersion`.

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
    /// Decodes a result of any version. Its `cniVersion` selects the version. `version` is used if that key is absent,
    /// because a `prevResult` without it has the version of its configuration.
    ///
    /// ```
    /// use cni_types::{AddResult, SpecVersion};
    ///
    /// let result = AddResult::decode(SpecVersion::V1_1_0, r#"{"cniVersion": "0.2.0", "ip4": {"ip": "10.1.0.2/16"}}"#)?;
    /// assert_eq!(result.ips[0].address.to_string(), "10.1.0.2/16");
    /// # Ok::<(), cni_types::DecodeError>(())
    /// ```
    ///
    /// # Errors
    /// - Code 1 if the version is unknown.
    /// - Code 6 if the text is not a JSON object, or a value has the wrong type.
    /// - Code 7 if a value is invalid, for example an address without a prefix length, or a required key is missing.
    pub fn decode(version: SpecVersion, json: &str) -> Result<Self, DecodeError> {
        decode(|| Ok(version), json)
    }

    /// Encodes the result as JSON in the shape of a version, indented by four spaces, without a newline at the end. Parts
    /// that the version cannot express are left out; [`losses`](Self::losses) reports them.
    ///
    /// # Errors
    /// If the version is 0.1.0 or 0.2.0 and the result has no address, which these versions cannot express.
    pub fn encode(&self, version: SpecVersion) -> Result<String, EncodeError> {
        encode(self, version)
    }

    /// Returns the parts that [`encode`](Self::encode) leaves out, because the version cannot express them.
    ///
    /// ```
    /// use cni_types::{AddResult, Interface, SpecVersion};
    ///
    /// let mut result = AddResult::default();
    /// result.push_interface(Interface::new("eth0").mtu(1400));
    /// assert_eq!(result.losses(SpecVersion::V0_4_0)[0].to_string(), "interfaces[0].mtu");
    /// assert_eq!(result.losses(SpecVersion::V1_1_0), []);
    /// ```
    pub fn losses(&self, version: SpecVersion) -> Vec<Loss> {
        losses(self, version)
    }
}

/// Decodes a result. `version` is called if the result has no `cniVersion`.
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

/// Returns the document, and the paths of the parts that it leaves out.
fn build(result: &AddResult, version: SpecVersion) -> (Node, Vec<String>) {
    let mut lost = Vec::new();
    let node = match Family::of(version) {
        Family::Slots => slots::encode(result, version, &mut lost),
        family => lists::encode(result, version, family, &mut lost),
    };
    (node, lost)
}

/// The path of a part of a result that a version cannot express, for example `ips[2].interface`. See
/// [`AddResult::losses`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss(String);

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The error for a result that a version cannot express.
///
/// ```
/// use cni_types::{AddResult, SpecVersion};
///
/// let error = AddResult::default().encode(SpecVersion::V0_2_0).unwrap_err();
/// assert_eq!(error.to_string(), "version 0.2.0 cannot express a result without an IP address");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("version {0} cannot express a result without an IP address")]
pub struct EncodeError(SpecVersion);
