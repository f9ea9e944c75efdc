//! The reply to VERSION.

use serde::Deserialize;

use crate::json::quoted;
use crate::{DecodeError, from_json};

/// The document that a plugin prints in reply to
/// [VERSION](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#version-probe-plugin-version-support).
///
/// Versions are text, because a runtime or another plugin may use versions that this crate does not know.
///
/// ```
/// use cni_types::VersionReply;
///
/// let reply = VersionReply::new("1.1.0", ["1.0.0", "1.1.0"]);
/// assert_eq!(reply.encode(), r#"{"cniVersion":"1.1.0","supportedVersions":["1.0.0","1.1.0"]}"#);
/// assert_eq!(VersionReply::decode(&reply.encode())?, reply);
/// # Ok::<(), cni_types::DecodeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionReply {
    /// The version of the request: key `cniVersion`.
    pub cni_version: String,
    /// The versions that the plugin supports: key `supportedVersions`.
    pub supported_versions: Vec<String>,
}

impl VersionReply {
    /// Makes a reply.
    pub fn new<S: Into<String>>(
        cni_version: impl Into<String>,
        supported: impl IntoIterator<Item = S>,
    ) -> Self {
        let supported_versions = supported.into_iter().map(Into::into).collect();
        Self { cni_version: cni_version.into(), supported_versions }
    }

    /// Decodes a reply that a plugin printed. If `cniVersion` is `0.2.0`, an absent list means 0.1.0 and 0.2.0.
    ///
    /// # Errors
    /// - Code 6 if the text is not a JSON object, or a value has the wrong type.
    /// - Code 7 if `cniVersion` is absent, or `supportedVersions` is absent or empty and `cniVersion` is not `0.2.0`.
    pub fn decode(json: &str) -> Result<Self, DecodeError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire {
            cni_version: String,
            #[serde(default)]
            supported_versions: Vec<String>,
        }
        let Wire { cni_version, mut supported_versions } = from_json(json)?;
        if supported_versions.is_empty() {
            if cni_version != "0.2.0" {
                return Err(serde::de::Error::missing_field("supportedVersions"));
            }
            supported_versions = vec!["0.1.0".to_owned(), cni_version.clone()];
        }
        Ok(Self { cni_version, supported_versions })
    }

    /// Encodes the reply as JSON on one line, without a newline at the end.
    pub fn encode(&self) -> String {
        let supported: Vec<_> = self.supported_versions.iter().map(|version| quoted(version)).collect();
        format!(
            r#"{{"cniVersion":{},"supportedVersions":[{}]}}"#,
            quoted(&self.cni_version),
            supported.join(",")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_decodes_as_it_was_encoded() {
        let reply = VersionReply::new("9.9.9", ["0.1.0", "1.1.0"]);
        assert_eq!(reply.encode(), r#"{"cniVersion":"9.9.9","supportedVersions":["0.1.0","1.1.0"]}"#);
        assert_eq!(VersionReply::decode(&reply.encode()), Ok(reply));
    }

    #[test]
    fn a_reply_of_0_2_0_may_omit_the_list() {
        let reply = VersionReply::decode(r#"{"cniVersion": "0.2.0"}"#).unwrap();
        assert_eq!(reply.supported_versions, ["0.1.0", "0.2.0"]);
        assert!(VersionReply::decode(r#"{"cniVersion": "1.0.0"}"#).is_err());
        assert!(VersionReply::decode(r#"{"supportedVersions": ["1.0.0"]}"#).is_err());
    }
}
