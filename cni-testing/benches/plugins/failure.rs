//! The reason why something could not be measured.

use std::fmt;

/// A message that names what failed, with its causes.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

impl Failure {
    /// For `map_err`: puts a message in front of the cause.
    pub(crate) fn from<E: fmt::Display>(what: impl fmt::Display) -> impl FnOnce(E) -> Self {
        move |cause| Self(format!("{what}: {cause}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
