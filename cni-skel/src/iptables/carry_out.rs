//! How changes are carried out: by the kernel, or by a program where the kernel cannot.

use super::batch::Batch;
use super::listing::Listing;
use super::nat::{How, Nat};
use super::programs::Programs;
use crate::net::NetError;
use crate::nft::{Lock, Nft};
use crate::{Error, Result};

/// How often a program is run again because the table was changed between look and change.
const TRIES: u32 = 20;

/// What looks at a table and says what is to change.
type Fill<'f, 'a> = &'f mut dyn FnMut(&Listing<'a>, Batch<'a>) -> Result<Batch<'a>>;

/// Why the kernel did not carry out a change.
enum Stop {
    Failed(Error),
    Refused(NetError),
    /// Only a program understands the change.
    Words,
}

impl From<NetError> for Stop {
    fn from(error: NetError) -> Self {
        Self::Refused(error)
    }
}

impl Batch<'_> {
    /// Carries the changes out. If there are none, nothing is called.
    ///
    /// # Errors
    /// Nothing was changed then. Code 999 if a change is refused, with the reason of the kernel or the program; 5 if the
    /// program cannot be run, and 11 if another one held the lock of iptables for too long.
    pub fn send(self) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        self.nat.carry_out(&mut |_, _| Ok(self.clone()))
    }
}

impl Nat {
    /// Starts to collect changes.
    pub fn batch(&self) -> Batch<'_> {
        Batch::new(self)
    }

    /// Makes changes that depend on what is there: the closure looks at the table and fills the batch, and is called again
    /// if another program changed the table before the batch was sent. It is like
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
    /// The closure's; that of [`Batch::send`].
    pub fn transaction<'a>(
        &'a self,
        mut fill: impl FnMut(&Listing<'a>, Batch<'a>) -> Result<Batch<'a>>,
    ) -> Result<()> {
        self.carry_out(&mut fill)
    }

    /// Not generic, so that a program has it once for all its transactions.
    fn carry_out<'a>(&'a self, fill: Fill<'_, 'a>) -> Result<()> {
        match &self.how {
            How::Programs(programs) => self.by_programs(programs, fill),
            How::Netlink(nft) => {
                let listing = Listing::of_kernel(self.family, nft);
                let outcome = nft.transaction::<Stop>(|to| {
                    let batch = fill(&listing, self.batch()).map_err(Stop::Failed)?;
                    batch.add_to(to).ok_or(Stop::Words)
                });
                outcome.or_else(|stop| self.by_programs(&self.after(nft, stop)?, fill))
            }
        }
    }

    /// The programs that do what the kernel cannot.
    fn after(&self, nft: &Nft, stop: Stop) -> Result<Programs> {
        match stop {
            Stop::Failed(error) => return Err(error),
            // The kernel says so about a step that it does not know, and about a chain that is not there.
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
        let _lock = Lock::take();
        let mut tries = 0;
        loop {
            tries += 1;
            let listing = Listing::of_programs(programs.clone());
            let Some(script) = fill(&listing, self.batch())?.script(&listing)? else { return Ok(()) };
            match programs.restore(&script) {
                // The table has changed since it was looked at, so the next try may succeed.
                Err(_) if tries < TRIES && listing.is_outdated()? => {}
                outcome => return outcome,
            }
        }
    }
}
