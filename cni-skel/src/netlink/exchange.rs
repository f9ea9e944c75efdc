//! Assigns received messages to requests. It uses no socket, so that a test can feed it any bytes.

use super::answer::{Answer, Message, Messages, Refusal};
use super::constants::{NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN};
use super::request::Request;

/// Requests that were sent, and the answers to them so far.
#[derive(Debug)]
pub(crate) struct Exchange<'a> {
    requests: &'a [Request],
    /// The sequence number of the first request; the others follow.
    first: u32,
    port: u32,
    answers: Vec<Answer>,
    open: Vec<bool>,
    /// Why the answers are not reliable.
    flaw: Option<&'static str>,
    /// Whether a message answered none of the requests.
    has_unrelated: bool,
}

impl<'a> Exchange<'a> {
    pub(crate) fn new(requests: &'a [Request], first: u32, port: u32) -> Self {
        let answers = requests.iter().map(|_| Answer::default()).collect();
        let open = vec![true; requests.len()];
        Self { requests, first, port, answers, open, flaw: None, has_unrelated: false }
    }

    /// Returns whether an answer is missing.
    pub(crate) fn is_open(&self) -> bool {
        self.open.contains(&true)
    }

    /// Returns whether a message answered none of the requests: a notification, or a late answer.
    pub(crate) fn has_unrelated(&self) -> bool {
        self.has_unrelated
    }

    /// Reads a datagram.
    pub(crate) fn feed(&mut self, datagram: &[u8]) {
        self.feed_wanted(datagram, &mut |_| true);
    }

    /// Reads a datagram, and keeps the messages that the closure accepts.
    pub(crate) fn feed_wanted(&mut self, datagram: &[u8], wanted: &mut dyn FnMut(Message<'_>) -> bool) {
        for message in Messages::new(datagram) {
            match self.request_of(message) {
                Some(index) => self.take(index, message, wanted),
                None => self.has_unrelated = true,
            }
        }
    }

    /// Returns the answers, or why they are not reliable.
    pub(crate) fn finish(self) -> Result<Vec<Answer>, &'static str> {
        match self.flaw {
            Some(flaw) => Err(flaw),
            None => Ok(self.answers),
        }
    }

    fn take(&mut self, index: usize, message: Message<'_>, wanted: &mut dyn FnMut(Message<'_>) -> bool) {
        if message.flags & NLM_F_DUMP_INTR != 0 {
            self.flaw = Some("the kernel's table changed each time it was read");
        }
        match message.kind {
            NLMSG_NOOP => {}
            NLMSG_OVERRUN => self.flaw = Some("answers of the kernel were lost"),
            NLMSG_ERROR => {
                self.answers[index].refusal = Refusal::in_error(message, &self.requests[index]);
                self.open[index] = false;
            }
            NLMSG_DONE => {
                self.answers[index].refusal = Refusal::in_done(message, &self.requests[index]);
                self.open[index] = false;
            }
            _ if wanted(message) => self.answers[index].bytes.extend_from_slice(message.whole),
            _ => {}
        }
    }

    /// Returns the index of the request that a message answers, if that answer is missing.
    fn request_of(&self, message: Message<'_>) -> Option<usize> {
        if message.port != self.port {
            return None;
        }
        let index = usize::try_from(message.sequence.wrapping_sub(self.first)).ok()?;
        self.open.get(index).copied().unwrap_or(false).then_some(index)
    }
}
