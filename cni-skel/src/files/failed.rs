//! A failed system call, with the path that it was about.

use std::io;
use std::path::{Path, PathBuf};

/// Names the path that an operating system's error leaves out; the kind stays.
pub(crate) fn failed(what: &'static str, path: &Path, source: io::Error) -> io::Error {
    io::Error::new(source.kind(), Failed { what, path: path.to_owned(), source })
}

#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}", path.display())]
struct Failed {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}
