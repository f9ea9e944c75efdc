//! The handle to a namespace's network, and its socket.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::NetError;
use super::numbers::LinkIndex;
use crate::Netns;
use crate::netlink::{Answer, FakeSocket, Refusal, Request, Socket, Transport, Watched};
use crate::seam::{Operation, World};

/// A handle to the network of one namespace.
///
/// Clones share one netlink socket. A call waits until the previous one has been answered.
#[derive(Clone)]
pub struct Net {
    transport: Arc<Mutex<dyn Transport>>,
}

impl Netns {
    /// Opens the namespace's network. The handle works from any thread and any namespace.
    ///
    /// # Errors
    ///
    /// The namespace cannot be entered, or a netlink socket cannot be opened in it.
    pub fn net(&self) -> Result<Net, NetError> {
        let opened = self.run(Net::open);
        opened.unwrap_or_else(|e| Err(NetError::new("open a netlink socket".to_owned(), e)))
    }
}

impl Net {
    /// Opens the network of the namespace that the calling thread is in.
    ///
    /// # Errors
    ///
    /// A netlink socket cannot be opened.
    pub fn open() -> Result<Self, NetError> {
        let world = World::current();
        let opened = world.carry_out(&Operation::Socket, || match world.kernel.clone() {
            Some(kernel) => Ok(Self::watched(FakeSocket::new(kernel), &world)),
            None => Ok(Self::watched(Socket::of_routes()?, &world)),
        });
        opened.map_err(|e| NetError::new("open a netlink socket".to_owned(), e))
    }

    fn watched(transport: impl Transport + 'static, world: &World) -> Self {
        match &world.watch {
            Some(watch) => Self::over(Watched::new(transport, Arc::clone(watch))),
            None => Self::over(transport),
        }
    }

    /// Makes a handle that sends its requests through `transport`.
    pub(super) fn over(transport: impl Transport + 'static) -> Self {
        Self { transport: Arc::new(Mutex::new(transport)) }
    }

    /// Locks the socket. One whose lock is poisoned is still usable: the sequence numbers tell late answers from those to
    /// later requests.
    pub(super) fn transport(&self) -> MutexGuard<'_, dyn Transport + 'static> {
        self.transport.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends one request. A refusal is an error.
    pub(super) fn ask(&self, task: &Task, request: Request) -> Result<Answer, NetError> {
        let mut answers = self.ask_all(task, &mut [request])?;
        match answers.pop() {
            Some(Answer { refusal: Some(refusal), .. }) => Err(self.failed(task, refusal)),
            Some(answer) => Ok(answer),
            None => Ok(Answer::default()),
        }
    }

    /// Sends several requests. Returns one answer for each; refusals are in the answers.
    pub(super) fn ask_all(&self, task: &Task, requests: &mut [Request]) -> Result<Vec<Answer>, NetError> {
        let answers = self.transport().exchange(requests);
        answers.map_err(|e| self.failed(task, e))
    }

    pub(super) fn failed(&self, task: &Task, cause: impl Into<Refusal>) -> NetError {
        let what = match task.link {
            None => task.what.clone(),
            Some(index) => match self.name_of(index) {
                Some(name) => format!("{} {name}", task.what),
                None => format!("{} link {index}", task.what),
            },
        };
        NetError::new(what, cause)
    }
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Net").finish_non_exhaustive()
    }
}

/// The name of a request for its error message: an infinitive, and the link that follows it. The link's name is looked up
/// only if the request fails.
#[derive(Debug)]
pub(super) struct Task {
    what: String,
    link: Option<LinkIndex>,
}

impl Task {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), link: None }
    }

    /// Appends the link's name to the text.
    pub(super) fn on(what: impl Into<String>, link: LinkIndex) -> Self {
        Self { what: what.into(), link: Some(link) }
    }
}
