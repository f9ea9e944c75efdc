//! The file of an address before it has a name.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::path::Path;

use cni_skel::Result;
use cni_skel::files::StateFile;
use cni_skel::types::Attachment;

use crate::owner::Owner;
use crate::store::Store;

/// The mode of address files, as in the reference plugin.
const MODE: u32 = 0o600;

/// Unnamed files with the contents of an address file, one for each address to allocate. They are written before the lock is taken,
/// because writing takes the most time. If the plugin is killed, nothing is left.
#[derive(Debug)]
pub(crate) struct Reservation {
    contents: Vec<u8>,
    /// The files without a name. Empty if the file system does not support them.
    files: RefCell<Vec<StateFile>>,
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
        for _ in 0..count {
            let Some(file) = create(store)? else { break };
            reservation.write_to(&file)?;
            reservation.files.borrow_mut().push(file);
        }
        Ok(reservation)
    }

    pub(crate) fn contents(&self) -> &[u8] {
        &self.contents
    }

    /// Takes the next file, to give it a name.
    pub(crate) fn take_file(&self) -> Option<StateFile> {
        self.files.borrow_mut().pop()
    }

    /// Puts back a file that did not get a name.
    pub(crate) fn put_back(&self, file: StateFile) {
        self.files.borrow_mut().push(file);
    }

    /// As on a file system without unnamed files.
    #[cfg(test)]
    pub(crate) fn with_a_name(self) -> Self {
        Self { files: RefCell::default(), ..self }
    }

    /// Writes the contents to another file.
    pub(crate) fn write_to(&self, file: &StateFile) -> io::Result<()> {
        file.write_all(&self.contents)?;
        if self.fsync { file.sync_data() } else { Ok(()) }
    }
}

/// Writes to an unnamed file in a directory, which leaves nothing. Succeeds if the file system does not support such files.
///
/// # Errors
/// The file cannot be created or written, for example because the disk is full.
pub(crate) fn try_to_write(dir: &Path) -> io::Result<()> {
    StateFile::create_unnamed(dir, MODE)?.map_or(Ok(()), |file| file.write_all(b"x"))
}

/// Creates an unnamed file in the directory of a network, which is created if it does not exist.
fn create(store: &Store) -> Result<Option<StateFile>> {
    match StateFile::create_unnamed(store.dir(), MODE) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => {
            store.create()?;
            Ok(StateFile::create_unnamed(store.dir(), MODE)?)
        }
        created => Ok(created?),
    }
}
