//! Several changes of the network in one system call.

use super::address::{Address, add as add_address};
use super::constants::IFF_UP;
use super::error::NetError;
use super::handle::{Net, Task};
use super::link_change::{flags, master_request};
use super::numbers::LinkIndex;
use super::route::{Route, add as add_route};
use crate::netlink::Request;

/// The number of requests whose acknowledgements certainly fit into the socket's receive buffer.
const AT_ONCE: usize = 64;

/// Changes of links, addresses and routes that are sent in one system call and made in order.
///
/// A batch is not atomic, unlike `nft::Batch` and `iptables::Batch`: if the kernel refuses a change, it still makes the
/// later ones of the same system call. Undo it as you would undo single calls.
///
/// ```no_run
/// # use cni_skel::net::{Address, LinkIndex, Net, NetError, Route};
/// # fn f(net: &Net, link: LinkIndex) -> Result<(), NetError> {
/// let address = Address::new(link, "10.1.0.2/24".parse().expect("a literal"));
/// let route = Route::new("0.0.0.0/0".parse().expect("a literal")).gateway([10, 1, 0, 1].into()).link(link);
/// net.batch().add_address(&address).set_up(link).add_route(&route).send()
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a batch does nothing until it is sent"]
pub struct Batch<'a> {
    net: &'a Net,
    tasks: Vec<Task>,
    requests: Vec<Request>,
}

impl Net {
    /// Starts a batch of changes.
    pub fn batch(&self) -> Batch<'_> {
        Batch { net: self, tasks: Vec::new(), requests: Vec::new() }
    }
}

impl Batch<'_> {
    /// Gives a link an address, as [`Net::add_address`] does.
    pub fn add_address(mut self, address: &Address) -> Self {
        let (task, request) = add_address(address);
        self.push(task, request);
        self
    }

    /// Adds a route, as [`Net::add_route`] does.
    pub fn add_route(mut self, route: &Route) -> Self {
        let (task, request) = add_route(route);
        self.push(task, request);
        self
    }

    /// Sets a link up.
    pub fn set_up(mut self, link: LinkIndex) -> Self {
        self.push(Task::on("set up", link), flags(link, IFF_UP, true));
        self
    }

    /// Attaches a link to a bridge or another master, or detaches it.
    pub fn set_master(mut self, link: LinkIndex, master: Option<LinkIndex>) -> Self {
        self.push(Task::on("set the master of", link), master_request(link, master));
        self
    }

    /// Sends the changes and waits until the kernel has made or refused all of them.
    ///
    /// # Errors
    ///
    /// The kernel refuses a change. The error is about the first refused one.
    pub fn send(mut self) -> Result<(), NetError> {
        let mut first = Ok(());
        for (tasks, requests) in self.tasks.chunks(AT_ONCE).zip(self.requests.chunks_mut(AT_ONCE)) {
            let [task, ..] = tasks else { continue };
            let answers = self.net.ask_all(task, requests)?;
            for (task, answer) in tasks.iter().zip(answers) {
                if let Some(refusal) = answer.refusal {
                    first = first.and_then(|()| Err(self.net.failed(task, refusal)));
                }
            }
            first = match first {
                Ok(()) => Ok(()),
                failed => return failed,
            };
        }
        first
    }

    pub(super) fn push(&mut self, task: Task, request: Request) {
        self.tasks.push(task);
        self.requests.push(request);
    }
}
