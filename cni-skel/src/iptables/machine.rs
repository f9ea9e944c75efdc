//! iptables of a host: its kind, and its tables.

use std::io;
use std::sync::Arc;

use super::family::{Family, NAT};
use super::nat::{Access, Nat};
use super::programs::{self, Programs, is_nftables};
use crate::nft::Nft;
use crate::request::Call;
use crate::seam::{Operation, World};
use crate::{Context, Error, Result};

/// iptables on the host, in the network namespace that the plugin runs in.
#[derive(Debug, Clone)]
pub struct Iptables {
    call: Arc<Call>,
    nft: Option<Nft>,
}

impl Iptables {
    /// Creates the value for a request. Reads nothing yet.
    pub fn of(context: &Context) -> Self {
        Self { call: Arc::clone(&context.call), nft: None }
    }

    /// Uses an open handle to the ruleset of the namespace that the plugin runs in. Otherwise each table opens one of its own,
    /// and closing each of them can wait for the kernel.
    #[must_use]
    pub fn over(self, nft: &Nft) -> Self {
        Self { nft: Some(nft.clone()), ..self }
    }

    /// Returns whether there is a program `iptables` in `PATH` or in a directory for administrators' programs.
    pub fn is_installed(&self) -> bool {
        programs::find(&self.call, Family::Ipv4.program()).is_some()
    }

    /// Opens the table that the host's `iptables` or `ip6tables` shows. Without such a program it is the table of nftables.
    ///
    /// # Errors
    ///
    /// Code 999 if a netlink socket cannot be opened, 5 if `iptables-save` or `iptables-restore` is missing.
    pub fn nat(&self, family: Family) -> Result<Nat> {
        let access = match programs::find(&self.call, family.program()) {
            Some(program) if !is_nftables(&program) => {
                Access::Programs(Programs::of(&self.call, family.program())?)
            }
            _ => Access::Netlink(self.nft.clone().map_or_else(Nft::open, Ok)?),
        };
        Ok(Nat { call: Arc::clone(&self.call), family, access })
    }

    /// Opens every table `nat` that may have rules, to remove rules whatever kind of iptables the host had when they were
    /// added: the table of nftables, and that of `iptables-legacy` if the kernel has one and there is a program to change it.
    ///
    /// # Errors
    ///
    /// Code 999 if a netlink socket cannot be opened, 5 if the kernel's list of tables cannot be read.
    pub fn all_nats(&self, family: Family) -> Result<Vec<Nat>> {
        let netlink = match &self.nft {
            Some(nft) => Some(nft.clone()),
            None => Nft::open_if_supported()?,
        };
        let netlink = netlink.map(Access::Netlink);
        let legacy = has_legacy(family)?.then(|| Programs::of_legacy(&self.call, family.program())).flatten();
        let all = netlink.into_iter().chain(legacy.map(Access::Programs));
        Ok(all.map(|access| Nat { call: Arc::clone(&self.call), family, access }).collect())
    }
}

/// Returns whether the kernel has a table `nat` of `iptables-legacy`.
fn has_legacy(family: Family) -> Result<bool> {
    let world = World::current();
    if world.kernel.is_some() {
        return Ok(false);
    }
    let path = family.names();
    let read = world.carry_out(&Operation::ReadFile("read", path), || std::fs::read_to_string(path));
    match read {
        Ok(names) => Ok(names.lines().any(|name| name == NAT)),
        Err(absent) if absent.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(Error::io(format!("cannot read {}", path.display()), cause)),
    }
}
