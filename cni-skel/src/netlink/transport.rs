//! The seam between what is asked and what answers.

use std::io;
use std::time::Instant;

use super::answer::{Answer, Message};
use super::request::Request;

/// Something that answers requests: the kernel through a socket, or a test.
pub(crate) trait Transport: Send {
    /// Sends the requests in one go and gives one answer for each, in order.
    ///
    /// The kernel carries out every request, also those after one that it refuses. An error means
    /// that the answers did not come, and nothing about what was done.
    fn exchange(&mut self, requests: &mut [Request]) -> io::Result<Vec<Answer>>;

    /// The answer to a request that changes nothing, with only those of its messages that are wanted: the others are gone
    /// before the next ones are received. What is received in vain, and asked for again, is shown again.
    #[cfg_attr(not(feature = "nft"), allow(dead_code, reason = "so far only rulesets are looked through"))]
    fn look(
        &mut self,
        request: &mut Request,
        wanted: &mut dyn FnMut(Message<'_>) -> bool,
    ) -> io::Result<Answer> {
        let mut answer = self.exchange(std::slice::from_mut(request))?.pop().unwrap_or_default();
        let kept = answer.messages().filter(|message| wanted(*message));
        answer.bytes = kept.flat_map(|message| message.whole.iter().copied()).collect();
        Ok(answer)
    }

    /// Starts to receive the notifications of a multicast group.
    fn join(&mut self, group: u32) -> io::Result<()>;

    /// Stops receiving them.
    fn leave(&mut self, group: u32) -> io::Result<()>;

    /// Waits for notifications of the joined groups, without an end if there is no deadline.
    fn event(&mut self, deadline: Option<Instant>) -> io::Result<Event>;
}

/// What a wait for notifications ended with.
#[derive(Debug)]
pub(crate) enum Event {
    /// Notifications, one after the other.
    Messages(Vec<u8>),
    /// Some were lost, so what they were about must be asked for.
    Lost,
    /// The deadline passed.
    TimedOut,
}
