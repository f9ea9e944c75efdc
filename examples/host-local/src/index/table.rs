//! A hash table in a file, of which a call reads and writes only the blocks that it needs.

use std::collections::BTreeMap;
use std::io;

use cni_skel::files::StateFile;

use super::bucket::{self, Bucket};
use super::slot::Slot;

/// The blocks follow the header, which has a block's size.
#[derive(Debug)]
pub(super) struct Table {
    /// A power of two.
    buckets: u64,
    /// What has been read, and whether it has been changed since.
    cache: BTreeMap<u64, (Box<Bucket>, bool)>,
    /// How many slots are in use.
    used: u64,
}

/// Where a slot was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    bucket: u64,
    slot: usize,
}

impl Table {
    /// The smallest has 64 KiB.
    const SMALLEST: u64 = 64;
    /// More would be an index of more than a hundred million addresses.
    pub(super) const LARGEST: u64 = 1 << 24;

    /// An empty table that has room for twice as many slots before it has to be made anew.
    pub(super) fn new(slots: u64) -> Self {
        let buckets = (slots / bucket::SLOTS as u64 * 4).next_power_of_two();
        let buckets = buckets.clamp(Self::SMALLEST, Self::LARGEST);
        let cache = (0..buckets).map(|number| (number, (Box::new(Bucket::new()), true))).collect();
        Self { buckets, cache, used: 0 }
    }

    /// The table of a file that has these numbers in its header.
    pub(super) fn existing(buckets: u64, used: u64) -> Self {
        Self { buckets, cache: BTreeMap::new(), used }
    }

    pub(super) fn buckets(&self) -> u64 {
        self.buckets
    }

    pub(super) fn used(&self) -> u64 {
        self.used
    }

    /// How long a file with so many blocks is.
    pub(super) fn file_length(buckets: u64) -> u64 {
        (buckets + 1) * bucket::SIZE as u64
    }

    /// All slots with this hash that `select` wants.
    pub(super) fn find<T>(
        &mut self,
        source: Source<'_>,
        hash: u64,
        mut select: impl FnMut(Slot) -> Option<T>,
    ) -> io::Result<Vec<(At, T)>> {
        let mut found = Vec::new();
        for bucket in self.chain(hash) {
            let (contents, _) = self.bucket(source, bucket)?;
            let here = contents.slots().filter(|(_, slot)| slot.hash() == hash);
            found.extend(here.filter_map(|(slot, contents)| Some((At { bucket, slot }, select(contents)?))));
            if !contents.is_crowded() {
                return Ok(found);
            }
        }
        Ok(found)
    }

    /// Adds a slot, whatever else has its hash.
    ///
    /// # Errors
    /// `StorageFull` when the table is to be made anew, with more room.
    pub(super) fn insert(&mut self, source: Source<'_>, contents: Slot) -> io::Result<()> {
        if self.used >= self.buckets * bucket::SLOTS as u64 / 2 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        for number in self.chain(contents.hash()) {
            let (bucket, changed) = self.bucket(source, number)?;
            *changed = true;
            if let Some(slot) = bucket.vacancy() {
                bucket.set(slot, Some(contents));
                self.used += 1;
                return Ok(());
            }
            bucket.set_crowded();
        }
        Err(io::ErrorKind::StorageFull.into())
    }

    /// Replaces what is in a slot, or empties it.
    pub(super) fn set(&mut self, source: Source<'_>, at: At, contents: Option<Slot>) -> io::Result<()> {
        let (bucket, changed) = self.bucket(source, at.bucket)?;
        bucket.set(at.slot, contents);
        *changed = true;
        if contents.is_none() {
            self.used = self.used.saturating_sub(1);
        }
        Ok(())
    }

    /// Writes what has been changed, neighbours in one go.
    pub(super) fn flush(&mut self, file: &StateFile) -> io::Result<()> {
        let mut run: (u64, Vec<u8>) = (0, Vec::new());
        let write = |(first, bytes): &(u64, Vec<u8>)| match bytes.is_empty() {
            true => Ok(()),
            false => file.write_at(bytes, Self::file_length(*first)),
        };
        for (&number, (bucket, changed)) in self.cache.iter_mut().filter(|(_, (_, changed))| *changed) {
            if run.0 + (run.1.len() / bucket::SIZE) as u64 != number {
                write(&run)?;
                run = (number, Vec::new());
            }
            run.1.extend_from_slice(bucket.bytes(number));
            *changed = false;
        }
        write(&run)
    }

    /// The blocks in which something with this hash can be.
    fn chain(&self, hash: u64) -> impl Iterator<Item = u64> + use<> {
        let buckets = self.buckets;
        (0..buckets).map(move |step| (hash.wrapping_add(step)) & (buckets - 1))
    }

    fn bucket(&mut self, source: Source<'_>, number: u64) -> io::Result<&mut (Box<Bucket>, bool)> {
        use std::collections::btree_map::Entry;
        match self.cache.entry(number) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let Some(file) = source else { return Err(io::ErrorKind::NotFound.into()) };
                let mut bytes = [0; bucket::SIZE];
                file.read_at(&mut bytes, Self::file_length(number))?;
                Ok(entry.insert((Box::new(Bucket::from_bytes(bytes, number)?), false)))
            }
        }
    }
}

/// Where blocks come from that have not been read yet; a new table has them all.
pub(super) type Source<'a> = Option<&'a StateFile>;
