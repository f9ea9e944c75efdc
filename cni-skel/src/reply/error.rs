//! The error of a handler: a code for the runtime, a message for people, and the causes.

use std::error::Error as StdError;
use std::{fmt, io};

use cni_types::{ArgsError, DecodeError, EncodeError, ErrorCode, ErrorObject, InvalidName, VersionError};

/// The result of a handler, or of anything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure as the runtime is told it: `code`, `msg` and `details` of the
/// [error object](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#error).
///
/// The code is a message to the runtime (11 asks it to try again, 3 tells it not to clean up), so it is chosen
/// where the failure happens and never by accident: `From` exists only where the code is certain.
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
    /// Makes an error. `msg` is short, lower case, without a full stop, and names the thing that it is about.
    pub fn new(code: ErrorCode, msg: impl Into<String>) -> Self {
        Self { code, msg: msg.into(), details: None, source: None }
    }

    /// A failed read or write, with code 5; `what` names the path or program.
    pub fn io(what: impl Into<String>, cause: io::Error) -> Self {
        Self::new(ErrorCode::IO_FAILURE, what).with_source(cause)
    }

    /// A value in the network configuration that does not do, with code 7; `msg` names key and value.
    pub fn invalid_config(msg: impl Into<String>) -> Self {
        Self::new(ErrorCode::INVALID_NETWORK_CONFIG, msg)
    }

    /// A configuration key that this plugin does not support, with code 2, naming key and value as the
    /// specification asks.
    pub fn unsupported_field(key: &str, value: impl fmt::Display) -> Self {
        Self::new(ErrorCode::UNSUPPORTED_FIELD, format!("unsupported field {key}: {value}"))
    }

    /// Adds the cause, which becomes part of `details`.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds text that helps to find the cause.
    #[must_use]
    pub fn with_details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(details.into());
        self
    }

    /// Puts what was being done in front; the code stays, and what was the message becomes the first cause.
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

    /// The code that the runtime gets.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// The message that the runtime gets.
    pub fn msg(&self) -> &str {
        &self.msg
    }

    /// The details that the runtime gets: those that were given, then the chain of causes, joined by `: `.
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
        // A cause that repeats the one before it tells nothing new.
        parts.dedup();
        (!parts.is_empty()).then(|| parts.join(": "))
    }

    /// The object of the wire, for a request in `cni_version`.
    pub(crate) fn to_object(&self, cni_version: impl Into<String>) -> ErrorObject {
        let object = ErrorObject::new(self.code, self.msg.clone()).cni_version(cni_version);
        match self.details() {
            Some(details) => object.details(details),
            None => object,
        }
    }
}

impl From<io::Error> for Error {
    /// Code 5. Name the path with [`Error::io`] where there is one.
    fn from(cause: io::Error) -> Self {
        Self::new(ErrorCode::IO_FAILURE, cause.to_string())
    }
}

impl From<DecodeError> for Error {
    /// Code 6 or 7, as the decoder found.
    fn from(cause: DecodeError) -> Self {
        Self::new(cause.code(), cause.to_string())
    }
}

impl From<EncodeError> for Error {
    /// Code 1: the version asked for has no way to say the result.
    fn from(cause: EncodeError) -> Self {
        Self::new(ErrorCode::INCOMPATIBLE_VERSION, cause.to_string())
    }
}

impl From<VersionError> for Error {
    /// Code 1.
    fn from(cause: VersionError) -> Self {
        let error = Self::new(ErrorCode::INCOMPATIBLE_VERSION, cause.to_string());
        match cause.details() {
            Some(details) => error.with_details(details),
            None => error,
        }
    }
}

impl From<ArgsError> for Error {
    /// Code 4: `CNI_ARGS` is an environment variable.
    fn from(cause: ArgsError) -> Self {
        Self::new(ErrorCode::INVALID_ENVIRONMENT, cause.to_string())
    }
}

impl From<InvalidName> for Error {
    /// Code 7: names that a handler parses come from its configuration.
    fn from(cause: InvalidName) -> Self {
        Self::invalid_config(cause.to_string())
    }
}

impl From<ErrorObject> for Error {
    /// What another plugin answered: its own code, message and details.
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
    fn an_unsupported_field_names_key_and_value() {
        let error = Error::unsupported_field("ipMasq", true);
        assert_eq!(
            (error.code(), error.msg()),
            (ErrorCode::UNSUPPORTED_FIELD, "unsupported field ipMasq: true")
        );
    }

    #[test]
    fn the_error_of_a_delegate_keeps_its_code_message_and_details() {
        let object = ErrorObject::new(ErrorCode::new(123), "no").details("because");
        let error = Error::from(object);
        assert_eq!((error.code().get(), error.msg()), (123, "no"));
        assert_eq!(error.details().as_deref(), Some("because"));
    }
}
