//! The state of one network, to change while this process holds the lock.

use std::cell::RefCell;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::thread;

use cni_skel::files::{self, StateFile};
use cni_skel::types::{Attachment, ErrorCode};
use cni_skel::{Error, Errors, Result};

use crate::address::Family;
use crate::index::{self, Index};
use crate::known::{Known, Scan};
use crate::owner::Owner;
use crate::reservation::Reservation;
use crate::store::{Entries, Store, UNFINISHED, read};

/// With fewer addresses, reading the directory is as fast as an index.
pub(crate) const INDEX_FROM: usize = 64;

/// The directory of one network, while this process holds the lock.
#[derive(Debug)]
pub(crate) struct Locked {
    store: Store,
    /// Filled when it is needed.
    known: RefCell<Option<Known>>,
    /// Unlocks when it is dropped.
    _lock: StateFile,
}

/// The addresses that one attachment holds.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) own: Vec<IpAddr>,
    /// The addresses that an old version allocated for the container, without an interface.
    pub(crate) legacy: Vec<IpAddr>,
    /// Why other files could not be read.
    pub(crate) errors: Vec<Error>,
}

impl Store {
    /// Takes the lock, and creates the directory if it does not exist.
    pub(crate) fn lock_or_create(&self) -> Result<Locked> {
        if let Some(locked) = self.lock()? {
            return Ok(locked);
        }
        self.create()?;
        let vanished = || {
            Error::new(
                ErrorCode::IO_FAILURE,
                format!("{} was removed while the lock was taken", self.dir().display()),
            )
        };
        self.lock()?.ok_or_else(vanished)
    }

    /// Takes the lock. Returns `None` if the directory does not exist.
    pub(crate) fn lock(&self) -> Result<Option<Locked>> {
        let (path, patience) = (self.dir().join("lock"), self.patience);
        match StateFile::lock(&path, 0o750, patience) {
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
            Err(cause) if cause.kind() == ErrorKind::TimedOut => Err(Error::new(
                ErrorCode::TRY_AGAIN_LATER,
                format!("another process has held the lock {} for {patience:?}", path.display()),
            )),
            lock => Ok(Some(Locked::new(self.clone(), lock?))),
        }
    }
}

impl Locked {
    fn new(store: Store, lock: StateFile) -> Self {
        Self { store, known: RefCell::new(None), _lock: lock }
    }

    /// Reads all address files, and makes a new index. Failures go to `errors`.
    pub(crate) fn rescan(&self, errors: &mut Errors) -> Result<Vec<(IpAddr, Owner)>> {
        let mut scan = self.sweep()?;
        let holdings = scan.holdings.clone();
        let unreadable = std::mem::take(&mut scan.errors);
        // The index would lack the owner of a file that cannot be read.
        *self.known.borrow_mut() =
            Some(if unreadable.is_empty() { self.indexed(scan) } else { Known::Scan(scan) });
        unreadable.into_iter().for_each(|error| errors.push(error));
        Ok(holdings)
    }

    /// The addresses that the attachment holds.
    pub(crate) fn held_by(&self, attachment: &Attachment) -> Result<Held> {
        self.know()?;
        if let Some(Known::Index(index)) = &mut *self.known.borrow_mut()
            && let Some(held) = self.held_by_index(index, attachment)
        {
            return Ok(held);
        }
        self.know_by_reading()?;
        let mut held = Held::default();
        if let Some(Known::Scan(scan)) = &mut *self.known.borrow_mut() {
            held.errors = std::mem::take(&mut scan.errors);
            for (address, owner) in &scan.holdings {
                if owner.is(attachment) {
                    held.own.push(*address);
                } else if owner.is_legacy(attachment) {
                    held.legacy.push(*address);
                }
            }
        }
        Ok(held)
    }

    /// Finds the first free address of a family with a number from `first` to `last`.
    pub(crate) fn next_free(&self, family: Family, first: u128, last: u128) -> Result<Option<u128>> {
        self.know()?;
        if let Some(Known::Index(index)) = &mut *self.known.borrow_mut()
            && let Ok(found) = index.next_free(family, first, last)
        {
            return Ok(found);
        }
        self.know_by_reading()?;
        let known = self.known.borrow();
        let Some(Known::Scan(scan)) = &*known else { return Ok(None) };
        Ok(scan.next_free(family, first, last))
    }

    /// Allocates an address. Returns false if it is in use.
    pub(crate) fn reserve(&self, address: IpAddr, reservation: &Reservation) -> Result<bool> {
        let path = self.path_of(address);
        let mut linked = self.link(&path, reservation)?;
        if matches!(&linked, Err(cause) if cause.kind() == ErrorKind::AlreadyExists)
            && self.owner(address).is_ok_and(|owner| owner.is_some_and(|owner| owner.is_nobody()))
        {
            files::remove_file(&path)?;
            linked = self.link(&path, reservation)?;
        }
        match linked {
            Ok(()) => {
                self.note(|index| index.add(address, Some(reservation.contents())), |scan| scan.add(address));
                Ok(true)
            }
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(cause) => Err(cause.into()),
        }
    }

    /// Removes the file of an address, whose owner is known.
    pub(crate) fn release(&self, address: IpAddr, owner: &[u8]) -> Result<()> {
        // An index without this change would be out of date.
        if self.known.borrow().is_none()
            && let Ok(index) = Index::open(&self.index_path(), self.dir(), true)
        {
            *self.known.borrow_mut() = Some(Known::Index(index));
        }
        files::remove_file(self.path_of(address))?;
        self.note(|index| index.remove(address, owner), |scan| scan.remove(address));
        Ok(())
    }

    /// Stops using an index that is wrong, and reads the directory instead.
    pub(crate) fn distrust(&self) -> Result<()> {
        match &*self.known.borrow() {
            Some(Known::Index(_)) => {}
            _ => return Ok(()),
        }
        self.know_by_reading()
    }

    /// Returns whether the number of addresses in the index differs from that in the folder. It does if a process that does
    /// not take the lock removed a file while the index was open.
    pub(crate) fn is_index_outdated(&self) -> Result<bool> {
        match &*self.known.borrow() {
            Some(Known::Index(index)) => {
                let Entries { files, others, .. } = self.entries()?;
                Ok(index.len() != (files.len() + others.len()) as u64)
            }
            _ => Ok(false),
        }
    }

    /// Returns the contents of `last_reserved_ip.<set>`, or `None` if the file does not exist or cannot be read. Only the order
    /// of allocation depends on it.
    pub(crate) fn last_reserved(&self, set: usize) -> Option<Vec<u8>> {
        read(&self.last_reserved_path(set)).ok()
    }

    /// Writes `last_reserved_ip.<set>`, or removes it. The file is written in place: if a crash damages it, only the order of
    /// allocation changes.
    ///
    /// # Errors
    /// Code 5. The file then has its contents from `before`.
    pub(crate) fn set_last_reserved(
        &self,
        set: usize,
        contents: Option<&[u8]>,
        before: Option<&[u8]>,
    ) -> Result<()> {
        let path = self.last_reserved_path(set);
        let Some(contents) = contents else { return Ok(files::remove_file(&path)?) };
        Ok(write_in_place(&path, contents).inspect_err(|_| {
            // The first error is the one to report.
            let _ = before.map_or_else(|| files::remove_file(&path), |before| write_in_place(&path, before));
        })?)
    }

    fn last_reserved_path(&self, set: usize) -> PathBuf {
        self.dir().join(format!("last_reserved_ip.{set}"))
    }

    /// Gives the file of a reservation the name of an address.
    fn link(&self, path: &Path, reservation: &Reservation) -> Result<io::Result<()>> {
        if let Some(file) = reservation.take_file() {
            match file.link(path) {
                // Without procfs, or if the directory was removed. The second way below reports the latter.
                Err(cause) if cause.kind() == ErrorKind::NotFound => {}
                linked => {
                    if linked.is_err() {
                        reservation.put_back(file);
                    }
                    return Ok(linked);
                }
            }
        }
        let unfinished = self.dir().join(UNFINISHED);
        files::remove_file(&unfinished)?;
        let file = StateFile::create_new(&unfinished, 0o600)?;
        let linked = reservation.write_to(&file).map(|()| files::hard_link(&unfinished, path));
        // If this fails, a later call removes it.
        let _ = files::remove_file(&unfinished);
        Ok(linked?)
    }

    /// Finds out which addresses are in use, in the fastest way.
    fn know(&self) -> Result<()> {
        if self.known.borrow().is_some() {
            return Ok(());
        }
        let known = match Index::open(&self.index_path(), self.dir(), true) {
            Ok(index) => Known::Index(index),
            Err(_) => {
                let scan = self.sweep()?;
                if scan.errors.is_empty() { self.indexed(scan) } else { Known::Scan(scan) }
            }
        };
        *self.known.borrow_mut() = Some(known);
        Ok(())
    }

    /// Finds out which addresses are in use by reading the directory.
    fn know_by_reading(&self) -> Result<()> {
        if matches!(&*self.known.borrow(), Some(Known::Scan(_))) {
            return Ok(());
        }
        let scan = self.sweep()?;
        *self.known.borrow_mut() = Some(Known::Scan(scan));
        Ok(())
    }

    /// Reads the directory, and removes an outdated index and files that a crash left.
    fn sweep(&self) -> Result<Scan> {
        self.throw_index_away();
        let scan = self.scan()?;
        if scan.unfinished {
            // A failure is reported where the name is needed.
            let _ = files::remove_file(self.dir().join(UNFINISHED));
        }
        for address in &scan.emptied {
            // A failure is reported when the address is allocated.
            let _ = files::remove_file(self.path_of(*address));
        }
        Ok(scan)
    }

    /// Makes an index of what was read, if there are many addresses and the index can be written.
    fn indexed(&self, scan: Scan) -> Known {
        if scan.len() < INDEX_FROM {
            return Known::Scan(scan);
        }
        let held = scan.holdings.iter().map(|(address, owner)| (*address, Some(owner.as_bytes())));
        let holdings: Vec<_> = held.chain(scan.others.iter().map(|address| (*address, None))).collect();
        match Index::build(&self.index_path(), self.dir(), &holdings) {
            Ok(index) => Known::Index(index),
            Err(_) => Known::Scan(scan),
        }
    }

    /// Returns the addresses of an attachment by the index, if the files have the same contents.
    fn held_by_index(&self, index: &mut Index, attachment: &Attachment) -> Option<Held> {
        let mut held = Held::default();
        let names = [Owner::contents(attachment), attachment.container_id.to_string()];
        for (name, into) in names.iter().zip([&mut held.own, &mut held.legacy]) {
            for address in index.held_by(name.as_bytes()).ok()? {
                match self.owner(address) {
                    Ok(owner) if owner.as_ref().map(Owner::as_bytes) == Some(name.as_bytes()) => {
                        into.push(address);
                    }
                    Ok(_) => return None,
                    Err(error) => held.errors.push(error),
                }
            }
        }
        Some(held)
    }

    /// Records a change that was made.
    fn note(&self, index: impl FnOnce(&mut Index) -> io::Result<()>, scan: impl FnOnce(&mut Scan)) {
        let noted = match &mut *self.known.borrow_mut() {
            Some(Known::Index(known)) => index(known),
            Some(Known::Scan(known)) => {
                scan(known);
                Ok(())
            }
            None => Ok(()),
        };
        if noted.is_err() {
            self.throw_index_away();
        }
    }

    fn throw_index_away(&self) {
        *self.known.borrow_mut() = None;
        // If this fails, the next call finds the index outdated too.
        let _ = index::throw_away(&self.index_path());
    }
}

impl Deref for Locked {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Drop for Locked {
    /// Writes the index before the lock is released. Failures are ignored, because it is a cache.
    fn drop(&mut self) {
        // A change may not have been recorded.
        if thread::panicking() {
            return;
        }
        if let Some(Known::Index(index)) = self.known.take()
            && index.close().is_err()
        {
            self.throw_index_away();
        }
    }
}

/// Writes a small file without changing its directory.
fn write_in_place(path: &Path, contents: &[u8]) -> io::Result<()> {
    let file = match StateFile::create(path, 0o600) {
        // A symbolic link, or a file that we may not write, is replaced.
        Err(cause)
            if cause.kind() == ErrorKind::PermissionDenied
                || fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()) =>
        {
            files::remove_file(path)?;
            StateFile::create(path, 0o600)?
        }
        file => file?,
    };
    file.write_at(contents, 0)?;
    let length = contents.len() as u64;
    if file.metadata()?.len() > length { file.set_len(length) } else { Ok(()) }
}
