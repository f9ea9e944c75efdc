//! Waiting for a link by the kernel's own notifications.

use std::io;
use std::time::{Duration, Instant};

use super::constants::{RTM_DELLINK, RTM_NEWLINK, RTNLGRP_LINK};
use super::link::{Link, OperState, by_index, decode, no_link};
use super::{Net, NetError, Task};
use crate::netlink::{Event, Messages, Refusal, Transport};

impl Net {
    /// Waits until packets can pass a link, and gives the link as it is then.
    ///
    /// # Errors
    ///
    /// As [`wait_for_link`](Self::wait_for_link).
    pub fn wait_until_up(&self, link: u32, timeout: Duration) -> Result<Link, NetError> {
        self.wait_for_link(link, timeout, |link| link.oper_state == OperState::Up)
    }

    /// Waits until a link is as it should be, and gives the link as it is then.
    ///
    /// The kernel tells of each change, so the wait is no longer than the change takes. Other users of
    /// this handle and its clones wait meanwhile, so the closure must not be one of them.
    ///
    /// # Errors
    ///
    /// There is no such link or it is deleted ([`NetError::is_not_found`]), the time is over
    /// ([`NetError::is_timeout`]), or the kernel refuses.
    pub fn wait_for_link(
        &self,
        link: u32,
        timeout: Duration,
        is_ready: impl FnMut(&Link) -> bool,
    ) -> Result<Link, NetError> {
        let deadline = Instant::now() + timeout;
        let waited = wait(&mut *self.transport(), link, deadline, is_ready);
        waited.map_err(|refusal| self.failed(&Task::on("wait for", link), refusal))
    }
}

fn wait(
    transport: &mut dyn Transport,
    link: u32,
    deadline: Instant,
    mut is_ready: impl FnMut(&Link) -> bool,
) -> Result<Link, Refusal> {
    let now = ask(transport, link)?;
    if is_ready(&now) {
        return Ok(now);
    }
    transport.join(RTNLGRP_LINK)?;
    let joined = Joined(transport);
    watch(joined.0, link, deadline, is_ready)
}

/// Leaves the group, also when the caller's closure panics. Were it not left, the notifications
/// would in time crowd out the answers.
struct Joined<'a>(&'a mut dyn Transport);

impl Drop for Joined<'_> {
    fn drop(&mut self) {
        // The wait has its outcome. Should this fail, answers are still told from notifications.
        let _ = self.0.leave(RTNLGRP_LINK);
    }
}

fn watch(
    transport: &mut dyn Transport,
    link: u32,
    deadline: Instant,
    mut is_ready: impl FnMut(&Link) -> bool,
) -> Result<Link, Refusal> {
    // What changed before the group was joined was not told.
    let mut ask_again = true;
    loop {
        if std::mem::take(&mut ask_again) {
            let now = ask(transport, link)?;
            if is_ready(&now) {
                return Ok(now);
            }
        }
        match transport.event(deadline)? {
            // A notification holds less than an answer, so it is only the reason to ask.
            Event::Messages(bytes) => {
                ask_again = Messages::new(&bytes).any(|m| is_about(m.kind, m.payload, link));
            }
            Event::Lost => ask_again = true,
            Event::TimedOut => return Err(io::Error::from(io::ErrorKind::TimedOut).into()),
        }
    }
}

fn is_about(kind: u16, payload: &[u8], link: u32) -> bool {
    matches!(kind, RTM_NEWLINK | RTM_DELLINK) && payload.get(4..8) == Some(&link.to_ne_bytes())
}

fn ask(transport: &mut dyn Transport, link: u32) -> Result<Link, Refusal> {
    match transport.exchange(&mut [by_index(link)])?.pop() {
        Some(answer) => match answer.refusal {
            Some(refusal) => Err(refusal),
            None => answer.messages().find_map(decode).ok_or_else(no_link),
        },
        None => Err(no_link()),
    }
}
