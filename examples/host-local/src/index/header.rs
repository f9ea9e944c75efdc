//! The first block of the file: what it is an index of, and as of when.

use std::io;

use cni_skel::files::StateFile;

use super::bucket;
use super::hash::Hash;
use super::stamp::Stamp;
use super::table::Table;
use crate::boot::BootId;

/// Changes with everything that an older or newer version would read wrongly.
const MAGIC: &[u8; 24] = b"host-local index, form 1";
/// After the magic: the boot, the stamp, three numbers, and a checksum over all.
const LENGTH: usize = MAGIC.len() + BootId::SIZE + Stamp::SIZE + 4 * 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) buckets: u64,
    pub(super) used: u64,
    pub(super) addresses: u64,
}

impl Header {
    /// Reads the header, if it is one that was written in this boot for a folder with this stamp. What was written in an
    /// earlier one may be older than the folder in places: a power cut loses what it likes.
    ///
    /// # Errors
    /// `InvalidData` when it is not.
    pub(super) fn read(file: &StateFile, boot: &BootId, stamp: &Stamp) -> io::Result<Self> {
        let mut bytes = [0; LENGTH];
        file.read_at(&mut bytes, 0)?;
        let numbers = bytes[LENGTH - 4 * 8..].as_chunks::<8>().0;
        let number = |at: usize| numbers.get(at).map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let header = Self { buckets: number(0), used: number(1), addresses: number(2) };
        let is_a_size = header.buckets.is_power_of_two() && header.buckets <= Table::LARGEST;
        let is_all_there =
            || Ok::<_, io::Error>(file.metadata()?.len() == Table::file_length(header.buckets));
        if bytes == header.encode(boot, stamp) && is_a_size && is_all_there()? {
            Ok(header)
        } else {
            Err(io::ErrorKind::InvalidData.into())
        }
    }

    pub(super) fn write(&self, file: &StateFile, boot: &BootId, stamp: &Stamp) -> io::Result<()> {
        file.write_at(&self.encode(boot, stamp), 0)
    }

    fn encode(&self, boot: &BootId, stamp: &Stamp) -> [u8; LENGTH] {
        const { assert!(LENGTH <= bucket::SIZE, "the blocks of the table follow") };
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(boot.as_bytes());
        bytes.extend_from_slice(&stamp.encode());
        for number in [self.buckets, self.used, self.addresses] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&Hash::of(&bytes).to_le_bytes());
        bytes.try_into().expect("its parts have the length of the whole")
    }
}
