//! How a check ends.

use std::io;

/// How a check ended, if not well.
#[derive(Debug)]
pub(super) enum Ending {
    /// What came back instead of what was expected.
    Failed(String),
    /// Nothing came back: a call did not end, and was killed.
    Hung(String),
    /// Why it says nothing about this plugin.
    NotRun(String),
}

pub(super) type Outcome = Result<(), Ending>;

/// Ends a check because of what came back.
pub(super) fn fail<T>(found: impl Into<String>) -> Result<T, Ending> {
    Err(Ending::Failed(found.into()))
}

/// Ends a check that does not apply.
pub(super) fn not_run<T>(reason: impl Into<String>) -> Result<T, Ending> {
    Err(Ending::NotRun(reason.into()))
}

/// Ends a check because there is no answer: a plugin that does not end is at fault, and one that cannot be started, or that
/// the kernel holds back, is not. The text is of where that was.
pub(super) fn unanswered<T>(text: &str, why: &io::Error) -> Result<T, Ending> {
    let text = format!("{text}{why}");
    if why.kind() == io::ErrorKind::TimedOut { Err(Ending::Hung(text)) } else { not_run(text) }
}

/// Ends a check because of what is not as it was.
pub(super) fn unchanged(changes: &[String]) -> Outcome {
    if changes.is_empty() { Ok(()) } else { fail(changes.join("\n")) }
}
