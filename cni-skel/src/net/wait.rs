//! Waiting for a link or its addresses, with the kernel's notifications.

use std::io;
use std::time::{Duration, Instant};

use super::address::{self, Address};
use super::constants::{
    RTM_DELADDR, RTM_DELLINK, RTM_NEWADDR, RTM_NEWLINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
    RTNLGRP_LINK,
};
use super::error::NetError;
use super::handle::{Net, Task};
use super::link::{Link, OperState, by_index, decode, no_link};
use super::numbers::LinkIndex;
use crate::netlink::{Answer, Event, Messages, Refusal, Request, Transport};

impl Net {
    /// Waits until a link can carry packets. Returns the link in that state.
    ///
    /// That is when its state is [`OperState::Up`]. The state of `lo`, a `dummy` and others whose driver
    /// [reports no carrier](Link::reports_carrier) stays [`OperState::Unknown`]; for these it is when they are set up.
    ///
    /// # Errors
    ///
    /// As [`wait_for_link`](Self::wait_for_link).
    pub fn wait_until_up(&self, link: LinkIndex, timeout: Duration) -> Result<Link, NetError> {
        self.wait_for_link(link, timeout, can_carry_packets)
    }

    /// Waits until a closure accepts the state of a link. Returns the link in that state.
    ///
    /// The kernel announces each change, so the wait ends as soon as the change is made. This handle and its clones are
    /// locked meanwhile: a closure that uses one of them waits for ever.
    ///
    /// # Errors
    ///
    /// There is no such link or it is deleted ([`NetError::is_not_found`]), the timeout expires ([`NetError::is_timeout`]), or
    /// the kernel refuses.
    pub fn wait_for_link(
        &self,
        link: LinkIndex,
        timeout: Duration,
        is_ready: impl FnMut(&Link) -> bool,
    ) -> Result<Link, NetError> {
        let wait = Wait {
            groups: &[RTNLGRP_LINK],
            kinds: [RTM_NEWLINK, RTM_DELLINK],
            link,
            ask: |transport: &mut dyn Transport| {
                ask_one(transport, by_index(link))?.messages().find_map(decode).ok_or_else(no_link)
            },
            is_ready,
        };
        let waited = wait.until(&mut *self.transport(), Instant::now().checked_add(timeout));
        waited.map_err(|refusal| self.failed(&Task::on("wait any longer for", link), refusal))
    }

    /// Waits until a closure accepts the addresses of a link, for example because none of them is
    /// [tentative](super::AddressFlags::is_tentative). Returns these addresses.
    ///
    /// It waits as [`wait_for_link`](Self::wait_for_link) does.
    ///
    /// # Errors
    ///
    /// There is no such link, the timeout expires ([`NetError::is_timeout`]), or the kernel refuses.
    pub fn wait_for_addresses(
        &self,
        link: LinkIndex,
        timeout: Duration,
        mut is_ready: impl FnMut(&[Address]) -> bool,
    ) -> Result<Vec<Address>, NetError> {
        let wait = Wait {
            groups: &[RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR],
            kinds: [RTM_NEWADDR, RTM_DELADDR],
            link,
            ask: |transport: &mut dyn Transport| {
                Ok(address::in_list(&ask_one(transport, address::list(Some(link)))?, Some(link)))
            },
            is_ready: |addresses: &Vec<Address>| is_ready(addresses),
        };
        let waited = wait.until(&mut *self.transport(), Instant::now().checked_add(timeout));
        waited
            .map_err(|refusal| self.failed(&Task::on("wait any longer for the addresses of", link), refusal))
    }
}

/// A driver that reports the carrier has not yet done so for the current state if that is unknown.
fn can_carry_packets(link: &Link) -> bool {
    match link.oper_state {
        OperState::Up => true,
        OperState::Unknown => link.flags.is_up() && !link.reports_carrier,
        _ => false,
    }
}

/// A wait for the state of a link.
struct Wait<'a, A, R> {
    /// The multicast groups that announce changes of the state.
    groups: &'a [u32],
    /// The types of the announcements.
    kinds: [u16; 2],
    link: LinkIndex,
    /// Reads the state.
    ask: A,
    /// Returns whether the wait is over.
    is_ready: R,
}

impl<T, A, R> Wait<'_, A, R>
where
    A: FnMut(&mut dyn Transport) -> Result<T, Refusal>,
    R: FnMut(&T) -> bool,
{
    fn until(mut self, transport: &mut dyn Transport, deadline: Option<Instant>) -> Result<T, Refusal> {
        let now = (self.ask)(transport)?;
        if (self.is_ready)(&now) {
            return Ok(now);
        }
        let joined = Joined(transport, self.groups);
        for group in self.groups {
            joined.0.join(*group)?;
        }
        self.watch(joined.0, deadline)
    }

    fn watch(&mut self, transport: &mut dyn Transport, deadline: Option<Instant>) -> Result<T, Refusal> {
        // Changes made before the groups were joined were not announced.
        let mut ask_again = true;
        loop {
            if std::mem::take(&mut ask_again) {
                let now = (self.ask)(transport)?;
                if (self.is_ready)(&now) {
                    return Ok(now);
                }
            }
            match transport.event(deadline)? {
                // A notification holds less than an answer, so it is only a reason to ask again.
                Event::Messages(bytes) => {
                    ask_again = Messages::new(&bytes).any(|m| self.is_about(m.kind, m.payload));
                }
                Event::Lost => ask_again = true,
                Event::TimedOut => return Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            }
        }
    }

    /// Returns whether a notification is about the link. Its index is at the same offset in `ifinfomsg` and `ifaddrmsg`.
    fn is_about(&self, kind: u16, payload: &[u8]) -> bool {
        self.kinds.contains(&kind) && payload.get(4..8) == Some(&self.link.get().to_ne_bytes())
    }
}

/// Leaves the groups when it is dropped, also if the caller's closure panics. Notifications that nobody reads would fill
/// the socket's buffer.
struct Joined<'a>(&'a mut dyn Transport, &'a [u32]);

impl Drop for Joined<'_> {
    fn drop(&mut self) {
        for group in self.1 {
            // If this fails, later answers are still distinguished from notifications by their sequence numbers.
            let _ = self.0.leave(*group);
        }
    }
}

fn ask_one(transport: &mut dyn Transport, request: Request) -> Result<Answer, Refusal> {
    match transport.exchange(&mut [request])?.pop() {
        Some(Answer { refusal: Some(refusal), .. }) => Err(refusal),
        Some(answer) => Ok(answer),
        None => Err(no_link()),
    }
}
