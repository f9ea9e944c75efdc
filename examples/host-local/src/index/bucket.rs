//! A block of the table: 31 slots that are found, read and written together.

use std::io;

use super::hash::Hash;
use super::slot::{self, Slot};

pub(super) const SIZE: usize = 1024;
/// How many slots it has.
pub(super) const SLOTS: usize = SIZE / slot::SIZE - 1;

/// The bytes of a block: a checksum over what comes after it, whether some of what belongs here is in the next block,
/// and the slots.
#[derive(Clone, Debug)]
pub(super) struct Bucket([u8; SIZE]);

impl Bucket {
    const CROWDED: usize = 8;

    pub(super) fn new() -> Self {
        Self([0; SIZE])
    }

    /// Accepts what was read from the place of block `number`.
    ///
    /// # Errors
    /// `InvalidData` when that is not what was written there.
    pub(super) fn from_bytes(bytes: [u8; SIZE], number: u64) -> io::Result<Self> {
        let bucket = Self(bytes);
        if bucket.0[..8] == bucket.checksum(number) {
            Ok(bucket)
        } else {
            Err(io::ErrorKind::InvalidData.into())
        }
    }

    /// The bytes for the place of block `number`.
    pub(super) fn bytes(&mut self, number: u64) -> &[u8; SIZE] {
        let checksum = self.checksum(number);
        self.0[..8].copy_from_slice(&checksum);
        &self.0
    }

    /// Whether there was once no room here, so that the next block has to be looked at too.
    pub(super) fn is_crowded(&self) -> bool {
        self.0[Self::CROWDED] != 0
    }

    pub(super) fn set_crowded(&mut self) {
        self.0[Self::CROWDED] = 1;
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = (usize, Slot)> {
        self.raw().iter().enumerate().filter_map(|(at, bytes)| Some((at, Slot::decode(bytes)?)))
    }

    pub(super) fn vacancy(&self) -> Option<usize> {
        self.raw().iter().position(|bytes| bytes[0] == 0)
    }

    pub(super) fn set(&mut self, at: usize, slot: Option<Slot>) {
        let start = (at + 1) * slot::SIZE;
        let bytes = slot.map_or([0; slot::SIZE], |slot| slot.encode());
        self.0[start..start + slot::SIZE].copy_from_slice(&bytes);
    }

    fn raw(&self) -> &[[u8; slot::SIZE]] {
        self.0[slot::SIZE..].as_chunks().0
    }

    fn checksum(&self, number: u64) -> [u8; 8] {
        let mut hash = Hash::new();
        hash.add(number);
        hash.add_bytes(&self.0[8..]);
        hash.finish().to_le_bytes()
    }
}
