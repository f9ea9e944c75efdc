//! Changes that depend on the ruleset.

use super::batch::Batch;
use super::handle::Nft;
use super::lock::Lock;
use crate::net::NetError;
use crate::netlink::pause;

/// The number of tries that require an unchanged ruleset.
const CHECKED_TRIES: u32 = 10;
/// The number of later tries, which do not.
const UNCHECKED_TRIES: u32 = 10;

impl Nft {
    /// Makes changes that depend on the ruleset. The closure reads the ruleset and fills the batch. It is called again if
    /// another program changed the ruleset before the batch was sent.
    ///
    /// Plugins that use this library take turns with a lock. Other programs do not use it. If they change the ruleset ten times
    /// in a row, the batch is sent without a check for changes. It then fails only if an object to delete does not exist, or
    /// one to create exists.
    ///
    /// ```no_run
    /// # use cni_skel::nft::{Chain, Nft};
    /// # fn f(nft: &Nft, chain: &Chain) -> Result<(), cni_skel::net::NetError> {
    /// nft.transaction(|batch| {
    ///     let ours = nft.find_rules(chain, |rule| rule.as_comment() == Some("a container"))?;
    ///     Ok(ours.iter().fold(batch, |batch, rule| batch.delete_rule(rule)))
    /// })
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The closure fails, or the kernel refuses a change.
    pub fn transaction<'a, E: From<NetError>>(
        &'a self,
        mut fill: impl FnMut(Batch<'a>) -> Result<Batch<'a>, E>,
    ) -> Result<(), E> {
        let _lock = Lock::take();
        let mut tries = 0;
        loop {
            tries += 1;
            let is_checked = tries <= CHECKED_TRIES;
            let batch = if is_checked { self.batch().only_at(self.generation()?) } else { self.batch() };
            match fill(batch)?.send() {
                Err(outdated) if outdated.is_outdated() => {}
                Err(changed)
                    if !is_checked
                        && tries < CHECKED_TRIES + UNCHECKED_TRIES
                        && (changed.is_not_found() || changed.is_exists() || changed.is_busy()) => {}
                outcome => return Ok(outcome?),
            }
            pause(tries);
        }
    }
}
