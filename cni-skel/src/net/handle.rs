//! The handle of a namespace's network, and the socket behind it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::NetError;
use super::numbers::LinkIndex;
use crate::Netns;
use crate::netlink::{Answer, MadeUp, Refusal, Request, Socket, Transport, Watched};
use crate::seam::{Operation, World};

/// A handle of the network of one namespace.
///
/// Clones share one netlink socket, and a call waits until the one before it is answered.
#[derive(Clone)]
pub struct Net {
    transport: Arc<Mutex<dyn Transport>>,
}

impl Netns {
    /// Opens a handle of the namespace's links, addresses and routes. It works from anywhere.
    ///
    /// # Errors
    ///
    /// The namespace cannot be entered, or no netlink socket be opened in it.
    pub fn net(&self) -> Result<Net, NetError> {
        let opened = self.run(Net::open);
        opened.unwrap_or_else(|e| Err(NetError::new("open a netlink socket".to_owned(), e)))
    }
}

impl Net {
    /// Opens the network of the calling thread's namespace.
    ///
    /// # Errors
    ///
    /// No netlink socket can be opened.
    pub fn open() -> Result<Self, NetError> {
        let world = World::current();
        let opened = world.carry_out(&Operation::Socket, || match world.kernel.clone() {
            Some(kernel) => Ok(Self::watched(MadeUp::new(kernel), &world)),
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

    /// Puts the handle in front of anything that answers.
    pub(super) fn over(transport: impl Transport + 'static) -> Self {
        Self { transport: Arc::new(Mutex::new(transport)) }
    }

    /// The socket. One that a panic passed through is as good as before: answers to what was asked
    /// then are told apart by their sequence numbers.
    pub(super) fn transport(&self) -> MutexGuard<'_, dyn Transport + 'static> {
        self.transport.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends one request; a refusal is an error.
    pub(super) fn ask(&self, task: &Task, request: Request) -> Result<Answer, NetError> {
        let mut answers = self.ask_all(task, &mut [request])?;
        match answers.pop() {
            Some(Answer { refusal: Some(refusal), .. }) => Err(self.failed(task, refusal)),
            Some(answer) => Ok(answer),
            None => Ok(Answer::default()),
        }
    }

    /// Sends several; refusals are in the answers, of which there are as many as requests.
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

/// What is being done, for the message should it fail. The link's name is looked up only then.
#[derive(Debug)]
pub(super) struct Task {
    what: String,
    link: Option<LinkIndex>,
}

impl Task {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), link: None }
    }

    /// The link's name goes behind the text.
    pub(super) fn on(what: impl Into<String>, link: LinkIndex) -> Self {
        Self { what: what.into(), link: Some(link) }
    }
}
