//! Transports for tests: one to a fake kernel, and one that a test watches.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::answer::{Answer, Message, Messages, Refusal};
use super::exchange::Exchange;
use super::request::Request;
use super::transport::{Event, Transport};
use crate::seam::{Kernel, Operation, Watch};

/// How often a fake kernel is asked for changes.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// A socket in a namespace of a fake kernel.
#[derive(Debug)]
pub(crate) struct FakeSocket {
    kernel: Arc<dyn Kernel>,
    sequence: u32,
}

impl FakeSocket {
    pub(crate) fn new(kernel: Arc<dyn Kernel>) -> Self {
        Self { kernel, sequence: 0 }
    }
}

impl Transport for FakeSocket {
    fn exchange(&mut self, requests: &mut [Request]) -> io::Result<Vec<Answer>> {
        let first = self.sequence.wrapping_add(1);
        // If one of the requests cannot be encoded, none is sent.
        let mut messages = Vec::with_capacity(requests.len());
        for request in &mut *requests {
            self.sequence = self.sequence.wrapping_add(1);
            messages.push(request.finish(self.sequence)?.to_vec());
        }
        let mut exchange = Exchange::new(requests, first, 0);
        for message in messages {
            exchange.feed(&self.kernel.answer(&message));
        }
        if exchange.is_open() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the fake kernel does not answer"));
        }
        exchange.finish().map_err(io::Error::other)
    }

    fn join(&mut self, _: u32) -> io::Result<()> {
        Ok(())
    }

    fn leave(&mut self, _: u32) -> io::Result<()> {
        Ok(())
    }

    /// Reports lost notifications at intervals, so that the caller asks for the state again.
    fn event(&mut self, deadline: Option<Instant>) -> io::Result<Event> {
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(Event::TimedOut);
        }
        thread::sleep(POLL_INTERVAL);
        Ok(Event::Lost)
    }
}

/// A transport that reports each request to a test, which can make it fail.
#[derive(Debug)]
pub(crate) struct Watched<T> {
    inner: T,
    watch: Arc<dyn Watch>,
}

impl<T> Watched<T> {
    pub(crate) fn new(inner: T, watch: Arc<dyn Watch>) -> Self {
        Self { inner, watch }
    }
}

impl<T: Transport> Watched<T> {
    /// Sends one request. Returns the answer, and the outcome of [`Watch::after`].
    fn watched(
        &mut self,
        request: &mut Request,
        send: impl FnOnce(&mut T, &mut Request) -> io::Result<Answer>,
    ) -> io::Result<(Answer, io::Result<()>)> {
        // The first message of a transaction only marks its beginning.
        let marks = usize::from(request.is_transaction());
        let kind = Messages::new(request.finish(0)?).nth(marks).map_or(0, |message| message.kind);
        let operation = Operation::Request(kind);
        let answer = match self.watch.before(&operation) {
            Ok(()) => send(&mut self.inner, request)?,
            Err(cause) => Answer { refusal: Some(Refusal::from(cause)), ..Answer::default() },
        };
        Ok((answer, self.watch.after(&operation)))
    }
}

impl<T: Transport> Transport for Watched<T> {
    /// Sends the requests one by one. Like the kernel, it continues after a refused one.
    fn exchange(&mut self, requests: &mut [Request]) -> io::Result<Vec<Answer>> {
        let mut answers = Vec::with_capacity(requests.len());
        let mut failure = None;
        for request in requests {
            let (answer, after) = self.watched(request, |inner, request| {
                Ok(inner.exchange(std::slice::from_mut(request))?.pop().unwrap_or_default())
            })?;
            answers.push(answer);
            failure = failure.or(after.err());
        }
        failure.map_or(Ok(answers), Err)
    }

    fn exchange_filtered(
        &mut self,
        request: &mut Request,
        wanted: &mut dyn FnMut(Message<'_>) -> bool,
    ) -> io::Result<Answer> {
        let (answer, after) =
            self.watched(request, |inner, request| inner.exchange_filtered(request, wanted))?;
        after.map(|()| answer)
    }

    fn join(&mut self, group: u32) -> io::Result<()> {
        self.watch.before(&Operation::Notifications)?;
        self.inner.join(group)
    }

    fn leave(&mut self, group: u32) -> io::Result<()> {
        self.inner.leave(group)
    }

    fn event(&mut self, deadline: Option<Instant>) -> io::Result<Event> {
        self.watch.before(&Operation::Notifications)?;
        self.inner.event(deadline)
    }
}
