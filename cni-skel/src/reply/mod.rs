//! What a call answers.

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

/// The answer to a call: at most one JSON document for stdout, text for stderr, and an exit code of 0 or 1.
///
/// A reply to ADD still knows how to undo it, because a result that nobody could read is a failed ADD.
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

    /// The answer to a call whose input could not even be read.
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

    /// The document for stdout, if there is one.
    pub fn stdout(&self) -> Option<&str> {
        self.document.as_deref()
    }

    /// The lines for stderr, unless they were written there [at once](crate::Invocation::log_to_stderr).
    pub fn stderr(&self) -> &[String] {
        &self.stderr
    }

    /// The exit code, 0 or 1.
    pub fn exit_code(&self) -> u8 {
        u8::from(!self.success)
    }

    /// Writes the document, and undoes the ADD if it cannot be written.
    ///
    /// # Errors
    /// When it cannot be written whole. The exit code must not be 0 then.
    pub fn deliver(self, stdout: &mut impl Write) -> Result<u8, Undelivered> {
        let document = self.document.as_deref().unwrap_or_default().as_bytes();
        if document.is_empty() {
            return Ok(self.exit_code());
        }
        match stdout.write_all(document).and_then(|()| stdout.flush()) {
            Ok(()) => {
                let code = self.exit_code();
                // With it go the unused steps of the undo list, and the values in them.
                drop_without_unwinding(self);
                Ok(code)
            }
            Err(cause) => Err(Undelivered { cause, undone: self.undo.run() }),
        }
    }
}

/// A document that could not be written; if it was the result of an ADD, that has been undone.
#[derive(Debug, thiserror::Error)]
#[error("failed to write to stdout")]
#[non_exhaustive]
pub struct Undelivered {
    /// Why it could not be written.
    #[source]
    pub cause: io::Error,
    /// How undoing went.
    pub undone: Result<()>,
}
