//! The error of a handler: a code for the runtime, a message for people, and its causes.

use std::error::Error as StdError;
use std::{fmt, io};

use cni_types::{ArgsError, DecodeError, EncodeError, ErrorCode, ErrorObject, InvalidName, VersionError};

use crate::files::Failed;

/// The result of a handler, and of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure as the runtime gets it: keys `code`, `msg` and `details` of the
/// [error object](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#error).
///
/// The code is a message to the runtime: 11 asks it to try again, 3 tells it not to clean up. So a plugin chooses the code where
/// the failure happens. `From` is implemented only for errors whose code is certain.
///
/// ```
/// use cni_skel::types::ErrorCode;
/// use cni_skel::Error;
///
/// let cause = std::io::Error::other("device or resource busy");
/// let error = Error::new(ErrorCode::TRY_AGAIN_LATER, "cannot lock the pool").with_source(cause);
/// assert_eq!(error.to_string(), "cannot lock the pool");
/// assert_eq!(error.details().as_deref(), Some("device or resource busy"));
/// ```
#[derive(Debug, thiserror::Error)]
#[error("{msg}")]
pub struct Error {
    code: ErrorCode,
    msg: String,
    details: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Creates an error. `msg` is short, in lower case, without a full stop, and names the thing that it is about.
    pub fn new(code: ErrorCode, msg: impl Into<String>) -> Self {
        Self { code, msg: msg.into(), details: None, source: None }
    }

    /// Creates an error for a failed read or write, with code 5. `msg` names the path or program.
    pub fn io(msg: impl Into<String>, cause: io::Error) -> Self {
        Self::new(ErrorCode::IO_FAILURE, msg).with_source(cause)
    }

    /// Creates an error for an invalid value in the network configuration, with code 7. `msg` names key and value.
    pub fn invalid_config(msg: impl Into<String>) -> Self {
        Self::new(ErrorCode::INVALID_NETWORK_CONFIG, msg)
    }

    /// Creates an error for a configuration key that the plugin does not support, with code 2. The message names key and value,
    /// as the specification requires.
    pub fn unsupported_field(key: &str, value: impl fmt::Display) -> Self {
        Self::new(ErrorCode::UNSUPPORTED_FIELD, format!("unsupported field {key}: {value}"))
    }

    /// Sets the cause, which becomes part of `details`.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Sets text that helps to find the cause.
    #[must_use]
    pub fn with_details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(details.into());
        self
    }

    /// Returns an error with a new message, which says what failed. The code stays, and this error becomes the cause.
    #[must_use]
    pub fn context(self, msg: impl Into<String>) -> Self {
        Self { code: self.code, msg: msg.into(), details: None, source: Some(Box::new(self)) }
    }

    /// Replaces the code. Message, details and causes stay.
    ///
    /// ```
    /// use cni_skel::Error;
    /// use cni_skel::types::ErrorCode;
    ///
    /// // STATUS reports a configuration that ADD would refuse.
    /// let error = Error::invalid_config("mtu: 1 is less than 68").with_details("RFC 791");
    /// let error = error.with_code(ErrorCode::NOT_AVAILABLE);
    /// assert_eq!((error.code(), error.msg()), (ErrorCode::NOT_AVAILABLE, "mtu: 1 is less than 68"));
    /// assert_eq!(error.details().as_deref(), Some("RFC 791"));
    /// ```
    #[must_use]
    pub fn with_code(self, code: ErrorCode) -> Self {
        Self { code, ..self }
    }

    /// Returns the code that the runtime gets.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// Returns the message that the runtime gets.
    pub fn msg(&self) -> &str {
        &self.msg
    }

    /// Returns the details that the runtime gets: those that were set, then the chain of causes, joined by `: `.
    pub fn details(&self) -> Option<String> {
        let mut parts: Vec<String> = self.details.iter().cloned().collect();
        let mut next = self.source();
        while let Some(cause) = next {
            parts.push(cause.to_string());
            if let Some(Self { details: Some(details), .. }) = cause.downcast_ref() {
                parts.push(details.clone());
            }
            next = cause.source();
        }
        // Some causes repeat the one before.
        parts.dedup();
        (!parts.is_empty()).then(|| parts.join(": "))
    }

    /// Converts the error for a request in `cni_version`.
    pub(crate) fn to_object(&self, cni_version: impl Into<String>) -> ErrorObject {
        let object = ErrorObject::new(self.code, self.msg.clone()).cni_version(cni_version);
        match self.details() {
            Some(details) => object.details(details),
            None => object,
        }
    }
}

impl From<io::Error> for Error {
    /// Uses code 5. The errors of [`files`](crate::files), [`Sysctl`](crate::Sysctl) and [`Netns`](crate::Netns) name the path.
    /// For other errors, use [`Error::io`] to name it.
    fn from(cause: io::Error) -> Self {
        match cause.downcast::<Failed>() {
            Ok(failed) => Self::io(failed.to_string(), failed.source),
            Err(cause) => Self::new(ErrorCode::IO_FAILURE, cause.to_string()),
        }
    }
}

impl From<DecodeError> for Error {
    /// Uses the code of the decoder, 6 or 7.
    fn from(cause: DecodeError) -> Self {
        Self::new(cause.code(), cause.to_string())
    }
}

impl From<EncodeError> for Error {
    /// Uses code 1: the requested version cannot express the result.
    fn from(cause: EncodeError) -> Self {
        Self::new(ErrorCode::INCOMPATIBLE_VERSION, cause.to_string())
    }
}

impl From<VersionError> for Error {
    /// Uses code 1.
    fn from(cause: VersionError) -> Self {
        let error = Self::new(ErrorCode::INCOMPATIBLE_VERSION, cause.to_string());
        match cause.details() {
            Some(details) => error.with_details(details),
            None => error,
        }
    }
}

impl From<ArgsError> for Error {
    /// Uses code 4, because `CNI_ARGS` is an environment variable.
    fn from(cause: ArgsError) -> Self {
        Self::new(ErrorCode::INVALID_ENVIRONMENT, cause.to_string())
    }
}

impl From<InvalidName> for Error {
    /// Uses code 7, because the names that a handler parses are from its configuration.
    fn from(cause: InvalidName) -> Self {
        Self::invalid_config(cause.to_string())
    }
}

impl From<ErrorObject> for Error {
    /// Uses the code, message and details of another plugin's error.
    fn from(object: ErrorObject) -> Self {
        let error = Self::new(object.code, object.msg);
        match object.details {
            Some(details) => error.with_details(details),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_keeps_the_code_and_every_message() {
        let inner = Error::io("read /a", io::Error::from_raw_os_error(13)).with_details("as nobody");
        let outer = inner.context("add the address").context("set up eth0");
        assert_eq!(outer.code(), ErrorCode::IO_FAILURE);
        assert_eq!(outer.msg(), "set up eth0");
        assert_eq!(
            outer.details().as_deref(),
            Some("add the address: read /a: as nobody: Permission denied (os error 13)")
        );
    }

    #[test]
    fn a_failed_operation_on_a_file_names_the_path_and_has_the_cause_in_its_details() {
        let error = Error::from(crate::files::read("/nonexistent/file", 1).unwrap_err());
        assert_eq!(error.code(), ErrorCode::IO_FAILURE);
        assert_eq!(error.msg(), "cannot open /nonexistent/file");
        assert_eq!(error.details().as_deref(), Some("No such file or directory (os error 2)"));
    }

    #[test]
    fn an_unsupported_field_names_key_and_value() {
        let error = Error::unsupported_field("ipMasq", true);
        assert_eq!(
            (error.code(), error.msg()),
            (ErrorCode::UNSUPPORTED_FIELD, "unsupported field ipMasq: true")
        );
    }

    #[test]
    fn a_delegates_error_keeps_its_code_message_and_details() {
        let object = ErrorObject::new(ErrorCode::new(123), "no").details("because");
        let error = Error::from(object);
        assert_eq!((error.code().get(), error.msg()), (123, "no"));
        assert_eq!(error.details().as_deref(), Some("because"));
    }
}
