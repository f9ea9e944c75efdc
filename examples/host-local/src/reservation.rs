//! The file of an address before it has its name.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use cni_skel::types::Attachment;
use cni_skel::{Error, Result, files};
use nix::fcntl::OFlag;
use nix::libc;

use crate::owner::Owner;
use crate::store::Store;

/// Who is to hold addresses, written to a file without a name for each of them. That is done before the lock is taken, for
/// it is what takes the time; killed, we leave nothing.
#[derive(Debug)]
pub(crate) struct Reservation {
    contents: Vec<u8>,
    /// Those that have no name yet; none where the file system has no such files.
    files: RefCell<Vec<File>>,
    fsync: bool,
}

impl Reservation {
    /// Writes `count` files, making the folder if it is not there. With `fsync` it waits until their contents are on the
    /// disk, so that no power cut leaves the name of an address without them. That the name is there need not be waited
    /// for: after a power cut nobody uses the address.
    ///
    /// # Errors
    /// Code 5 when they cannot be written.
    pub(crate) fn prepare(store: &Store, attachment: &Attachment, count: usize, fsync: bool) -> Result<Self> {
        let contents = Owner::contents(attachment).into_bytes();
        let reservation = Self { contents, files: RefCell::default(), fsync };
        let failed = |cause| Error::io(format!("cannot write to {}", store.dir().display()), cause);
        for _ in 0..count {
            match create(store)? {
                Err(cause) if is_unsupported(&cause) => break,
                created => {
                    let file = created.map_err(failed)?;
                    reservation.write_to(&file, store.dir()).map_err(failed)?;
                    reservation.files.borrow_mut().push(file);
                }
            }
        }
        Ok(reservation)
    }

    pub(crate) fn contents(&self) -> &[u8] {
        &self.contents
    }

    /// The next file, to be given its name.
    pub(crate) fn take_file(&self) -> Option<File> {
        self.files.borrow_mut().pop()
    }

    /// Has a file that got no name be the next again.
    pub(crate) fn put_back(&self, file: File) {
        self.files.borrow_mut().push(file);
    }

    /// As it is where the file system has no files without a name.
    #[cfg(test)]
    pub(crate) fn with_a_name(self) -> Self {
        Self { files: RefCell::default(), ..self }
    }

    /// Writes it to another file.
    pub(crate) fn write_to(&self, file: &File, path: &Path) -> io::Result<()> {
        files::write_all(file, path, &self.contents)?;
        if !self.fsync {
            return Ok(());
        }
        match files::sync_data(file, path) {
            // There is nothing to sync on such a file system.
            Err(cause) if cause.kind() == ErrorKind::InvalidInput => Ok(()),
            synced => synced,
        }
    }
}

/// Writes to a file without a name in a folder, which leaves nothing.
///
/// # Errors
/// When there is no room, say. Where the file system has no such files nothing is known.
pub(crate) fn try_to_write(dir: &Path) -> io::Result<()> {
    match create_in(dir) {
        Err(cause) if is_unsupported(&cause) => Ok(()),
        created => files::write_all(&created?, dir, b"x"),
    }
}

/// Makes a file without a name in the folder of a network, which is made if need be.
fn create(store: &Store) -> Result<io::Result<File>> {
    match create_in(store.dir()) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => {
            store.create()?;
            Ok(create_in(store.dir()))
        }
        created => Ok(created),
    }
}

fn create_in(dir: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(OFlag::O_TMPFILE.bits()).mode(0o600);
    files::create(&options, dir)
}

/// Whether a file system has no files without a name.
fn is_unsupported(cause: &io::Error) -> bool {
    matches!(cause.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR | libc::EINVAL))
}
