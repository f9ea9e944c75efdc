//! The file of an address before it has its name.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::path::Path;

use cni_skel::Result;
use cni_skel::files::StateFile;
use cni_skel::types::Attachment;

use crate::owner::Owner;
use crate::store::Store;

/// As the reference creates them.
const MODE: u32 = 0o600;

/// Who is to hold addresses, written to a file without a name for each of them. That is done before the lock is taken, for
/// it is what takes the time; killed, we leave nothing.
#[derive(Debug)]
pub(crate) struct Reservation {
    contents: Vec<u8>,
    /// Those that have no name yet; none where the file system has no such files.
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

    /// The next file, to be given its name.
    pub(crate) fn take_file(&self) -> Option<StateFile> {
        self.files.borrow_mut().pop()
    }

    /// Has a file that got no name be the next again.
    pub(crate) fn put_back(&self, file: StateFile) {
        self.files.borrow_mut().push(file);
    }

    /// As it is where the file system has no files without a name.
    #[cfg(test)]
    pub(crate) fn with_a_name(self) -> Self {
        Self { files: RefCell::default(), ..self }
    }

    /// Writes it to another file.
    pub(crate) fn write_to(&self, file: &StateFile) -> io::Result<()> {
        file.write_all(&self.contents)?;
        if self.fsync { file.sync_data() } else { Ok(()) }
    }
}

/// Writes to a file without a name in a folder, which leaves nothing.
///
/// # Errors
/// When there is no room, say. Where the file system has no such files nothing is known.
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
