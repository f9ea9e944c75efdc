//! By what it is known that nobody else has changed a folder since.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use cni_skel::files::StateFile;

/// Which folder it is and when it was changed last, as the kernel tells both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp([u64; 6]);

impl Stamp {
    pub(super) const SIZE: usize = 48;

    /// The stamp of a folder that is open.
    pub(super) fn of(folder: &StateFile) -> io::Result<Self> {
        Ok(Self::from_metadata(&folder.metadata()?))
    }

    /// Sets a mark in the time of an open folder's last change that any later change wipes out, and returns the stamp.
    ///
    /// The kernel's clock for such times goes in steps of up to ten milliseconds, so that a change that follows at once
    /// may get the time that is there already. That is why the time is put back, by less than a step: every later change
    /// has a later one.
    ///
    /// # Errors
    /// `EPERM` when the folder is another user's.
    pub(super) fn set(folder: &StateFile) -> io::Result<Self> {
        let changed = folder.metadata()?.modified()?;
        // Not always by the same, so that not even two calls that follow at once leave the same mark.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let back = Duration::from_nanos(1 + u64::from(now.subsec_nanos()) % 999_999);
        let marked = changed.checked_sub(back).unwrap_or(SystemTime::UNIX_EPOCH);
        folder.set_modified(marked)?;
        Self::of(folder)
    }

    fn from_metadata(metadata: &Metadata) -> Self {
        Self([
            metadata.dev(),
            metadata.ino(),
            metadata.mtime().cast_unsigned(),
            metadata.mtime_nsec().cast_unsigned(),
            metadata.ctime().cast_unsigned(),
            metadata.ctime_nsec().cast_unsigned(),
        ])
    }

    pub(super) fn encode(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        for (into, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(self.0) {
            *into = word.to_le_bytes();
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_mark_is_before_what_it_marks_and_a_change_is_after_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = StateFile::open_dir(dir.path()).unwrap();
        let time = || folder.metadata().unwrap().modified().unwrap();
        for n in 0..100 {
            fs::write(dir.path().join(n.to_string()), "").unwrap();
            let changed = time();
            let stamp = Stamp::set(&folder).unwrap();
            let marked = time();
            assert!(marked < changed && marked + Duration::from_millis(1) > changed);
            assert_eq!(Stamp::of(&folder).unwrap(), stamp);
            fs::remove_file(dir.path().join(n.to_string())).unwrap();
            assert!(time() > marked);
            assert_ne!(Stamp::of(&folder).unwrap(), stamp);
        }
    }
}
