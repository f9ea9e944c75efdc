//! Text for people: on stderr at once, or kept for the reply that a test looks at.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// Where text for people goes. All of it goes through here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stderr {
    /// None where lines go to the stderr of the process at once.
    kept: Option<Arc<Mutex<Vec<String>>>>,
}

impl Stderr {
    /// The stderr of this process.
    pub(crate) fn of_process() -> Self {
        Self { kept: None }
    }

    /// Lines that are kept until [`take`](Self::take).
    pub(crate) fn kept() -> Self {
        Self { kept: Some(Arc::default()) }
    }

    /// Writes a line. A line that cannot be written is lost: there is no other place for it.
    pub(crate) fn line(&self, line: &str) {
        match &self.kept {
            // One write, so that lines of several processes do not mix.
            None => drop(io::stderr().write_all(format!("{line}\n").as_bytes())),
            Some(kept) => kept.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned()),
        }
    }

    /// Takes the lines that were kept.
    pub(crate) fn take(&self) -> Vec<String> {
        let kept = self.kept.as_ref();
        kept.map(|kept| std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner)))
            .unwrap_or_default()
    }
}
