//! iptables of a machine: which kind it is, and its tables.

use std::io;
use std::sync::Arc;

use super::family::{Family, NAT};
use super::nat::{How, Nat};
use super::programs::{self, Programs, is_nftables};
use crate::nft::Nft;
use crate::request::Call;
use crate::seam::{Operation, World};
use crate::{Context, Error, Result};

/// iptables on the machine of a call, in the namespace that the plugin runs in.
#[derive(Debug, Clone)]
pub struct Iptables {
    call: Arc<Call>,
    nft: Option<Nft>,
}

impl Iptables {
    /// That of a request. Nothing is looked at yet.
    pub fn of(context: &Context) -> Self {
        Self { call: Arc::clone(&context.call), nft: None }
    }

    /// The same by a handle that is open already, of the namespace that the plugin runs in. Each handle that is closed can
    /// be a wait for what the kernel frees, and without this each table has one of its own.
    #[must_use]
    pub fn over(self, nft: &Nft) -> Self {
        Self { nft: Some(nft.clone()), ..self }
    }

    /// Whether there is a program `iptables`, in `PATH` or where an administrator's programs are.
    pub fn is_installed(&self) -> bool {
        programs::find(&self.call, Family::Ipv4.program()).is_some()
    }

    /// Opens the table in which the machine's `iptables` or `ip6tables` would show rules. Without such a program it is
    /// the one of nftables.
    ///
    /// # Errors
    /// Code 999 when no netlink socket can be opened, 5 when a program that belongs to `iptables` is missing.
    pub fn nat(&self, family: Family) -> Result<Nat> {
        let how = match programs::find(&self.call, family.program()) {
            Some(program) if !is_nftables(&program) => {
                How::Programs(Programs::of(&self.call, family.program())?)
            }
            _ => How::Netlink(self.nft.clone().map_or_else(Nft::open, Ok)?),
        };
        Ok(Nat { call: Arc::clone(&self.call), family, how })
    }

    /// Opens every table `nat` that may have rules, for who has to remove what was made when the machine was another: that
    /// of nftables, and that of the older iptables if there is one and a program that can change it.
    ///
    /// # Errors
    /// Code 999 when no netlink socket can be opened, 5 when the kernel's list of tables cannot be read.
    pub fn all_nats(&self, family: Family) -> Result<Vec<Nat>> {
        let netlink = match &self.nft {
            Some(nft) => Some(nft.clone()),
            None => Nft::open_if_supported()?,
        };
        let netlink = netlink.map(How::Netlink);
        let older = has_older(family)?.then(|| Programs::of_older(&self.call, family.program())).flatten();
        let all = netlink.into_iter().chain(older.map(How::Programs));
        Ok(all.map(|how| Nat { call: Arc::clone(&self.call), family, how }).collect())
    }
}

/// Whether the kernel has a table `nat` of the older iptables.
fn has_older(family: Family) -> Result<bool> {
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
