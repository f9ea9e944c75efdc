//! Several changes in one system call.

use super::address::{Address, add as add_address};
use super::constants::IFF_UP;
use super::error::NetError;
use super::handle::{Net, Task};
use super::link_change::{flags, master_request};
use super::numbers::LinkIndex;
use super::route::{Route, add as add_route};
use crate::netlink::Request;

/// How many acknowledgements surely fit into the socket's receive buffer.
const AT_ONCE: usize = 64;

/// Changes that are sent together, and carried out in order.
///
/// This saves system calls and is not a transaction: when one is refused, those behind it are
/// carried out all the same. A caller undoes as it would after single calls.
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
#[must_use = "nothing happens until it is sent"]
pub struct Batch<'a> {
    net: &'a Net,
    tasks: Vec<Task>,
    requests: Vec<Request>,
}

impl Net {
    /// Starts to collect changes.
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

    /// Sends the changes and waits until all are carried out or refused.
    ///
    /// # Errors
    ///
    /// The first that the kernel refused.
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
