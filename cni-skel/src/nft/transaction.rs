//! Changes that depend on what is there.

use super::batch::Batch;
use super::handle::Nft;
use super::lock::Lock;
use crate::net::NetError;
use crate::netlink::pause;

/// How often a transaction is refused because another program changed the ruleset, before it is made regardless.
const CHECKED_TRIES: u32 = 10;
/// How often it is made regardless, while what it changes goes or comes in between.
const UNCHECKED_TRIES: u32 = 10;

impl Nft {
    /// Makes changes that depend on what is there: the closure looks at the ruleset and fills the batch, and is called
    /// again if another program changed the ruleset before the batch was sent.
    ///
    /// Plugins of this library wait for one another, so that many at once do not disturb each other. Other programs do not.
    /// If they change the ruleset ten times in a row between look and change, the change is made without that check: it
    /// then fails only if what it names has gone or is there already.
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
    /// The closure's; that of [`Batch::send`].
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
