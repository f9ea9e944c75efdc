//! After the machine was started again no container of before is there any more: what they held is free, for who opts in.

use std::net::IpAddr;
use std::time::SystemTime;

use cni_skel::{Errors, Result, files};

use crate::boot::{self, BootId};
use crate::locked::Locked;
use crate::range_set::RangeSet;
use crate::store::{Store, read};

/// Releases the addresses that were handed out before this boot, at the first ADD after it.
///
/// A file must have been there at that first ADD, and be older than the boot by the clock as well. By the clock alone the
/// address of a running container could be taken away where the clock is wrong until a time server has been asked; by the
/// first ADD alone, where another implementation has added before us. A network that has not been used in this way before
/// has nothing released: the mark of an earlier boot is what tells the first ADD.
///
/// # Errors
/// Code 5 when something cannot be released, or the mark cannot be set.
pub(crate) fn reclaim(locked: &Locked) -> Result<()> {
    let (Ok(boot), Ok(began)) = (BootId::current(), boot::began()) else { return Ok(()) };
    let mark = read_mark(locked);
    if mark == Some(boot) {
        return Ok(());
    }
    if mark.is_some() {
        // What cannot be read holds its address still, which is no reason to give none of the others.
        for (address, owner) in locked.rescan(&mut Errors::new())? {
            if is_older(locked, address, began) {
                locked.release(address, owner.as_bytes())?;
            }
        }
    }
    write_mark(locked, &boot)
}

/// Whether the next ADD will release an address of this set.
pub(crate) fn would_free(store: &Store, set: &RangeSet) -> bool {
    let (Ok(boot), Ok(began)) = (BootId::current(), boot::began()) else { return false };
    if read_mark(store).is_none_or(|mark| mark == boot) {
        return false;
    }
    let files = store.entries().map(|entries| entries.files).unwrap_or_default();
    let mut ours = files.into_iter().filter(|address| set.contains(*address) && !set.is_gateway(*address));
    ours.any(|address| !set.is_excluded(address) && is_older(store, address, began))
}

fn is_older(store: &Store, address: IpAddr, began: SystemTime) -> bool {
    let modified = store.path_of(address).symlink_metadata().and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| modified < began)
}

/// The boot in which the network was used last; none when that is not known.
fn read_mark(store: &Store) -> Option<BootId> {
    BootId::parse(&read(&store.beside("boot")).ok()?)
}

fn write_mark(locked: &Locked, boot: &BootId) -> Result<()> {
    Ok(files::replace(locked.beside("boot"), 0o600, |file| file.write_all(boot.as_bytes()))?)
}
