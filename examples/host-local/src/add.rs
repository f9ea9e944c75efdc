//! ADD: one address from each range set, all of them or none.

use std::collections::HashSet;
use std::net::IpAddr;

use cni_skel::types::{Attachment, ErrorCode, IpConfig};
use cni_skel::{Error, Errors, Result};
use ipnet::IpNet;

use crate::range::Range;
use crate::range_set::RangeSet;
use crate::store::{Locked, Store};

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
    /// What `last_reserved_ip.<set>` held, once it has been replaced.
    replaced: Option<Option<Vec<u8>>>,
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
    sets: &[RangeSet],
    requested: &[Option<IpAddr>],
) -> Result<Allocation> {
    let pool = Pool::read(store, attachment, sets)?;
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
            if let Some(before) = &reserved.replaced
                && store.last_reserved(set).as_deref() == Some(address.to_string().as_bytes())
            {
                errors.attempt(store.set_last_reserved(set, before.as_deref()));
            }
            let owner = errors.attempt(store.owner(address)).flatten();
            if owner.is_some_and(|owner| owner.is(&self.attachment)) {
                errors.attempt(store.release(address));
            }
        }
        errors.finish()
    }
}

/// What one pass over the directory has found about the addresses of our sets.
struct Pool<'a> {
    store: &'a Locked,
    taken: HashSet<IpAddr>,
    /// Files that a crash emptied. They hold nothing; the address is free once the file is removed.
    emptied: HashSet<IpAddr>,
    /// Addresses that the attachment holds already.
    held: Vec<IpAddr>,
}

impl<'a> Pool<'a> {
    fn read(store: &'a Locked, attachment: &Attachment, sets: &[RangeSet]) -> Result<Self> {
        let entries = store.entries()?;
        let mut pool = Self { store, taken: entries.taken(), emptied: HashSet::new(), held: Vec::new() };
        for address in entries.files {
            if !sets.iter().any(|set| set.contains(address)) {
                continue;
            }
            // A file that cannot be read holds its address for someone; it is no reason to fail.
            let Ok(Some(owner)) = store.owner(address) else { continue };
            if owner.is_nobody() {
                pool.taken.remove(&address);
                pool.emptied.insert(address);
            } else if owner.is(attachment) || owner.is_legacy(attachment) {
                pool.held.push(address);
            }
        }
        Ok(pool)
    }

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
            let before = self.store.last_reserved(index);
            self.store.set_last_reserved(index, Some(reserved.address.to_string().as_bytes()))?;
            reserved.replaced = Some(before);
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
        if let Some(address) = requested {
            if set.is_gateway(address) {
                let why = format!("requested ip {address} is subnet's gateway");
                return Err(Failure::new(ErrorCode::INVALID_NETWORK_CONFIG, why));
            }
            if let Some(range) = set.range_for(address)
                && self.try_address(address, attachment)?
            {
                return Ok(Reserved::new(address, range));
            }
            let why = format!("requested IP address {address} is not available in range set {set}");
            return Err(Failure::new(ErrorCode::TRY_AGAIN_LATER, why));
        }
        let last = self.store.last_reserved(index);
        let last = last.and_then(|text| std::str::from_utf8(&text).ok()?.trim().parse::<IpAddr>().ok());
        for (address, range) in set.candidates(last.map(|last| last.to_canonical())) {
            if self.try_address(address, attachment)? {
                return Ok(Reserved::new(address, range));
            }
        }
        let why = format!("no IP addresses available in range set: {set}");
        Err(Failure::new(ErrorCode::TRY_AGAIN_LATER, why))
    }

    fn try_address(&self, address: IpAddr, attachment: &Attachment) -> Result<bool> {
        if self.taken.contains(&address) {
            return Ok(false);
        }
        if self.emptied.contains(&address) {
            self.store.release(address)?;
        }
        self.store.reserve(address, attachment)
    }
}

impl Reserved {
    fn new(address: IpAddr, range: &Range) -> Self {
        let net =
            IpNet::new(address, range.subnet().prefix_len()).expect("a subnet's prefix fits its addresses");
        Self { config: IpConfig::new(net).gateway(range.gateway()), address, replaced: None }
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

    use super::{Allocation, allocate};
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
        allocate(&store.lock_or_create().unwrap(), &attachment(id), &sets, &[None, None]).unwrap()
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
