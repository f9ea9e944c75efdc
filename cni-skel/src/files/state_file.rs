//! One file of a plugin's state, open.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime};

use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::libc;
use nix::unistd::linkat;

use super::{change, look};

/// Opens a file without a name.
#[cfg(target_os = "linux")]
const UNNAMED: OFlag = OFlag::O_TMPFILE;
/// Other systems have no such files. A directory cannot be opened for writing, which is what this comes to.
#[cfg(not(target_os = "linux"))]
const UNNAMED: OFlag = OFlag::O_DIRECTORY;

/// An open file of a plugin's state, and the path that it was opened by.
///
/// No constructor follows a symbolic link in the last component of the path or blocks on a FIFO. Each error names the path,
/// and has the [`ErrorKind`] of the operating system's error. The file is closed when the value is dropped.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// use std::time::Duration;
///
/// use cni_skel::files::{self, StateFile};
///
/// let _lock = StateFile::lock(folder.join("lock"), 0o600, Duration::from_secs(20))?;
/// files::replace(folder.join("c1-eth0"), 0o600, |file| file.write_all(b"100mbit"))?;
/// assert_eq!(files::read(folder.join("c1-eth0"), 4096)?, b"100mbit");
/// files::remove_file(folder.join("c1-eth0"))?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct StateFile {
    file: File,
    path: PathBuf,
}

impl StateFile {
    /// Opens an existing file for reading.
    ///
    /// # Errors
    /// As [`OpenOptions::open`].
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        Self::open_with(path.into(), OpenOptions::new().read(true))
    }

    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    /// As [`OpenOptions::open`].
    pub fn open_to_change(path: impl Into<PathBuf>) -> io::Result<Self> {
        Self::open_with(path.into(), OpenOptions::new().read(true).write(true))
    }

    /// Opens an existing directory, for its metadata. A symbolic link to a directory is followed.
    ///
    /// # Errors
    /// As [`OpenOptions::open`].
    pub fn open_dir(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(OFlag::O_DIRECTORY.bits());
        let file = look("open", &path, || options.open(&path))?;
        Ok(Self { file, path })
    }

    /// Opens a file for writing, and creates it with this mode if it does not exist. Its contents stay.
    ///
    /// # Errors
    /// As [`OpenOptions::open`].
    pub fn create(path: impl Into<PathBuf>, mode: u32) -> io::Result<Self> {
        Self::create_with(path.into(), OpenOptions::new().write(true).create(true).mode(mode))
    }

    /// Creates a file with this mode and opens it for writing.
    ///
    /// # Errors
    /// As [`OpenOptions::open`]; `AlreadyExists` if the path exists.
    pub fn create_new(path: impl Into<PathBuf>, mode: u32) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        Self::create_with(path.into(), options.write(true).create_new(true).mode(mode))
    }

    /// Creates a file without a name in a directory and opens it for writing. [`link`](Self::link) gives it a name; without
    /// one it vanishes when it is closed. Returns `None` if the file system does not support such files.
    ///
    /// # Errors
    /// As [`OpenOptions::open`].
    pub fn create_unnamed(dir: impl Into<PathBuf>, mode: u32) -> io::Result<Option<Self>> {
        let path = dir.into();
        let mut options = OpenOptions::new();
        options.write(true).mode(mode).custom_flags(UNNAMED.bits());
        let file = change("create a file in", &path, || match options.open(&path) {
            Err(cause)
                if matches!(cause.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR | libc::EINVAL)) =>
            {
                Ok(None)
            }
            opened => opened.map(Some),
        })?;
        Ok(file.map(|file| Self { file, path }))
    }

    /// Opens a lock file, creates it with this mode if it does not exist, and takes the exclusive flock(2) lock on it. The
    /// lock is held until the value is dropped.
    ///
    /// A lock file must never be removed: a process that waits for it would then hold a lock that no other process sees.
    ///
    /// # Errors
    /// As [`OpenOptions::open`]; `TimedOut` if other processes held the lock for as long as `timeout`.
    pub fn lock(path: impl Into<PathBuf>, mode: u32, timeout: Duration) -> io::Result<Self> {
        let path = path.into();
        let mut options = OpenOptions::new();
        // Read access is enough for flock(2), and works on a read-only file system.
        options.read(true).mode(mode);
        options.custom_flags((OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits());
        let file = change("lock", &path, || options.open(&path))?;
        look("lock", &path, || lock_file(&file, timeout))?;
        Ok(Self { file, path })
    }

    /// Returns the path that the file was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the metadata of the file.
    ///
    /// # Errors
    /// As [`File::metadata`].
    pub fn metadata(&self) -> io::Result<Metadata> {
        look("read the metadata of", &self.path, || self.file.metadata())
    }

    /// Reads from the current position to the end of the file, and at most `limit` bytes.
    ///
    /// # Errors
    /// As [`Read::read_to_end`].
    pub fn read_all(&self, limit: u64) -> io::Result<Vec<u8>> {
        let mut file = &self.file;
        look("read", &self.path, || {
            // A small file takes one system call: a short read ends at the end of the file.
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

    /// Fills the buffer with the bytes at `offset`.
    ///
    /// # Errors
    /// As [`FileExt::read_exact_at`]; `UnexpectedEof` if the file ends before.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        look("read", &self.path, || self.file.read_exact_at(buffer, offset))
    }

    /// Writes all of `contents` at the current position.
    ///
    /// # Errors
    /// As [`Write::write_all`].
    pub fn write_all(&self, contents: &[u8]) -> io::Result<()> {
        change("write", &self.path, || (&self.file).write_all(contents))
    }

    /// Writes all of `contents` at `offset`.
    ///
    /// # Errors
    /// As [`FileExt::write_all_at`].
    pub fn write_at(&self, contents: &[u8], offset: u64) -> io::Result<()> {
        change("write", &self.path, || self.file.write_all_at(contents, offset))
    }

    /// Truncates or extends the file to `length` bytes.
    ///
    /// # Errors
    /// As [`File::set_len`].
    pub fn set_len(&self, length: u64) -> io::Result<()> {
        change("truncate", &self.path, || self.file.set_len(length))
    }

    /// Waits until the contents of the file are on the disk. Does nothing on a file system that has none.
    ///
    /// # Errors
    /// As [`File::sync_data`].
    pub fn sync_data(&self) -> io::Result<()> {
        change("sync", &self.path, || match self.file.sync_data() {
            Err(cause) if cause.kind() == ErrorKind::InvalidInput => Ok(()),
            synced => synced,
        })
    }

    /// Sets the modification time of the file or directory.
    ///
    /// # Errors
    /// As [`File::set_modified`].
    pub fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        change("set the modification time of", &self.path, || self.file.set_modified(time))
    }

    /// Gives the file this name as well. Works for a file from [`create_unnamed`](Self::create_unnamed).
    ///
    /// # Errors
    /// As [`std::fs::hard_link`]; `NotFound` also if `/proc` is not mounted.
    pub fn link(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        change("create", path, || {
            let original = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            Ok(linkat(AT_FDCWD, original.as_str(), AT_FDCWD, path, AtFlags::AT_SYMLINK_FOLLOW)?)
        })
    }

    fn open_with(path: PathBuf, options: &mut OpenOptions) -> io::Result<Self> {
        options.custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits());
        let file = look("open", &path, || options.open(&path))?;
        Ok(Self { file, path })
    }

    fn create_with(path: PathBuf, options: &mut OpenOptions) -> io::Result<Self> {
        options.custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits());
        let file = change("create", &path, || options.open(&path))?;
        Ok(Self { file, path })
    }
}

/// Takes the exclusive flock(2) lock on an open file, and fails with `TimedOut` if others hold it for as long as `timeout`.
pub(crate) fn lock_file(file: &File, timeout: Duration) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => wait_for_lock(file.try_clone()?, timeout),
        Err(TryLockError::Error(cause)) => Err(cause),
    }
}

/// Waits in the kernel's queue for the lock. Polling would starve beside processes that wait there.
///
/// The wait has a thread of its own, because flock(2) has no timeout. After the timeout the caller drops its descriptor; if
/// the thread gets the lock later, it drops the last one, which releases the lock.
fn wait_for_lock(file: File, timeout: Duration) -> io::Result<()> {
    let (send, receive) = mpsc::channel();
    thread::Builder::new().name("lock".to_owned()).spawn(move || {
        let locked = loop {
            match file.lock() {
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                locked => break locked,
            }
        };
        // Fails if the caller has stopped waiting.
        let _ = send.send(locked);
    })?;
    match receive.recv_timeout(timeout) {
        Ok(locked) => locked,
        Err(mpsc::RecvTimeoutError::Timeout) => Err(io::Error::new(
            ErrorKind::TimedOut,
            format!("another process has held the lock for {timeout:?}"),
        )),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(io::Error::other("the waiting thread ended")),
    }
}
