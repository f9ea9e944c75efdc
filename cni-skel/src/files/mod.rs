//! Files of a plugin's state.
//!
//! Each function does what its namesake in `std::fs` does. Going through here lets a test make it fail, and so hold that
//! a full disk leaves nothing behind.

mod failed;

use std::fs::{self, DirBuilder, File, OpenOptions, ReadDir};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::Path;
use std::time::SystemTime;

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::linkat;

pub(crate) use failed::failed;

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

/// Fills the buffer from this place of a file that is open at this path.
///
/// # Errors
/// As [`FileExt::read_exact_at`]; a file that ends before is an error.
pub fn read_at(file: &File, path: impl AsRef<Path>, into: &mut [u8], offset: u64) -> io::Result<()> {
    look("read", path.as_ref(), || file.read_exact_at(into, offset))
}

/// Writes all of it to this place of a file that is open at this path.
///
/// # Errors
/// As [`FileExt::write_all_at`].
pub fn write_at(file: &File, path: impl AsRef<Path>, contents: &[u8], offset: u64) -> io::Result<()> {
    change("write", path.as_ref(), || file.write_all_at(contents, offset))
}

/// Waits until the contents of a file that is open at this path would outlast a power cut.
///
/// # Errors
/// As [`File::sync_data`].
pub fn sync_data(file: &File, path: impl AsRef<Path>) -> io::Result<()> {
    change("write out", path.as_ref(), || file.sync_data())
}

/// Cuts a file that is open at this path to this length.
///
/// # Errors
/// As [`File::set_len`].
pub fn set_len(file: &File, path: impl AsRef<Path>, length: u64) -> io::Result<()> {
    change("cut", path.as_ref(), || file.set_len(length))
}

/// Sets when a file or folder that is open at this path was changed last.
///
/// # Errors
/// As [`File::set_modified`].
pub fn set_modified(file: &File, path: impl AsRef<Path>, time: SystemTime) -> io::Result<()> {
    change("date", path.as_ref(), || file.set_modified(time))
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

/// Gives an open file a name. It may be one without, made with `O_TMPFILE`.
///
/// # Errors
/// As [`fs::hard_link`]; `NotFound` also where there is no procfs, through which the file is found.
pub fn link_open(file: &File, link: impl AsRef<Path>) -> io::Result<()> {
    let link = link.as_ref();
    change("link", link, || {
        let original = format!("/proc/self/fd/{}", file.as_raw_fd());
        Ok(linkat(AT_FDCWD, original.as_str(), AT_FDCWD, link, AtFlags::AT_SYMLINK_FOLLOW)?)
    })
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::OpenOptionsExt;

    use nix::fcntl::OFlag;

    use super::*;

    #[test]
    fn a_file_without_a_name_gets_one_with_its_contents() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = OpenOptions::new();
        options.write(true).custom_flags(OFlag::O_TMPFILE.bits()).mode(0o600);
        let file = create(&options, folder.path()).unwrap();
        write_all(&file, folder.path(), b"contents").unwrap();
        assert_eq!(read_dir(folder.path()).unwrap().count(), 0);
        let name = folder.path().join("name");
        link_open(&file, &name).unwrap();
        assert_eq!(fs::read(&name).unwrap(), b"contents");
        assert_eq!(link_open(&file, &name).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn places_of_a_file_are_read_and_written_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let file = create(OpenOptions::new().read(true).write(true).create_new(true), &path).unwrap();
        write_at(&file, &path, b"abc", 4).unwrap();
        let mut read = [0xff; 3];
        read_at(&file, &path, &mut read, 3).unwrap();
        assert_eq!(&read, b"\0ab");
        assert_eq!(read_at(&file, &path, &mut read, 5).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        set_len(&file, &path, 2).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 2);
        set_modified(&file, &path, SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(file.metadata().unwrap().modified().unwrap(), SystemTime::UNIX_EPOCH);
    }
}
