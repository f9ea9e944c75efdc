//! The answer to VERSION.

use serde::Deserialize;

use crate::json::quoted;
use crate::{DecodeError, from_json};

/// What a plugin prints when it is asked for its versions: a
/// [Version Success](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#version-probe-plugin-version-support)
/// object.
///
/// Versions are text here: the runtime's may be newer than this crate, and so may another plugin's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionReply {
    /// The version that the runtime asked in: key `cniVersion`.
    pub cni_version: String,
    /// The versions that the plugin speaks: key `supportedVersions`.
    pub supported_versions: Vec<String>,
}

impl VersionReply {
    /// Makes an answer.
    pub fn new<S: Into<String>>(
        cni_version: impl Into<String>,
        supported: impl IntoIterator<Item = S>,
    ) -> Self {
        let supported_versions = supported.into_iter().map(Into::into).collect();
        Self { cni_version: cni_version.into(), supported_versions }
    }

    /// Decodes what a plugin printed. A plugin of 0.2.0 need not list what it speaks: 0.1.0 and 0.2.0.
    ///
    /// # Errors
    /// Code 6 or 7 when it is no JSON object, and when it lacks `cniVersion` or, otherwise, `supportedVersions`.
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

    /// Encodes it on one line, without an end of line.
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
    fn an_answer_decodes_as_it_was_encoded() {
        let reply = VersionReply::new("9.9.9", ["0.1.0", "1.1.0"]);
        assert_eq!(reply.encode(), r#"{"cniVersion":"9.9.9","supportedVersions":["0.1.0","1.1.0"]}"#);
        assert_eq!(VersionReply::decode(&reply.encode()), Ok(reply));
    }

    #[test]
    fn an_answer_of_0_2_0_may_leave_out_the_list() {
        let reply = VersionReply::decode(r#"{"cniVersion": "0.2.0"}"#).unwrap();
        assert_eq!(reply.supported_versions, ["0.1.0", "0.2.0"]);
        assert!(VersionReply::decode(r#"{"cniVersion": "1.0.0"}"#).is_err());
        assert!(VersionReply::decode(r#"{"supportedVersions": ["1.0.0"]}"#).is_err());
    }
}
