//! CHECK: the attachment still holds its addresses.

use std::net::IpAddr;

use cni_skel::types::{Attachment, ErrorCode};
use cni_skel::{Error, Errors, Result};

use crate::owner::Owner;
use crate::range_set::RangeSet;
use crate::store::Store;

/// Makes sure that the addresses of the previous result that come from our sets are reserved for the attachment,
/// and that it holds an address of every set.
///
/// # Errors
/// Code 999, naming every address and every set where that is not so.
pub(crate) fn check(
    store: &Store,
    attachment: &Attachment,
    sets: &[RangeSet],
    previous: impl IntoIterator<Item = IpAddr>,
) -> Result<()> {
    let mut errors = Errors::new();
    let mut held = Vec::new();
    let holds = |address| -> Result<bool> {
        let owner = store.owner(address)?;
        Ok(owner.is_some_and(|owner| owner.is(attachment) || owner.is_legacy(attachment)))
    };
    for address in previous {
        let address = address.to_canonical();
        if !sets.iter().any(|set| set.contains(address)) {
            continue;
        }
        match holds(address) {
            Ok(true) => held.push(address),
            Ok(false) => errors.push(failed(format!("{address} is not reserved for {}", name(attachment)))),
            Err(error) => errors.push(error),
        }
    }
    let lacks = |held: &[IpAddr], set: &RangeSet| !held.iter().any(|address| set.contains(*address));
    // Only if the previous result does not account for every set is more looked at, and only if the index knows of
    // nothing the whole directory. No lock is taken: what the index says is looked up.
    if sets.iter().any(|set| lacks(&held, set))
        && let Some(mut index) = store.index()
    {
        for name in [Owner::contents(attachment), attachment.container_id.to_string()] {
            let addresses = index.held_by(name.as_bytes()).unwrap_or_default();
            held.extend(addresses.into_iter().filter(|address| holds(*address).unwrap_or(false)));
        }
    }
    if sets.iter().any(|set| lacks(&held, set)) {
        let files = store.entries()?.files;
        held.extend(files.into_iter().filter(|address| holds(*address).unwrap_or(false)));
    }
    for (index, set) in sets.iter().enumerate().filter(|(_, set)| lacks(&held, set)) {
        errors.push(failed(format!(
            "failed to find an address of range {index}, {set}, added by {}",
            name(attachment)
        )));
    }
    errors.finish()
}

fn failed(msg: String) -> Error {
    Error::new(ErrorCode::INTERNAL, msg)
}

fn name(attachment: &Attachment) -> String {
    format!("container {} interface {}", attachment.container_id, attachment.ifname)
}
