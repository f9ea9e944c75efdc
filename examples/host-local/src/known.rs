//! What is known about the addresses in use: from the index, or from reading the folder.

use std::collections::HashSet;
use std::net::IpAddr;

use cni_skel::Error;

use crate::address::Family;
use crate::index::Index;
use crate::owner::Owner;

/// What the state of a network is known from.
#[derive(Debug)]
pub(crate) enum Known {
    Index(Index),
    Scan(Scan),
}

/// What one pass over the folder has found.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// The addresses in use, and by whom.
    pub(crate) holdings: Vec<(IpAddr, Owner)>,
    /// The addresses in use by whom cannot be told.
    pub(crate) others: Vec<IpAddr>,
    /// The addresses whose file a crash emptied. They are free once that is removed.
    pub(crate) emptied: Vec<IpAddr>,
    /// What could not be read.
    pub(crate) errors: Vec<Error>,
    /// Whether a killed call has left something half done.
    pub(crate) unfinished: bool,
    taken: HashSet<IpAddr>,
}

impl Scan {
    /// What the names alone tell.
    pub(crate) fn of_names(addresses: impl Iterator<Item = IpAddr>) -> Self {
        Self { others: addresses.collect(), ..Self::default() }.with_taken()
    }

    /// Prepares for the search for free addresses.
    pub(crate) fn with_taken(mut self) -> Self {
        let held = self.holdings.iter().map(|(address, _)| address);
        self.taken = held.chain(&self.others).copied().collect();
        self
    }

    pub(crate) fn len(&self) -> usize {
        self.taken.len()
    }

    /// Takes as many steps as addresses are in use.
    pub(crate) fn next_free(&self, family: Family, first: u128, last: u128) -> Option<u128> {
        (first..=last).find(|number| !self.taken.contains(&family.address(*number)))
    }

    pub(crate) fn add(&mut self, address: IpAddr) {
        self.taken.insert(address);
    }

    pub(crate) fn remove(&mut self, address: IpAddr) {
        self.taken.remove(&address);
    }
}
