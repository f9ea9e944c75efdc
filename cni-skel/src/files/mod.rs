//! Files of a plugin's state: read, lock, replace, remove.
//!
//! [`StateFile`] is an open file. The functions take paths, and do what their namesakes in [`std::fs`] do. Every operation can
//! be made to fail by a test (`cni_testing::faults`), and every error names the path.

mod failed;
mod state_file;

use std::fs::{self, DirBuilder, DirEntry};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

pub(crate) use failed::{Failed, failed};
pub use state_file::StateFile;
#[cfg(feature = "nft")]
pub(crate) use state_file::lock_file;

use crate::seam::{Operation, World};

/// Reads a file, and at most `limit` bytes of it.
///
/// # Errors
/// As [`StateFile::open`] and [`StateFile::read_all`].
pub fn read(path: impl Into<PathBuf>, limit: u64) -> io::Result<Vec<u8>> {
    StateFile::open(path)?.read_all(limit)
}

/// Replaces a file atomically: readers find the old contents or the new ones, even if the plugin is killed.
///
/// `write` gets a new file with this mode, at [`replacement_path`], which is then renamed. Hold a [lock](StateFile::lock) if
/// several processes may replace the same file. After a power cut the file may be empty unless `write` ends with
/// [`StateFile::sync_data`].
///
/// # Errors
/// The first operation that failed. The file is then as before.
pub fn replace(
    path: impl AsRef<Path>,
    mode: u32,
    write: impl FnOnce(&StateFile) -> io::Result<()>,
) -> io::Result<()> {
    let path = path.as_ref();
    let new = replacement_path(path);
    // A killed process may have left one.
    remove_file(&new)?;
    let file = StateFile::create_new(&new, mode)?;
    write(&file).and_then(|()| rename(&new, path)).inspect_err(|_| {
        // The first error is the one to report.
        let _ = remove_file(&new);
    })
}

/// Returns the path at which [`replace`] writes the new contents: `path` with `.new` appended.
pub fn replacement_path(path: impl AsRef<Path>) -> PathBuf {
    let mut name = path.as_ref().to_owned().into_os_string();
    name.push(".new");
    PathBuf::from(name)
}

/// Lists a directory.
///
/// # Errors
/// As [`fs::read_dir`].
pub fn read_dir(path: impl AsRef<Path>) -> io::Result<Vec<DirEntry>> {
    let path = path.as_ref();
    look("read", path, || fs::read_dir(path)?.collect())
}

/// Creates a directory with this mode, and its missing parents.
///
/// # Errors
/// As [`fs::create_dir_all`].
pub fn create_dir_all(path: impl AsRef<Path>, mode: u32) -> io::Result<()> {
    let path = path.as_ref();
    change("create", path, || DirBuilder::new().recursive(true).mode(mode).create(path))
}

/// Gives a file a second name.
///
/// # Errors
/// As [`fs::hard_link`].
pub fn hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let link = link.as_ref();
    change("create", link, || fs::hard_link(original, link))
}

/// Renames a file, and replaces the file at the new path.
///
/// # Errors
/// As [`fs::rename`].
pub fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    let to = to.as_ref();
    change("replace", to, || fs::rename(from, to))
}

/// Removes a file. It is not an error if the file does not exist.
///
/// # Errors
/// As [`fs::remove_file`], except `NotFound`.
pub fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    change("remove", path, || match fs::remove_file(path) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    })
}

fn look<T>(verb: &'static str, path: &Path, step: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let carried_out = World::current().carry_out(&Operation::ReadFile(verb, path), step);
    carried_out.map_err(|cause| failed(verb, path, cause))
}

fn change<T>(verb: &'static str, path: &Path, step: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let carried_out = World::current().carry_out(&Operation::WriteFile(verb, path), step);
    carried_out.map_err(|cause| failed(verb, path, cause))
}

#[cfg(test)]
mod tests;
