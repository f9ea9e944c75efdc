//! The seam between what is asked and what answers.

use std::io;
use std::time::Instant;

use super::answer::Answer;
use super::request::Request;

/// Something that answers requests: the kernel through a socket, or a test.
pub(crate) trait Transport: Send {
    /// Sends the requests in one go and gives one answer for each, in order.
    ///
    /// The kernel carries out every request, also those after one that it refuses. An error means
    /// that the answers did not come, and nothing about what was done.
    fn exchange(&mut self, requests: &mut [Request]) -> io::Result<Vec<Answer>>;

    /// Starts to receive the notifications of a multicast group.
    fn join(&mut self, group: u32) -> io::Result<()>;

    /// Stops receiving them.
    fn leave(&mut self, group: u32) -> io::Result<()>;

    /// Waits for what the joined groups have to say.
    fn event(&mut self, deadline: Instant) -> io::Result<Event>;
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
