//! A cache of what the files of a network say, so that no call has to read them all: who holds which address, and where
//! the next free one is.
//!
//! It is beside the network's folder, never in it. Whoever changes the folder otherwise, the reference or a person, does
//! not know of it, and need not: the index is only used as long as the folder is as the last call that went by the index
//! left it, and in the boot in which it was written. Else it is thrown away, as it is at the first sign of a mistake. What
//! it says about an attachment is believed only after a look into the files that it names.
//!
//! `table` has the blocks of the file (`bucket`, `slot`, `hash`), `tree` the free addresses, `header` and `stamp` whether
//! any of it holds.

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

/// The index of one network's folder. Each error is a reason to throw it away and to read the folder.
#[derive(Debug)]
pub(crate) struct Index {
    path: PathBuf,
    folder: StateFile,
    boot: BootId,
    /// None for a new one, which is not in its file yet.
    file: Option<StateFile>,
    table: Table,
    addresses: u64,
    changed: bool,
}

impl Index {
    /// Opens the index of a folder if it tells what is in the folder now.
    ///
    /// # Errors
    /// When it does not, or there is none.
    pub(crate) fn open(path: &Path, folder: &Path, to_change: bool) -> io::Result<Self> {
        let file = if to_change { StateFile::open_to_change(path) } else { StateFile::open(path) }?;
        let metadata = file.metadata()?;
        // Another user's file may change under our eyes.
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

    /// Makes the index of a folder anew from what is in it. Its file appears when it is [closed](Self::close).
    ///
    /// # Errors
    /// When an index cannot be had here.
    pub(crate) fn build(
        path: &Path,
        folder: &Path,
        holdings: &[(IpAddr, Option<&[u8]>)],
    ) -> io::Result<Self> {
        let (folder, boot) = (StateFile::open_dir(folder)?, BootId::current()?);
        // Who may not mark the folder can save the work.
        Stamp::set(&folder)?;
        let table = Table::new((holdings.len() + nodes(holdings)) as u64);
        let mut index =
            Self { path: path.to_owned(), folder, boot, file: None, table, addresses: 0, changed: true };
        for (address, owner) in holdings {
            index.add(*address, *owner)?;
        }
        Ok(index)
    }

    /// The addresses that are held in this name.
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

    /// Takes down that an address has come to be held, by someone who may not be known.
    pub(crate) fn add(&mut self, address: IpAddr, owner: Option<&[u8]>) -> io::Result<()> {
        self.changed = true;
        self.addresses += 1;
        if let Some(owner) = owner {
            let (table, source) = self.parts();
            table.insert(source, Slot::Holding { owner: Hash::of(owner), address })?;
        }
        self.tree(Family::of(address)).take(number(address))
    }

    /// Takes down that an address is free again.
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

    /// Writes down what has changed; who changes the folder after that makes the index void. Only who holds the lock
    /// calls this. Killed at any point, it leaves an index that the next call throws away: the folder was changed first,
    /// so that it does not fit the header until that is written, last.
    pub(crate) fn close(mut self) -> io::Result<()> {
        if !self.changed {
            return Ok(());
        }
        // An empty folder needs no index, and then there is nothing to leave behind.
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

/// How many nodes the tree of these addresses has on its lowest level, where nearly all of them are.
fn nodes(holdings: &[(IpAddr, Option<&[u8]>)]) -> usize {
    let of = |address: IpAddr| (address.is_ipv4(), number(address) >> 6);
    holdings.iter().map(|(address, _)| of(*address)).collect::<HashSet<_>>().len()
}

/// Removes an index, and what a killed call has left of a new one.
pub(crate) fn throw_away(path: &Path) -> io::Result<()> {
    files::remove_file(files::replacement_path(path))?;
    files::remove_file(path)
}
