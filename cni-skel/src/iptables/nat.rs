//! Table `nat` of a family, and how it is read and changed.

use std::sync::Arc;

use super::family::Family;
use super::programs::Programs;
use crate::nft::Nft;
use crate::request::Call;

/// Table `nat` of a family.
#[derive(Debug, Clone)]
pub struct Nat {
    pub(super) call: Arc<Call>,
    pub(super) family: Family,
    pub(super) access: Access,
}

#[derive(Debug, Clone)]
pub(super) enum Access {
    Netlink(Nft),
    Programs(Programs),
}

impl Nat {
    /// Returns the family.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Returns whether this is the table of `iptables-legacy`, where reading anything runs a program.
    pub fn is_legacy(&self) -> bool {
        matches!(self.access, Access::Programs(_))
    }
}
