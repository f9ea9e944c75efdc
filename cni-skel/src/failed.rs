//! A failed system call, with the path that it was about.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{fmt, io};

/// Names the path that an operating system's error leaves out; the kind stays.
pub(crate) fn failed(what: &'static str, path: &Path, source: io::Error) -> io::Error {
    io::Error::new(source.kind(), Failed { what, path: path.to_owned(), source })
}

#[derive(Debug)]
struct Failed {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}", self.what, self.path.display())
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}
