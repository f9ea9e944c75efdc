//! Decoding errors.

use std::fmt;

use serde::de::{self, Expected, Unexpected};
use thiserror::Error;

use super::path::Path;
use crate::ErrorCode;

/// Why a document, or a part of it, does not decode.
///
/// ```
/// use cni_types::{ErrorCode, PluginConfig};
///
/// let config = PluginConfig::parse(br#"{"name": "lan", "ipam": {"type": 7}}"#)?;
/// let error = config.ipam_type().unwrap_err();
/// assert_eq!((error.path(), error.code()), ("ipam.type", ErrorCode::DECODING_FAILURE));
/// assert_eq!(error.to_string(), "ipam.type: invalid type: integer `7`, expected a string");
/// # Ok::<(), cni_types::DecodeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{path}{}{msg}", if .path.is_empty() { "" } else { ": " })]
pub struct DecodeError {
    path: String,
    msg: String,
    code: ErrorCode,
}

impl DecodeError {
    /// The JSON path of the value, for example `ipam.ranges[0][1].subnet`. It is empty for the document as a whole.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The code that a plugin reports for this error:
    ///
    /// - [6](ErrorCode::DECODING_FAILURE) if the text is not JSON, or a value has the wrong type.
    /// - [7](ErrorCode::INVALID_NETWORK_CONFIG) if a value has the right type but is invalid.
    /// - [1](ErrorCode::INCOMPATIBLE_VERSION) if the version of a result is unknown.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// For text that is not JSON, or a value of the wrong type.
    pub(crate) fn mistyped(path: &Path<'_>, msg: impl Into<String>) -> Self {
        Self { path: path.to_string(), msg: msg.into(), code: ErrorCode::DECODING_FAILURE }
    }

    /// For a value of the right type that is invalid.
    pub(crate) fn invalid(path: &Path<'_>, msg: impl Into<String>) -> Self {
        Self { path: path.to_string(), msg: msg.into(), code: ErrorCode::INVALID_NETWORK_CONFIG }
    }

    pub(crate) fn unsupported_version(path: &Path<'_>, msg: impl Into<String>) -> Self {
        Self { path: path.to_string(), msg: msg.into(), code: ErrorCode::INCOMPATIBLE_VERSION }
    }

    /// Adds the path of the value whose Deserialize failed, unless the error has a path.
    pub(super) fn at(mut self, path: &Path<'_>) -> Self {
        if self.path.is_empty() {
            self.path = path.to_string();
        }
        self
    }

    pub(crate) fn not_an_error_object() -> Self {
        Self::nowhere(
            "not an error object: it has neither code nor msg".to_owned(),
            ErrorCode::DECODING_FAILURE,
        )
    }

    /// Puts the path of the document that failed in front.
    pub(crate) fn below(mut self, path: &Path<'_>) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{path}{dot}{}", self.path);
        self
    }

    fn nowhere(msg: String, code: ErrorCode) -> Self {
        Self { path: String::new(), msg, code }
    }
}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(msg: T) -> Self {
        Self::nowhere(msg.to_string(), ErrorCode::INVALID_NETWORK_CONFIG)
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        // serde calls JSON's null a unit.
        let msg = match unexpected {
            Unexpected::Unit => format!("invalid type: null, expected {expected}"),
            _ => format!("invalid type: {unexpected}, expected {expected}"),
        };
        Self::nowhere(msg, ErrorCode::DECODING_FAILURE)
    }
}
