//! What sends requests and receives answers: a socket, or a transport for tests.

use std::io;
use std::time::Instant;

use super::answer::{Answer, Message};
use super::request::Request;

/// Sends requests and receives answers.
pub(crate) trait Transport: Send {
    /// Sends the requests together. Returns one answer for each, in order.
    ///
    /// The kernel processes every request, also those after a refused one. An error means that the answers were not received;
    /// the requests may have been processed.
    fn exchange(&mut self, requests: &mut [Request]) -> io::Result<Vec<Answer>>;

    /// Sends a request that changes nothing. The answer holds only the messages that the closure accepts; the others are
    /// dropped as they arrive. If the request has to be sent again, the closure sees the same messages again.
    #[cfg_attr(not(feature = "nft"), allow(dead_code, reason = "only nft and iptables filter answers"))]
    fn exchange_filtered(
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

    /// Stops receiving the notifications of a multicast group.
    fn leave(&mut self, group: u32) -> io::Result<()>;

    /// Waits for notifications of the joined groups, without an end if there is no deadline.
    fn event(&mut self, deadline: Option<Instant>) -> io::Result<Event>;
}

/// The outcome of a wait for notifications.
#[derive(Debug)]
pub(crate) enum Event {
    /// Notifications, one after the other.
    Messages(Vec<u8>),
    /// Notifications were lost, so the caller has to ask for the state.
    Lost,
    /// The deadline passed.
    TimedOut,
}
