//! Table `nat` of iptables, for who has to share it with other programs.
//!
//! Where `iptables` is nftables underneath, as on most machines, [`Nat`] makes the very objects in the kernel that it
//! would make, over netlink, and runs no program. Where it is the older one, and for what only the program can say, one
//! `iptables-restore` carries out a [`Batch`]; that waits 10 seconds at most for the lock of iptables. Which of the two
//! it is shows when it is needed, and nothing is looked for or tried before.
//!
//! Changes are collected in a batch, which is carried out whole or not at all. [`Nat::transaction`] makes changes that
//! depend on what is there, and starts anew when another program was faster.
//!
//! What was deleted the kernel frees later, and whoever closes a handle waits for that: see [`nft`].
//!
//! Not here: other tables, policies of chains, and matches and targets that no plugin needed. Rules that have them are
//! listed all the same, and can be deleted.
//!
//! Order of use inside: `rule`, `fault`; `words`, `options`; `extension`, `steps`; `programs`, `listing`, `batch`; this module on
//! top.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::net::NetError;
use crate::nft::{self, Base, Chain, ChainType, Hook, Nft, Table};
use crate::request::Call;
use crate::seam::{Operation, World};
use crate::{Context, Error, Result};

mod batch;
mod extension;
mod fault;
mod listing;
mod options;
mod programs;
mod rule;
mod steps;
mod words;

#[cfg(test)]
mod tests;

pub use batch::Batch;
pub use fault::is_chain_name;
pub use listing::Listing;
pub use rule::Rule;

use programs::{Programs, is_nftables};

/// How long a transaction is tried again while other programs change the table.
const PATIENCE: Duration = Duration::from_secs(10);
/// What iptables calls the table.
const NAT: &str = "nat";

/// Which packets a table is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "iptables has no others")]
pub enum Family {
    /// IPv4: `iptables`.
    Ipv4,
    /// IPv6: `ip6tables`.
    Ipv6,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ipv4, Self::Ipv6];

    /// That of an address.
    pub fn of(address: impl Into<std::net::IpAddr>) -> Self {
        if address.into().is_ipv4() { Self::Ipv4 } else { Self::Ipv6 }
    }

    fn program(self) -> &'static str {
        match self {
            Self::Ipv4 => "iptables",
            Self::Ipv6 => "ip6tables",
        }
    }

    /// Where the older iptables says which tables there are.
    fn names(self) -> &'static Path {
        Path::new(match self {
            Self::Ipv4 => "/proc/thread-self/net/ip_tables_names",
            Self::Ipv6 => "/proc/thread-self/net/ip6_tables_names",
        })
    }

    fn table(self) -> Table {
        let family = match self {
            Self::Ipv4 => nft::Family::Ip,
            Self::Ipv6 => nft::Family::Ip6,
        };
        Table::new(family, NAT)
    }

    /// A chain as nftables has it: those that packets come to by themselves are of certain names.
    fn chain(self, name: &str) -> Chain {
        let base = match name {
            "PREROUTING" => Base::new(ChainType::Nat, Hook::Prerouting, Base::DSTNAT),
            "INPUT" => Base::new(ChainType::Nat, Hook::Input, Base::SRCNAT),
            "OUTPUT" => Base::new(ChainType::Nat, Hook::Output, Base::DSTNAT),
            "POSTROUTING" => Base::new(ChainType::Nat, Hook::Postrouting, Base::SRCNAT),
            other => return Chain::new(&self.table(), other),
        };
        Chain::base(&self.table(), name, base)
    }

    /// Where a packet has its source and its destination.
    fn offsets(self) -> [u32; 2] {
        match self {
            Self::Ipv4 => [12, 16],
            Self::Ipv6 => [8, 24],
        }
    }

    fn address_length(self) -> usize {
        match self {
            Self::Ipv4 => 4,
            Self::Ipv6 => 16,
        }
    }
}

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

/// Table `nat` of a family.
#[derive(Debug, Clone)]
pub struct Nat {
    call: Arc<Call>,
    family: Family,
    how: How,
}

#[derive(Debug, Clone)]
enum How {
    Netlink(Nft),
    Programs(Programs),
}

/// What looks at a table and says what is to change.
type Fill<'f, 'a> = &'f mut dyn FnMut(&Listing<'a>, Batch<'a>) -> Result<Batch<'a>>;

/// Why netlink did not do it.
enum Stop {
    Failed(Error),
    Refused(NetError),
    /// Only a program can say it.
    Words,
}

impl From<NetError> for Stop {
    fn from(error: NetError) -> Self {
        Self::Refused(error)
    }
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

    /// Starts to collect changes.
    pub fn batch(&self) -> Batch<'_> {
        Batch::new(self)
    }

    /// Makes changes that depend on what is there: the closure looks at the table and fills the batch, and is called again
    /// when another program changed the table before the batch was sent.
    ///
    /// ```no_run
    /// use cni_skel::iptables::{Family, Iptables, Rule};
    ///
    /// # fn f(req: &cni_skel::DelRequest) -> cni_skel::Result<()> {
    /// for nat in Iptables::of(req).all_nats(Family::Ipv4)? {
    ///     nat.transaction(|listing, batch| {
    ///         let is_ours = |rule: &Rule| rule.as_comment() == Some("a container");
    ///         let ours = listing.find_rules("POSTROUTING", is_ours)?;
    ///         Ok(ours.iter().fold(batch, |batch, rule| batch.delete_rule(rule)))
    ///     })?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The closure's; that of [`Batch::send`]; code 11 when the table kept changing for 10 seconds.
    pub fn transaction<'a>(
        &'a self,
        mut fill: impl FnMut(&Listing<'a>, Batch<'a>) -> Result<Batch<'a>>,
    ) -> Result<()> {
        self.carry_out(&mut fill)
    }

    /// There is one of it, however many transactions a program has.
    fn carry_out<'a>(&'a self, fill: Fill<'_, 'a>) -> Result<()> {
        match &self.how {
            How::Programs(programs) => self.by_programs(programs, fill),
            How::Netlink(nft) => {
                let listing = Listing::of_kernel(self.family, nft);
                let outcome = nft.transaction::<Stop>(|to| {
                    let batch = fill(&listing, self.batch()).map_err(Stop::Failed)?;
                    batch.onto(to, &|chain| has_chain(nft, chain)).ok_or(Stop::Words)
                });
                outcome.or_else(|stop| self.by_programs(&self.after(nft, stop)?, fill))
            }
        }
    }

    /// The programs that do what netlink cannot.
    fn after(&self, nft: &Nft, stop: Stop) -> Result<Programs> {
        match stop {
            Stop::Failed(error) => return Err(error),
            Stop::Refused(error) if error.is_outdated() => {
                let msg = format!("table nat of {} keeps changing", self.family.program());
                return Err(Error::new(cni_types::ErrorCode::TRY_AGAIN_LATER, msg));
            }
            // So it says about a step that it does not know, and about a chain that is not there.
            Stop::Refused(error)
                if !error.is_unsupported() && !error.is_not_found() || nft.has_extensions() =>
            {
                return Err(error.into());
            }
            Stop::Refused(_) | Stop::Words => {}
        }
        Programs::of_nftables(&self.call, self.family.program())
    }

    fn by_programs<'a>(&'a self, programs: &Programs, fill: Fill<'_, 'a>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let listing = Listing::of_programs(programs.clone());
            let Some(script) = fill(&listing, self.batch())?.script(&listing)? else { return Ok(()) };
            match programs.restore(&script) {
                // What it was made for may have changed meanwhile, and only then it may go well next time.
                Err(_) if Instant::now() < deadline && listing.is_outdated()? => {}
                outcome => return outcome,
            }
        }
    }
}

fn has_chain(nft: &Nft, chain: &Chain) -> bool {
    nft.find_chain(chain).is_ok_and(|found| found.is_some())
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
