//! ADD: one address from each range set, all of them or none.

use std::net::IpAddr;

use cni_skel::types::{Attachment, ErrorCode, IpConfig};
use cni_skel::{Error, Errors, Result};
use ipnet::IpNet;

use crate::locked::{Held, Locked};
use crate::range::Range;
use crate::range_set::RangeSet;
use crate::reservation::Reservation;
use crate::store::Store;

/// What one ADD has changed in the state directory, so that it can be changed back.
#[derive(Clone, Debug)]
pub(crate) struct Allocation {
    attachment: Attachment,
    reserved: Vec<Reserved>,
}

#[derive(Clone, Debug)]
struct Reserved {
    config: IpConfig,
    address: IpAddr,
    /// What `last_reserved_ip.<set>` held.
    last: Option<Vec<u8>>,
    /// Whether that has been replaced.
    is_last: bool,
}

/// Reserves an address of every set for the attachment: the one requested, or the next free one.
///
/// # Errors
/// Code 11 when a set has none left or the requested one is in use, 7 when a gateway is requested, 999 when the
/// attachment already holds an address of a set, 5 when the state directory cannot be written. The directory is
/// then as it was.
pub(crate) fn allocate(
    store: &Locked,
    attachment: &Attachment,
    reservation: &Reservation,
    sets: &[RangeSet],
    requested: &[Option<IpAddr>],
) -> Result<Allocation> {
    // A file that cannot be read holds its address for someone; it is no reason to fail.
    let Held { own, legacy, errors: _ } = store.held_by(attachment)?;
    let pool = Pool { store, reservation, held: [own, legacy].concat() };
    let mut allocation = Allocation { attachment: attachment.clone(), reserved: Vec::new() };
    match pool.reserve(sets, requested, &mut allocation) {
        Ok(()) => Ok(allocation),
        Err(error) => {
            let mut errors = Errors::new();
            errors.push(error);
            errors.attempt(allocation.undo_in(store));
            Err(errors.finish().expect_err("an error has been pushed"))
        }
    }
}

impl Allocation {
    /// The addresses for the result, in the order of the sets.
    pub(crate) fn ips(&self) -> Vec<IpConfig> {
        self.reserved.iter().map(|reserved| reserved.config.clone()).collect()
    }

    /// Takes the reservations back, as far as they still are as they were made.
    pub(crate) fn undo(&self, store: &Store) -> Result<()> {
        store.lock()?.map_or(Ok(()), |locked| self.undo_in(&locked))
    }

    fn undo_in(&self, store: &Locked) -> Result<()> {
        let mut errors = Errors::new();
        for (set, reserved) in self.reserved.iter().enumerate().rev() {
            let address = reserved.address;
            let now = address.to_string();
            if reserved.is_last && store.last_reserved(set).as_deref() == Some(now.as_bytes()) {
                let before = reserved.last.as_deref();
                errors.attempt(store.set_last_reserved(set, before, Some(now.as_bytes())));
            }
            let owner = errors.attempt(store.owner(address)).flatten();
            if let Some(owner) = owner.filter(|owner| owner.is(&self.attachment)) {
                errors.attempt(store.release(address, owner.as_bytes()));
            }
        }
        errors.finish()
    }
}

/// What an address is looked for with.
struct Pool<'a> {
    store: &'a Locked,
    reservation: &'a Reservation,
    /// Addresses that the attachment holds already.
    held: Vec<IpAddr>,
}

impl Pool<'_> {
    fn reserve(
        &self,
        sets: &[RangeSet],
        requested: &[Option<IpAddr>],
        allocation: &mut Allocation,
    ) -> Result<()> {
        for (index, set) in sets.iter().enumerate() {
            let requested = requested.get(index).copied().flatten();
            let reserved = self.reserve_in(set, index, requested, &allocation.attachment);
            allocation.reserved.push(reserved.map_err(|failure| failure.in_set(index))?);
        }
        // Only where all addresses are there is anything else changed.
        for (index, reserved) in allocation.reserved.iter_mut().enumerate() {
            let now = reserved.address.to_string();
            self.store.set_last_reserved(index, Some(now.as_bytes()), reserved.last.as_deref())?;
            reserved.is_last = true;
        }
        Ok(())
    }

    fn reserve_in(
        &self,
        set: &RangeSet,
        index: usize,
        requested: Option<IpAddr>,
        attachment: &Attachment,
    ) -> Result<Reserved, Failure> {
        if let Some(held) = self.held.iter().find(|held| set.contains(**held)) {
            let id = &attachment.container_id;
            let why = format!("{held} has been allocated to {id}, duplicate allocation is not allowed");
            return Err(Failure::new(ErrorCode::INTERNAL, why));
        }
        let last = self.store.last_reserved(index);
        if let Some(address) = requested {
            return self.reserve_requested(set, address, last);
        }
        let mut reserved = self.reserve_next(set, last.as_deref())?;
        if reserved.is_none() && self.store.is_index_outdated()? {
            self.store.distrust()?;
            reserved = self.reserve_next(set, last.as_deref())?;
        }
        let why = || format!("no IP addresses available in range set: {set}");
        let (address, range) = reserved.ok_or_else(|| Failure::new(ErrorCode::TRY_AGAIN_LATER, why()))?;
        Ok(Reserved::new(address, range, last))
    }

    /// Reserves the first free address of a set after the last one that was reserved.
    fn reserve_next<'s>(
        &self,
        set: &'s RangeSet,
        last: Option<&[u8]>,
    ) -> Result<Option<(IpAddr, &'s Range)>> {
        let after = last.and_then(|text| std::str::from_utf8(text).ok()?.trim().parse::<IpAddr>().ok());
        for (run, range) in set.candidates(after.map(|after| after.to_canonical())) {
            let (mut first, end) = run.into_inner();
            while let Some(number) = self.store.next_free(range.family(), first, end)? {
                let address = range.family().address(number);
                if self.store.reserve(address, self.reservation)? {
                    return Ok(Some((address, range)));
                }
                // The index is wrong, or another process reserved the address without the lock.
                self.store.distrust()?;
                let Some(next) = number.checked_add(1) else { break };
                first = next;
            }
        }
        Ok(None)
    }

    fn reserve_requested(
        &self,
        set: &RangeSet,
        address: IpAddr,
        last: Option<Vec<u8>>,
    ) -> Result<Reserved, Failure> {
        if set.is_gateway(address) {
            let why = format!("requested ip {address} is subnet's gateway");
            return Err(Failure::new(ErrorCode::INVALID_NETWORK_CONFIG, why));
        }
        if set.is_excluded(address) {
            let why = format!("requested ip {address} is excluded from range set {set}");
            return Err(Failure::new(ErrorCode::INVALID_NETWORK_CONFIG, why));
        }
        if let Some(range) = set.range_for(address)
            && self.store.reserve(address, self.reservation)?
        {
            return Ok(Reserved::new(address, range, last));
        }
        let why = format!("requested IP address {address} is not available in range set {set}");
        Err(Failure::new(ErrorCode::TRY_AGAIN_LATER, why))
    }
}

impl Reserved {
    fn new(address: IpAddr, range: &Range, last: Option<Vec<u8>>) -> Self {
        let net =
            IpNet::new(address, range.subnet().prefix_len()).expect("a subnet's prefix fits its addresses");
        Self { config: IpConfig::new(net).gateway(range.gateway()), address, last, is_last: false }
    }
}

/// Why a set gave no address. The set is named in front of it.
enum Failure {
    Refused(ErrorCode, String),
    Other(Error),
}

impl Failure {
    fn new(code: ErrorCode, why: String) -> Self {
        Self::Refused(code, why)
    }

    fn in_set(self, index: usize) -> Error {
        match self {
            Self::Refused(code, why) => {
                Error::new(code, format!("failed to allocate for range {index}: {why}"))
            }
            Self::Other(error) => error,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use cni_skel::types::{Attachment, ContainerId, IfName, NetworkName};

    use super::{Allocation, Reservation, allocate};
    use crate::range::tests::spec;
    use crate::range_set::RangeSet;
    use crate::store::Store;

    fn store(dir: &Path) -> Store {
        Store::new(dir, &NetworkName::try_from("net").unwrap())
    }

    fn attachment(id: &str) -> Attachment {
        Attachment::new(ContainerId::try_from(id).unwrap(), IfName::try_from("eth0").unwrap())
    }

    fn add(store: &Store, id: &str) -> Allocation {
        let sets = [
            RangeSet::new(&[spec("10.1.2.0/29", "", "", "")]),
            RangeSet::new(&[spec("2001:db8::/64", "", "", "")]),
        ];
        let sets = sets.map(Result::unwrap);
        let reservation = Reservation::prepare(store, &attachment(id), 2, false).unwrap();
        let locked = store.lock_or_create().unwrap();
        allocate(&locked, &attachment(id), &reservation, &sets, &[None, None]).unwrap()
    }

    /// The files of the network with their contents, without the lock.
    fn state(dir: &Path) -> Vec<(String, String)> {
        let entries = std::fs::read_dir(dir.join("net")).unwrap().map(Result::unwrap);
        let mut state: Vec<_> = entries
            .map(|entry| {
                let contents = std::fs::read_to_string(entry.path()).unwrap();
                (entry.file_name().into_string().unwrap(), contents)
            })
            .filter(|(name, _)| name != "lock")
            .collect();
        state.sort();
        state
    }

    #[test]
    fn an_undone_allocation_leaves_no_trace() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        add(&store, "a").undo(&store).unwrap();
        assert!(state(dir.path()).is_empty());

        add(&store, "a");
        let before = state(dir.path());
        let undone = add(&store, "b");
        undone.undo(&store).unwrap();
        assert_eq!(state(dir.path()), before);
        undone.undo(&store).unwrap();
        assert_eq!(state(dir.path()), before);
    }

    #[test]
    fn undoing_an_allocation_keeps_what_others_did_since() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let first = add(&store, "a");
        add(&store, "b");
        let after = state(dir.path());
        first.undo(&store).unwrap();
        let kept: Vec<_> = after.into_iter().filter(|(_, contents)| contents != "a\r\neth0").collect();
        assert_eq!(state(dir.path()), kept);
        assert!(kept.contains(&("last_reserved_ip.0".into(), "10.1.2.3".into())));
    }

    #[test]
    fn undoing_an_allocation_does_not_release_what_another_container_got_since() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let first = add(&store, "a");
        std::fs::write(dir.path().join("net/10.1.2.2"), "b\r\neth0").unwrap();
        first.undo(&store).unwrap();
        assert_eq!(state(dir.path()), [("10.1.2.2".to_owned(), "b\r\neth0".to_owned())]);
    }
}
