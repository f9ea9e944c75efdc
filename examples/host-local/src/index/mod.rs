//! A cache of the address files of a network, so that a call does not have to read all of them: which attachment has which
//! address, and which addresses are free.
//!
//! It is a file beside the network's directory. It is used only in the boot in which it was written, and only if nothing else has
//! changed the directory since the last call that used it. Otherwise it is removed, as after any inconsistency. The addresses that
//! it names for an attachment are compared with the address files.
//!
//! `table` has the blocks of the file (`bucket`, `slot`, `hash`), `tree` the free addresses, `header` and `stamp` tell whether the
//! index is up to date.

mod bucket;
mod hash;
mod header;
mod slot;
mod stamp;
mod table;
mod tree;

use std::collections::HashSet;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cni_skel::files::{self, StateFile};
use nix::unistd::geteuid;

use crate::address::{Family, number};
use crate::boot::BootId;
use hash::Hash;
use header::Header;
use slot::Slot;
use stamp::Stamp;
use table::{Source, Table};
use tree::Tree;

/// The index of one network's directory. After any error the caller removes it and reads the directory.
#[derive(Debug)]
pub(crate) struct Index {
    path: PathBuf,
    folder: StateFile,
    boot: BootId,
    /// `None` for a new index that is not written yet.
    file: Option<StateFile>,
    table: Table,
    addresses: u64,
    changed: bool,
}

impl Index {
    /// Opens the index of a directory.
    ///
    /// # Errors
    /// There is none, or it is out of date.
    pub(crate) fn open(path: &Path, folder: &Path, to_change: bool) -> io::Result<Self> {
        let file = if to_change { StateFile::open_to_change(path) } else { StateFile::open(path) }?;
        let metadata = file.metadata()?;
        // Another user could change the file at any time.
        if !metadata.is_file() || metadata.uid() != geteuid().as_raw() || metadata.mode() & 0o022 != 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let folder = StateFile::open_dir(folder)?;
        let boot = BootId::current()?;
        let header = Header::read(&file, &boot, &Stamp::of(&folder)?)?;
        let table = Table::existing(header.buckets, header.used);
        let (path, addresses) = (path.to_owned(), header.addresses);
        Ok(Self { path, folder, boot, file: Some(file), table, addresses, changed: false })
    }

    /// Makes a new index of a directory. [`close`](Self::close) writes it.
    ///
    /// # Errors
    /// The directory cannot be read, or its modification time cannot be set.
    pub(crate) fn build(
        path: &Path,
        folder: &Path,
        holdings: &[(IpAddr, Option<&[u8]>)],
    ) -> io::Result<Self> {
        let (folder, boot) = (StateFile::open_dir(folder)?, BootId::current()?);
        // Fails early if the directory belongs to another user.
        Stamp::set(&folder)?;
        let table = Table::new((holdings.len() + nodes(holdings)) as u64);
        let mut index =
            Self { path: path.to_owned(), folder, boot, file: None, table, addresses: 0, changed: true };
        for (address, owner) in holdings {
            index.add(*address, *owner)?;
        }
        Ok(index)
    }

    /// Finds the addresses of an owner.
    pub(crate) fn held_by(&mut self, owner: &[u8]) -> io::Result<Vec<IpAddr>> {
        let (table, source) = self.parts();
        let select = |slot| match slot {
            Slot::Holding { address, .. } => Some(address),
            Slot::Node { .. } => None,
        };
        let found = table.find(source, Hash::of(owner), select)?;
        Ok(found.into_iter().map(|(_, address)| address).collect())
    }

    /// Returns the number of addresses in use.
    pub(crate) fn len(&self) -> u64 {
        self.addresses
    }

    /// The first address from `first` to `last` that is not taken.
    pub(crate) fn next_free(&mut self, family: Family, first: u128, last: u128) -> io::Result<Option<u128>> {
        self.tree(family).next_free(first, last)
    }

    /// Records that an address is in use. The owner may be unknown.
    pub(crate) fn add(&mut self, address: IpAddr, owner: Option<&[u8]>) -> io::Result<()> {
        self.changed = true;
        self.addresses += 1;
        if let Some(owner) = owner {
            let (table, source) = self.parts();
            table.insert(source, Slot::Holding { owner: Hash::of(owner), address })?;
        }
        self.tree(Family::of(address)).take(number(address))
    }

    /// Records that an address is free again.
    pub(crate) fn remove(&mut self, address: IpAddr, owner: &[u8]) -> io::Result<()> {
        self.changed = true;
        self.addresses = self.addresses.saturating_sub(1);
        let (table, source) = self.parts();
        let is_it =
            |slot| matches!(slot, Slot::Holding { address: held, .. } if held == address).then_some(());
        let found = table.find(source, Hash::of(owner), is_it)?;
        let Some((at, ())) = found.first().copied() else { return Err(io::ErrorKind::InvalidData.into()) };
        table.set(source, at, None)?;
        self.tree(Family::of(address)).give_back(number(address))
    }

    /// Writes the changes. The caller holds the lock. If the plugin is killed before the end, the next call finds the index out of
    /// date: the directory has changed, and the header with its new stamp is written last.
    pub(crate) fn close(mut self) -> io::Result<()> {
        if !self.changed {
            return Ok(());
        }
        // An empty directory needs no index.
        if self.addresses == 0 {
            return files::remove_file(&self.path);
        }
        match self.file.take() {
            Some(file) => self.write_to(&file),
            None => files::replace(self.path.clone(), 0o600, |file| self.write_to(file)),
        }
    }

    fn write_to(&mut self, file: &StateFile) -> io::Result<()> {
        self.table.flush(file)?;
        let (buckets, used, addresses) = (self.table.buckets(), self.table.used(), self.addresses);
        let stamp = Stamp::set(&self.folder)?;
        Header { buckets, used, addresses }.write(file, &self.boot, &stamp)
    }

    fn tree(&mut self, family: Family) -> Tree<'_> {
        let (table, source) = self.parts();
        Tree { table, source, family }
    }

    fn parts(&mut self) -> (&mut Table, Source<'_>) {
        (&mut self.table, self.file.as_ref())
    }
}

/// Counts the nodes of the lowest level of the tree of these addresses.
fn nodes(holdings: &[(IpAddr, Option<&[u8]>)]) -> usize {
    let of = |address: IpAddr| (address.is_ipv4(), number(address) >> 6);
    holdings.iter().map(|(address, _)| of(*address)).collect::<HashSet<_>>().len()
}

/// Removes an index, and an unfinished one of a killed call.
pub(crate) fn throw_away(path: &Path) -> io::Result<()> {
    files::remove_file(files::replacement_path(path))?;
    files::remove_file(path)
}
