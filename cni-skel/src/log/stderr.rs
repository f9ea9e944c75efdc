//! Text for people: written to stderr at once, or kept for the reply.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// The destination of all text for people.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stderr {
    /// `None` if lines are written to the stderr of the process at once.
    kept: Option<Arc<Mutex<Vec<String>>>>,
}

impl Stderr {
    /// Writes lines to the stderr of this process.
    pub(crate) fn of_process() -> Self {
        Self { kept: None }
    }

    /// Keeps lines until [`take`](Self::take).
    pub(crate) fn kept() -> Self {
        Self { kept: Some(Arc::default()) }
    }

    /// Writes a line. A line that cannot be written is lost.
    pub(crate) fn line(&self, line: &str) {
        match &self.kept {
            // A single write keeps lines of several processes apart.
            None => drop(io::stderr().write_all(format!("{line}\n").as_bytes())),
            Some(kept) => kept.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned()),
        }
    }

    /// Returns the lines that were kept, and removes them.
    pub(crate) fn take(&self) -> Vec<String> {
        let kept = self.kept.as_ref();
        kept.map(|kept| std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner)))
            .unwrap_or_default()
    }
}
