//! Error objects.

use serde::Deserialize;

use crate::json::{Members, Node};
use crate::{DecodeError, ErrorCode, from_json};

/// The document that a plugin prints on stdout if it fails: an
/// [error](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#error) object.
///
/// ```
/// use cni_types::{ErrorCode, ErrorObject};
///
/// let error = ErrorObject::new(ErrorCode::TRY_AGAIN_LATER, "no free address")
///     .cni_version("1.1.0")
///     .details("10.1.0.0/24 has 254 addresses, and all are in use");
/// let printed = error.encode();
/// assert_eq!(ErrorObject::decode(&printed)?, error);
/// # Ok::<(), cni_types::DecodeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorObject {
    /// The version of the request: key `cniVersion`. Plugins built with the Go library omit it.
    pub cni_version: Option<String>,
    /// The error code: key `code`.
    pub code: ErrorCode,
    /// A short message that names the failure: key `msg`.
    pub msg: String,
    /// A longer message, for example the causes: key `details`.
    pub details: Option<String>,
}

impl ErrorObject {
    /// Makes an error without version and details.
    pub fn new(code: ErrorCode, msg: impl Into<String>) -> Self {
        Self { cni_version: None, code, msg: msg.into(), details: None }
    }

    /// Sets the version of the request.
    #[must_use]
    pub fn cni_version(mut self, version: impl Into<String>) -> Self {
        self.cni_version = Some(version.into());
        self
    }

    /// Sets the details.
    #[must_use]
    pub fn details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(details.into());
        self
    }

    /// Decodes an error that another plugin printed. Empty `cniVersion` and `details` count as absent, and
    /// an absent `code` is 0.
    ///
    /// # Errors
    /// - Code 6 if the text is not a JSON object, a value has the wrong type, or the object has neither `code` nor `msg`.
    /// - Code 7 if `code` is below 0 or above 2³²−1.
    pub fn decode(json: &str) -> Result<Self, DecodeError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        #[derive(Default)]
        struct Wire {
            cni_version: Option<String>,
            code: Option<u32>,
            msg: Option<String>,
            details: Option<String>,
        }
        let wire: Wire = from_json(json)?;
        if wire.code.is_none() && wire.msg.is_none() {
            return Err(DecodeError::not_an_error_object());
        }
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(Self {
            cni_version: filled(wire.cni_version),
            code: ErrorCode::new(wire.code.unwrap_or_default()),
            msg: wire.msg.unwrap_or_default(),
            details: filled(wire.details),
        })
    }

    /// Encodes the error as JSON, indented by four spaces, without a newline at the end.
    pub fn encode(&self) -> String {
        let mut members = Members::default();
        members.put_if_any("cniVersion", self.cni_version.as_ref().map(Node::text));
        members.put("code", Node::Number(self.code.get().into()));
        members.put("msg", Node::text(&self.msg));
        members.put_if_any("details", self.details.as_ref().map(Node::text));
        members.in_order().to_pretty_json()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_indented_by_four_spaces_and_omits_absent_keys() {
        let error = ErrorObject::new(ErrorCode::new(7), "missing \"name\"").cni_version("1.0.0");
        let json =
            "{\n    \"cniVersion\": \"1.0.0\",\n    \"code\": 7,\n    \"msg\": \"missing \\\"name\\\"\"\n}";
        assert_eq!(error.encode(), json);
        assert_eq!(ErrorObject::decode(json), Ok(error));
    }

    #[test]
    fn an_error_of_the_go_library_without_a_version_decodes() {
        let error =
            ErrorObject::decode(r#"{"code": 999, "msg": "no", "details": "", "other": [1]}"#).unwrap();
        assert_eq!(error, ErrorObject::new(ErrorCode::INTERNAL, "no"));
    }

    #[test]
    fn other_documents_are_not_error_objects() {
        for json in
            ["", "garbage", "{}", "[]", "null", r#"{"code": "x"}"#, r#"{"code": -1}"#, r#"{"code": 1.5}"#]
        {
            assert!(ErrorObject::decode(json).is_err(), "{json}");
        }
    }
}
