//! DEL: every address that the attachment holds in this network, whatever the ranges say today.

use cni_skel::types::Attachment;
use cni_skel::{Errors, Result};

use crate::owner::Owner;
use crate::store::Store;

/// Releases what is the attachment's own; if that is nothing, what an old version reserved for the container.
///
/// # Errors
/// Code 11 when the lock cannot be had, 5 when files cannot be read or removed: the others are looked after.
pub(crate) fn release(store: &Store, attachment: &Attachment) -> Result<()> {
    let Some(locked) = store.lock()? else { return Ok(()) };
    let held = locked.held_by(attachment)?;
    let mut errors = Errors::new();
    // What cannot be read may be the attachment's own, and nobody asks again after a success.
    held.errors.into_iter().for_each(|error| errors.push(error));
    let (own, legacy) = (Owner::contents(attachment), attachment.container_id.to_string());
    let (addresses, owner) = if held.own.is_empty() { (held.legacy, legacy) } else { (held.own, own) };
    for address in addresses {
        errors.attempt(locked.release(address, owner.as_bytes()));
    }
    errors.finish()
}
