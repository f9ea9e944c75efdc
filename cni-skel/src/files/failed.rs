//! A failed system call, with the path that it was about.

use std::io;
use std::path::{Path, PathBuf};

/// Adds the path to an error of the operating system. The kind stays.
pub(crate) fn failed(what: &'static str, path: &Path, source: io::Error) -> io::Error {
    io::Error::new(source.kind(), Failed { what, path: path.to_owned(), source })
}

/// The error inside an [`io::Error`] that [`failed`] made.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}", path.display())]
pub(crate) struct Failed {
    what: &'static str,
    path: PathBuf,
    pub(crate) source: io::Error,
}
