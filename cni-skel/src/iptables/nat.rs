//! Table `nat` of a family, and the way to change it.

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
    pub(super) how: How,
}

#[derive(Debug, Clone)]
pub(super) enum How {
    Netlink(Nft),
    Programs(Programs),
}

impl Nat {
    /// The family that it is of.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Whether it is the one of the older iptables, where a look at anything is a run of a program.
    pub fn is_older(&self) -> bool {
        matches!(self.how, How::Programs(_))
    }
}
