//! Files of a plugin's state.
//!
//! Each function does what its namesake in `std::fs` does. Going through here lets a test make it fail, and so hold that
//! a full disk leaves nothing behind.

use std::fs::{self, DirBuilder, File, OpenOptions, ReadDir};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use crate::seam::{Operation, World};

/// Opens a file that is there.
///
/// # Errors
/// As [`OpenOptions::open`].
pub fn open(options: &OpenOptions, path: impl AsRef<Path>) -> io::Result<File> {
    let path = path.as_ref();
    look("open", path, || options.open(path))
}

/// Opens a file that may have to be made.
///
/// # Errors
/// As [`OpenOptions::open`].
pub fn create(options: &OpenOptions, path: impl AsRef<Path>) -> io::Result<File> {
    let path = path.as_ref();
    change("create", path, || options.open(path))
}

/// Writes all of it to a file that is open at this path.
///
/// # Errors
/// As [`Write::write_all`].
pub fn write_all(mut file: &File, path: impl AsRef<Path>, contents: &[u8]) -> io::Result<()> {
    change("write", path.as_ref(), || file.write_all(contents))
}

/// Reads at most `limit` bytes of a file that is open at this path.
///
/// # Errors
/// As [`Read::read_to_end`].
pub fn read_all(mut file: &File, path: impl AsRef<Path>, limit: u64) -> io::Result<Vec<u8>> {
    look("read", path.as_ref(), || {
        // A small file takes one read: a short one means that the end was reached.
        let mut contents = vec![0; usize::try_from(limit.min(512)).unwrap_or(512)];
        let length = file.read(&mut contents)?;
        let is_all = length < contents.len();
        contents.truncate(length);
        if !is_all {
            file.take(limit - length as u64).read_to_end(&mut contents)?;
        }
        Ok(contents)
    })
}

/// Locks a file that is open at this path, if nobody else has: whether it did.
///
/// # Errors
/// As [`File::try_lock`], but that somebody else has it is none.
pub fn try_lock(file: &File, path: impl AsRef<Path>) -> io::Result<bool> {
    look("lock", path.as_ref(), || match file.try_lock() {
        Ok(()) => Ok(true),
        Err(fs::TryLockError::WouldBlock) => Ok(false),
        Err(fs::TryLockError::Error(cause)) => Err(cause),
    })
}

/// Lists a folder.
///
/// # Errors
/// As [`fs::read_dir`].
pub fn read_dir(path: impl AsRef<Path>) -> io::Result<ReadDir> {
    let path = path.as_ref();
    look("list", path, || fs::read_dir(path))
}

/// Makes a folder with this mode, and those above it.
///
/// # Errors
/// As [`fs::create_dir_all`].
pub fn create_dir_all(path: impl AsRef<Path>, mode: u32) -> io::Result<()> {
    let path = path.as_ref();
    change("create", path, || DirBuilder::new().recursive(true).mode(mode).create(path))
}

/// Gives a file another name as well.
///
/// # Errors
/// As [`fs::hard_link`].
pub fn hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let link = link.as_ref();
    change("link", link, || fs::hard_link(original, link))
}

/// Gives a file another name, and takes away what had it.
///
/// # Errors
/// As [`fs::rename`].
pub fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    let to = to.as_ref();
    change("rename to", to, || fs::rename(from, to))
}

/// Removes a file.
///
/// # Errors
/// As [`fs::remove_file`].
pub fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    change("remove", path, || fs::remove_file(path))
}

fn look<T>(verb: &'static str, path: &Path, step: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    World::current().carry_out(&Operation::ReadFile(verb, path), step)
}

fn change<T>(verb: &'static str, path: &Path, step: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    World::current().carry_out(&Operation::WriteFile(verb, path), step)
}
