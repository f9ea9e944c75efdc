//! DEL: every address that the attachment holds in this network, whatever the ranges say today.

use cni_skel::types::Attachment;
use cni_skel::{Errors, Result};

use crate::store::Store;

/// Releases what is the attachment's own; if that is nothing, what an old version reserved for the container.
///
/// # Errors
/// Code 11 when the lock cannot be had, 5 when files cannot be read or removed: the others are looked after.
pub(crate) fn release(store: &Store, attachment: &Attachment) -> Result<()> {
    let Some(locked) = store.lock()? else { return Ok(()) };
    let (mut own, mut legacy) = (Vec::new(), Vec::new());
    let mut errors = Errors::new();
    for address in locked.entries()?.files {
        // What cannot be read may be the attachment's own, and nobody asks again after a success.
        let Some(Some(owner)) = errors.attempt(locked.owner(address)) else { continue };
        if owner.is(attachment) {
            own.push(address);
        } else if owner.is_legacy(attachment) {
            legacy.push(address);
        }
    }
    for address in if own.is_empty() { legacy } else { own } {
        errors.attempt(locked.release(address));
    }
    errors.finish()
}
