//! Sorts what the kernel sends into answers. It knows no socket, so a test can feed it anything.

use super::answer::{Answer, Message, Messages, Refusal};
use super::constants::{NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN};
use super::request::Request;

/// Requests under way, and what has come back for them.
#[derive(Debug)]
pub(crate) struct Exchange<'a> {
    requests: &'a [Request],
    /// The sequence number of the first request; the others follow.
    first: u32,
    port: u32,
    answers: Vec<Answer>,
    open: Vec<bool>,
    flaw: Option<&'static str>,
    strangers: bool,
}

impl<'a> Exchange<'a> {
    pub(crate) fn new(requests: &'a [Request], first: u32, port: u32) -> Self {
        let answers = requests.iter().map(|_| Answer::default()).collect();
        let open = vec![true; requests.len()];
        Self { requests, first, port, answers, open, flaw: None, strangers: false }
    }

    /// Whether an answer is outstanding.
    pub(crate) fn is_open(&self) -> bool {
        self.open.contains(&true)
    }

    /// Whether something came that was for nobody: notifications, or answers that come too late.
    pub(crate) fn met_strangers(&self) -> bool {
        self.strangers
    }

    /// Takes in a datagram.
    pub(crate) fn feed(&mut self, datagram: &[u8]) {
        self.feed_wanted(datagram, &mut |_| true);
    }

    /// Takes in a datagram, and keeps only what is wanted of it.
    pub(crate) fn feed_wanted(&mut self, datagram: &[u8], wanted: &mut dyn FnMut(Message<'_>) -> bool) {
        for message in Messages::new(datagram) {
            match self.place(message) {
                Some(index) => self.take(index, message, wanted),
                None => self.strangers = true,
            }
        }
    }

    /// The answers, or why they cannot be relied on.
    pub(crate) fn finish(self) -> Result<Vec<Answer>, &'static str> {
        match self.flaw {
            Some(flaw) => Err(flaw),
            None => Ok(self.answers),
        }
    }

    fn take(&mut self, index: usize, message: Message<'_>, wanted: &mut dyn FnMut(Message<'_>) -> bool) {
        if message.flags & NLM_F_DUMP_INTR != 0 {
            self.flaw = Some("the kernel's tables keep changing while they are read");
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

    /// Which request a message answers, as long as that waits for an answer.
    fn place(&self, message: Message<'_>) -> Option<usize> {
        if message.port != self.port {
            return None;
        }
        let index = usize::try_from(message.sequence.wrapping_sub(self.first)).ok()?;
        self.open.get(index).copied().unwrap_or(false).then_some(index)
    }
}
