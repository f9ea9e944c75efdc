//! Several failures of one command, reported as one error.

use crate::{Error, Result};

/// Collects the failures of a command that continues after each of them, as DEL and GC must.
///
/// ```
/// use cni_skel::types::ErrorCode;
/// use cni_skel::{Error, Errors};
///
/// let mut errors = Errors::new();
/// errors.attempt(Err::<(), _>(Error::new(ErrorCode::INTERNAL, "the link is busy")));
/// errors.attempt(Ok::<_, Error>(()));
/// errors.attempt(Err::<(), _>(Error::new(ErrorCode::IO_FAILURE, "cannot remove 10.0.0.2")));
/// let error = errors.finish().unwrap_err();
/// assert_eq!(error.msg(), "the link is busy; cannot remove 10.0.0.2");
/// ```
#[derive(Debug, Default)]
pub struct Errors(Vec<Error>);

impl Errors {
    /// Creates a collection without failures.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the value of a step that succeeded. Collects the failure of one that did not, and returns `None`.
    pub fn attempt<T, E: Into<Error>>(&mut self, step: Result<T, E>) -> Option<T> {
        step.map_err(|error| self.push(error)).ok()
    }

    /// Adds a failure.
    pub fn push(&mut self, error: impl Into<Error>) {
        self.0.push(error.into());
    }

    /// Returns whether nothing has failed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns all failures as one error.
    ///
    /// # Errors
    /// A single failure is returned unchanged. Several failures become one error with the code of the first, and all messages
    /// and all details, joined by `; `.
    pub fn finish(mut self) -> Result<()> {
        if self.0.len() <= 1 {
            return self.0.pop().map_or(Ok(()), Err);
        }
        let join = |texts: Vec<String>| texts.join("; ");
        let msg = join(self.0.iter().map(|error| error.msg().to_owned()).collect());
        let details: Vec<_> = self
            .0
            .iter()
            .filter_map(|error| error.details().map(|details| format!("{}: {details}", error.msg())))
            .collect();
        let error = Error::new(self.0[0].code(), msg);
        Err(if details.is_empty() { error } else { error.with_details(join(details)) })
    }
}

#[cfg(test)]
mod tests {
    use cni_types::ErrorCode;

    use super::*;

    #[test]
    fn no_failure_is_success() {
        assert!(Errors::new().finish().is_ok());
    }

    #[test]
    fn a_single_failure_is_reported_unchanged() {
        let mut errors = Errors::new();
        errors.push(Error::new(ErrorCode::TRY_AGAIN_LATER, "busy").with_details("why"));
        let error = errors.finish().unwrap_err();
        assert_eq!((error.code(), error.msg()), (ErrorCode::TRY_AGAIN_LATER, "busy"));
        assert_eq!(error.details().as_deref(), Some("why"));
    }

    #[test]
    fn several_failures_have_the_first_code_and_all_messages() {
        let mut errors = Errors::new();
        errors.push(Error::new(ErrorCode::IO_FAILURE, "a").with_details("x"));
        errors.push(Error::new(ErrorCode::INTERNAL, "b"));
        errors.push(Error::new(ErrorCode::INTERNAL, "c").with_details("z"));
        let error = errors.finish().unwrap_err();
        assert_eq!((error.code(), error.msg()), (ErrorCode::IO_FAILURE, "a; b; c"));
        assert_eq!(error.details().as_deref(), Some("a: x; c: z"));
    }
}
