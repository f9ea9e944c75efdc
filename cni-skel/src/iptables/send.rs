//! Sending changes: over netlink, or with a program where that is not possible.

use super::batch::Batch;
use super::listing::Listing;
use super::nat::{Access, Nat};
use super::programs::Programs;
use crate::net::NetError;
use crate::nft::{Lock, Nft};
use crate::{Error, Result};

/// The number of tries if other programs change the table between reading and changing it.
const TRIES: u32 = 20;

/// A closure that reads a table and adds changes to a batch.
type FillBatch<'f, 'a> = &'f mut dyn FnMut(&Listing<'a>, Batch<'a>) -> Result<Batch<'a>>;

/// Why changes were not made over netlink.
enum Failure {
    /// The closure failed.
    Closure(Error),
    /// The kernel refused.
    Kernel(NetError),
    /// Only the program knows a condition.
    NeedsProgram,
}

impl From<NetError> for Failure {
    fn from(error: NetError) -> Self {
        Self::Kernel(error)
    }
}

impl Batch<'_> {
    /// Sends the changes. Does nothing if there are none.
    ///
    /// # Errors
    ///
    /// Code 999 if the kernel or the program refuses a change, 5 if the program cannot be run, and 11 if another program held
    /// the lock of iptables for too long. Then nothing is changed.
    pub fn send(self) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        self.nat.send_filled(&mut |_, _| Ok(self.clone()))
    }
}

impl Nat {
    /// Starts a batch of changes.
    pub fn batch(&self) -> Batch<'_> {
        Batch::new(self)
    }

    /// Makes changes that depend on the table. The closure reads the table and fills the batch. It is called again if another
    /// program changed the table before the batch was sent, as with
    /// [`Nft::transaction`](crate::nft::Nft::transaction).
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
    ///
    /// The closure fails, or as [`Batch::send`].
    pub fn transaction<'a>(
        &'a self,
        mut fill: impl FnMut(&Listing<'a>, Batch<'a>) -> Result<Batch<'a>>,
    ) -> Result<()> {
        self.send_filled(&mut fill)
    }

    /// Returns what is in the table, to read without changing it. Unlike a [`transaction`](Self::transaction), it takes no lock,
    /// and another program may change the table between two reads.
    pub fn listing(&self) -> Listing<'_> {
        match &self.access {
            Access::Programs(programs) => Listing::of_programs(programs.clone()),
            Access::Netlink(nft) => Listing::of_kernel(self.family, nft),
        }
    }

    /// Is not generic, so that it is compiled only once.
    fn send_filled<'a>(&'a self, fill: FillBatch<'_, 'a>) -> Result<()> {
        match &self.access {
            Access::Programs(programs) => self.run_programs(programs, fill),
            Access::Netlink(nft) => {
                let listing = Listing::of_kernel(self.family, nft);
                let outcome = nft.transaction::<Failure>(|to| {
                    let batch = fill(&listing, self.batch()).map_err(Failure::Closure)?;
                    batch.add_to(to).ok_or(Failure::NeedsProgram)
                });
                outcome.or_else(|failure| self.run_programs(&self.programs_after(nft, failure)?, fill))
            }
        }
    }

    /// Returns the programs that can make the changes instead, or the error if none can.
    fn programs_after(&self, nft: &Nft, failure: Failure) -> Result<Programs> {
        match failure {
            Failure::Closure(error) => return Err(error),
            // The kernel answers so about an unknown extension, and also about a missing chain.
            Failure::Kernel(error)
                if !error.is_unsupported() && !error.is_not_found() || nft.has_extensions() =>
            {
                return Err(error.into());
            }
            Failure::Kernel(_) | Failure::NeedsProgram => {}
        }
        Programs::of_nftables(&self.call, self.family.program())
    }

    fn run_programs<'a>(&'a self, programs: &Programs, fill: FillBatch<'_, 'a>) -> Result<()> {
        let _lock = Lock::take();
        let mut tries = 0;
        loop {
            tries += 1;
            let listing = Listing::of_programs(programs.clone());
            let Some(script) = fill(&listing, self.batch())?.script(&listing)? else { return Ok(()) };
            match programs.restore(&script) {
                // The table has changed since it was read, so the next try may succeed.
                Err(_) if tries < TRIES && listing.is_outdated()? => {}
                outcome => return outcome,
            }
        }
    }
}
