//! Why a document does not decode.

use std::fmt;

use serde::de::{self, Expected, Unexpected};
use thiserror::Error;

use super::path::Path;
use crate::ErrorCode;

/// Why a document, or a part of it, does not decode. It names the JSON path, as far as there is one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{path}{}{msg}", if path.is_empty() { "" } else { ": " })]
pub struct DecodeError {
    path: String,
    msg: String,
    code: ErrorCode,
}

impl DecodeError {
    /// Where in the document: `ipam.ranges[0][1].subnet`; empty for the document as a whole.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What it is to a runtime: [6](ErrorCode::DECODING_FAILURE) for text that is no JSON and for a value of another
    /// type, [7](ErrorCode::INVALID_NETWORK_CONFIG) for a value of the right type that will not do, and
    /// [1](ErrorCode::INCOMPATIBLE_VERSION) for a result in an unknown version.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// Text that is no JSON, or a value of another type.
    pub(crate) fn mistyped(path: &Path<'_>, msg: impl Into<String>) -> Self {
        Self { path: path.to_string(), msg: msg.into(), code: ErrorCode::DECODING_FAILURE }
    }

    /// A value of the right type that will not do.
    pub(crate) fn invalid(path: &Path<'_>, msg: impl Into<String>) -> Self {
        Self { path: path.to_string(), msg: msg.into(), code: ErrorCode::INVALID_NETWORK_CONFIG }
    }

    pub(crate) fn unsupported_version(path: &Path<'_>, msg: impl Into<String>) -> Self {
        Self { path: path.to_string(), msg: msg.into(), code: ErrorCode::INCOMPATIBLE_VERSION }
    }

    /// Adds the place where a type's own Deserialize failed, which it cannot know itself.
    pub(super) fn at(mut self, path: &Path<'_>) -> Self {
        if self.path.is_empty() {
            self.path = path.to_string();
        }
        self
    }

    pub(crate) fn no_error_object() -> Self {
        Self::nowhere(
            "neither code nor msg, so this is no error object".to_owned(),
            ErrorCode::DECODING_FAILURE,
        )
    }

    /// Puts the place of the document that failed in front.
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
