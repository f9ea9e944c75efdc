//! GC: addresses that no valid attachment holds are released.

use std::collections::HashSet;

use cni_skel::types::Attachment;
use cni_skel::{Errors, Result};

use crate::owner::Owner;
use crate::store::Store;

/// Removes the address files of this network that belong to none of the valid attachments. What an old version
/// reserved, without an interface, is kept while any attachment of its container is valid. All files are read, whatever
/// an index says, and so are those that a person has written into.
///
/// # Errors
/// Code 11 when the lock cannot be had, 5 when files cannot be read or removed: the others are looked after.
pub(crate) fn collect(store: &Store, valid: &[Attachment]) -> Result<()> {
    let Some(locked) = store.lock()? else { return Ok(()) };
    let valid: HashSet<Vec<u8>> = valid
        .iter()
        .flat_map(|attachment| [Owner::contents(attachment), attachment.container_id.to_string()])
        .map(String::into_bytes)
        .collect();
    let mut errors = Errors::new();
    for (address, owner) in locked.rescan(&mut errors)? {
        if !valid.contains(owner.as_bytes()) {
            errors.attempt(locked.release(address, owner.as_bytes()));
        }
    }
    errors.finish()
}
