//! CHECK: the attachment still holds its addresses.

use std::net::IpAddr;

use cni_skel::types::{Attachment, ErrorCode};
use cni_skel::{Error, Errors, Result};

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
    // Only if the previous result does not account for every set is the whole directory looked at.
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
