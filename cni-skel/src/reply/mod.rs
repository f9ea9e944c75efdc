//! The reply to a call.

mod error;
mod errors;
pub(crate) mod panic;
mod undo;

use std::io::{self, Write};
use std::sync::Arc;

use cni_types::SpecVersion;

pub use error::{Error, Result};
pub use errors::Errors;
use panic::drop_without_unwinding;
pub(crate) use undo::UndoList;

/// The reply to a call: at most one JSON document for stdout, text for stderr, and an exit code of 0 or 1.
///
/// A reply to ADD contains the steps that undo it, because a result that cannot be delivered is a failed ADD.
#[derive(Debug)]
#[must_use = "a reply does nothing until it is delivered"]
pub struct Reply {
    document: Option<String>,
    stderr: Vec<String>,
    success: bool,
    undo: Arc<UndoList>,
}

impl Reply {
    pub(crate) fn new(document: Option<String>, success: bool) -> Self {
        Self { document, stderr: Vec::new(), success, undo: Arc::default() }
    }

    /// The reply to a call whose input could not be read.
    pub(crate) fn failed(error: &Error) -> Self {
        Self::new(Some(error.to_object(SpecVersion::NEWEST.as_str()).encode()), false)
    }

    pub(crate) fn with_stderr(mut self, lines: Vec<String>) -> Self {
        self.stderr = lines;
        self
    }

    pub(crate) fn with_undo(mut self, undo: Arc<UndoList>) -> Self {
        self.undo = undo;
        self
    }

    /// Returns the document for stdout, if there is one.
    pub fn stdout(&self) -> Option<&str> {
        self.document.as_deref()
    }

    /// Returns the lines for stderr. It is empty if they were written [at once](crate::Invocation::log_to_stderr).
    pub fn stderr(&self) -> &[String] {
        &self.stderr
    }

    /// Returns the exit code, 0 or 1.
    pub fn exit_code(&self) -> u8 {
        u8::from(!self.success)
    }

    /// Writes the document and returns the exit code.
    ///
    /// # Errors
    /// The document could not be written completely. An ADD has been undone. The exit code must then be 1.
    pub fn deliver(self, stdout: &mut impl Write) -> Result<u8, Undelivered> {
        let document = self.document.as_deref().unwrap_or_default().as_bytes();
        if document.is_empty() {
            return Ok(self.exit_code());
        }
        match stdout.write_all(document).and_then(|()| stdout.flush()) {
            Ok(()) => {
                let code = self.exit_code();
                // This drops the steps that undo the ADD, and the author's values in them.
                drop_without_unwinding(self);
                Ok(code)
            }
            Err(cause) => Err(Undelivered { cause, undone: self.undo.run() }),
        }
    }
}

/// A document that could not be written. If it was the result of an ADD, the ADD has been undone.
#[derive(Debug, thiserror::Error)]
#[error("failed to write to stdout")]
#[non_exhaustive]
pub struct Undelivered {
    /// Why it could not be written.
    #[source]
    pub cause: io::Error,
    /// What could not be undone, if anything.
    pub undone: Result<()>,
}
