//! STATUS: whether an ADD would find a place for its state and an address in every set.

use std::path::Path;

use cni_skel::types::ErrorCode;
use cni_skel::{Error, Errors, Result};
use nix::fcntl::AT_FDCWD;
use nix::unistd::{AccessFlags, faccessat};

use crate::known::Known;
use crate::range_set::RangeSet;
use crate::reclaim;
use crate::reservation;
use crate::store::Store;

/// Checks that the state directory can be written or created, that there is room for a file, and that every set has a free
/// address. Takes no lock and leaves nothing, because runtimes ask every few seconds. With `reclaims`, an address that the next
/// ADD will release is free.
///
/// # Errors
/// Code 5, naming the directory, or code 50, naming every set without a free address.
pub(crate) fn ready(store: &Store, sets: &[RangeSet], reclaims: bool) -> Result<()> {
    writable(store.dir())
        .map_err(|(path, cause)| Error::io(format!("cannot write to {}", path.display()), cause))?;
    let mut known = store.look()?;
    let mut errors = Errors::new();
    for (index, set) in sets.iter().enumerate() {
        if !has_free(&mut known, set) {
            // A file may have been removed without the lock while the index was written.
            known = store.look_at_names()?;
        }
        let has_free = has_free(&mut known, set) || reclaims && reclaim::would_free(store, set);
        if !has_free && !has_emptied(store, set) {
            let msg = format!("no IP addresses available in range set {index}: {set}");
            errors.push(Error::new(ErrorCode::NOT_AVAILABLE, msg));
        }
    }
    errors.finish()
}

fn has_free(known: &mut Known, set: &RangeSet) -> bool {
    set.candidates(None).any(|(run, range)| {
        let (first, last) = run.into_inner();
        match known {
            // A mistake of the index is for the next ADD to find out.
            Known::Index(index) => {
                index.next_free(range.family(), first, last).is_ok_and(|free| free.is_some())
            }
            Known::Scan(scan) => scan.next_free(range.family(), first, last).is_some(),
        }
    })
}

/// Only a set that seems full is looked at more closely: ADD takes what a crash emptied.
fn has_emptied(store: &Store, set: &RangeSet) -> bool {
    let emptied = |address| matches!(store.owner(address), Ok(Some(owner)) if owner.is_nobody());
    let files = store.entries().map(|entries| entries.files).unwrap_or_default();
    files.into_iter().any(|address| set.contains(address) && !set.is_excluded(address) && emptied(address))
}

/// Whether files can be made and written to in the folder or, where it does not exist yet, in the nearest one above it.
fn writable(dir: &Path) -> Result<(), (&Path, std::io::Error)> {
    let mut nearest = dir;
    let metadata = loop {
        match nearest.metadata() {
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => match nearest.parent() {
                Some(parent) if parent.as_os_str().is_empty() => nearest = Path::new("."),
                Some(parent) => nearest = parent,
                None => return Err((nearest, cause)),
            },
            other => break other.map_err(|cause| (nearest, cause))?,
        }
    };
    if !metadata.is_dir() {
        return Err((nearest, std::io::ErrorKind::NotADirectory.into()));
    }
    let flags = AccessFlags::W_OK | AccessFlags::X_OK;
    faccessat(AT_FDCWD, nearest, flags, nix::fcntl::AtFlags::AT_EACCESS)
        .map_err(|cause| (nearest, cause.into()))?;
    reservation::try_to_write(nearest).map_err(|cause| (nearest, cause))
}
