//! How a check ends.

use std::io;

/// Why a check did not pass.
#[derive(Debug)]
pub(super) enum Ending {
    /// The plugin does something else. The text says what.
    Failed(String),
    /// A call did not end, and was killed.
    Hung(String),
    /// The check does not apply, or could not run. The text says why.
    NotRun(String),
}

pub(super) type Outcome = Result<(), Ending>;

/// Ends a check with a failure.
pub(super) fn fail<T>(found: impl Into<String>) -> Result<T, Ending> {
    Err(Ending::Failed(found.into()))
}

/// Ends a check that does not apply, or cannot run.
pub(super) fn not_run<T>(reason: impl Into<String>) -> Result<T, Ending> {
    Err(Ending::NotRun(reason.into()))
}

/// Ends a check without an answer from the plugin. A plugin that does not end has failed. If it cannot be started, or
/// the kernel keeps it waiting, the check is not run. `text` says which call it was.
pub(super) fn unanswered<T>(text: &str, why: &io::Error) -> Result<T, Ending> {
    let text = format!("{text}{why}");
    if why.kind() == io::ErrorKind::TimedOut { Err(Ending::Hung(text)) } else { not_run(text) }
}

/// Ends a check with a failure if there are changes.
pub(super) fn unchanged(changes: &[String]) -> Outcome {
    if changes.is_empty() { Ok(()) } else { fail(changes.join("\n")) }
}
