//! A system without namespaces: everything that needs one is an error.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Returns an error.
///
/// # Errors
/// Always.
pub fn enter() -> io::Result<()> {
    unsupported()
}

/// Returns an error.
///
/// # Errors
/// Always.
pub fn enter_in_thread() -> io::Result<()> {
    unsupported()
}

/// Returns an error.
///
/// # Errors
/// Always.
pub fn cover(_: &BTreeSet<PathBuf>) -> io::Result<()> {
    unsupported()
}

pub(crate) fn new_netns() -> io::Result<File> {
    unsupported()
}

pub(crate) fn make_read_only(_: &Path) -> io::Result<()> {
    unsupported()
}

pub(crate) fn make_undeletable(_: &Path) -> io::Result<()> {
    unsupported()
}

fn unsupported<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "only Linux has network namespaces"))
}
