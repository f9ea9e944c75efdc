//! The state of one network while this process alone may change it.

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

/// Below this many addresses, reading the folder is as quick as going by an index.
pub(crate) const INDEX_FROM: usize = 64;

/// The folder of one network, while this process alone may change it.
#[derive(Debug)]
pub(crate) struct Locked {
    store: Store,
    /// None until somebody asks.
    known: RefCell<Option<Known>>,
    /// Unlocks when it is dropped.
    _lock: StateFile,
}

/// The addresses that one attachment holds.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) own: Vec<IpAddr>,
    /// What an old version reserved for the container, whatever the interface.
    pub(crate) legacy: Vec<IpAddr>,
    /// Why others could not be looked at.
    pub(crate) errors: Vec<Error>,
}

impl Store {
    /// Locks the folder, making it if it is not there.
    pub(crate) fn lock_or_create(&self) -> Result<Locked> {
        if let Some(locked) = self.lock()? {
            return Ok(locked);
        }
        self.create()?;
        let vanished = || Error::new(ErrorCode::IO_FAILURE, format!("{} has vanished", self.dir().display()));
        self.lock()?.ok_or_else(vanished)
    }

    /// Locks the folder; none when there is no such folder.
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

    /// Reads the whole folder, and makes the index anew: who holds what. What cannot be read goes to `errors`.
    pub(crate) fn rescan(&self, errors: &mut Errors) -> Result<Vec<(IpAddr, Owner)>> {
        let mut scan = self.sweep()?;
        let holdings = scan.holdings.clone();
        let unreadable = std::mem::take(&mut scan.errors);
        // Of what cannot be read the index would know nothing.
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

    /// The first address of the family with a number from `first` to `last` that nobody holds.
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

    /// Reserves an address; false when it is in use.
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

    /// Removes the file of an address, if it is there, of which the owner is known.
    pub(crate) fn release(&self, address: IpAddr, owner: &[u8]) -> Result<()> {
        // An index that does not hear of it would be void.
        if self.known.borrow().is_none()
            && let Ok(index) = Index::open(&self.index_path(), self.dir(), true)
        {
            *self.known.borrow_mut() = Some(Known::Index(index));
        }
        files::remove_file(self.path_of(address))?;
        self.note(|index| index.remove(address, owner), |scan| scan.remove(address));
        Ok(())
    }

    /// Forgets what the index says, where it has turned out to be wrong, and reads the folder instead.
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

    /// The raw contents of `last_reserved_ip.<set>`; none when there is no such file, or it cannot be read. Only
    /// the order in which addresses are handed out depends on it.
    pub(crate) fn last_reserved(&self, set: usize) -> Option<Vec<u8>> {
        read(&self.last_reserved_path(set)).ok()
    }

    /// Replaces what `last_reserved_ip.<set>` holds, or removes it. This is done in place: if it comes out garbled, the
    /// search starts elsewhere, and that is all.
    ///
    /// # Errors
    /// Code 5. What was there `before` is then there again.
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

    /// Gives the reservation's file the name of an address.
    fn link(&self, path: &Path, reservation: &Reservation) -> Result<io::Result<()>> {
        if let Some(file) = reservation.take_file() {
            match file.link(path) {
                // There is no procfs; or the folder has vanished, which the other way will tell too.
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
        // Should this fail, a later call sweeps it up.
        let _ = files::remove_file(&unfinished);
        Ok(linked?)
    }

    /// Finds out what there is, in the quickest way.
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

    /// Finds out what there is by reading the folder, if that has not been done.
    fn know_by_reading(&self) -> Result<()> {
        if matches!(&*self.known.borrow(), Some(Known::Scan(_))) {
            return Ok(());
        }
        let scan = self.sweep()?;
        *self.known.borrow_mut() = Some(Known::Scan(scan));
        Ok(())
    }

    /// Reads the folder, and removes what is of no use any more: what a crash has left of files, and an index that does
    /// not fit.
    fn sweep(&self) -> Result<Scan> {
        self.throw_index_away();
        let scan = self.scan()?;
        if scan.unfinished {
            // If that fails, it is reported where the name is needed.
            let _ = files::remove_file(self.dir().join(UNFINISHED));
        }
        for address in &scan.emptied {
            // Likewise.
            let _ = files::remove_file(self.path_of(*address));
        }
        Ok(scan)
    }

    /// Makes an index of what has been read, where that pays and where one can be had.
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

    /// What the index has about an attachment, if the files that it names say the same.
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

    /// Takes a change down, after it has been made.
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
        // If it stays, it does not fit the folder any more, or is found out as now.
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
    /// Writes the index, before the lock goes. It is a cache: without it all is as well.
    fn drop(&mut self) {
        // Who knows what was not taken down.
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
