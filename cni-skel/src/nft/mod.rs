//! nftables of one network namespace, and the flows that it keeps track of.
//!
//! [`Nft`] is a handle like [`Net`](crate::net::Net): opened inside a namespace, used from anywhere. It speaks to the
//! kernel, and runs no program. Changes are collected in a [`Batch`], which is carried out whole or not at all;
//! [`Nft::transaction`] makes changes that depend on what is there, and starts anew when another program was faster.
//!
//! [`Table`], [`Chain`], [`Rule`], [`Set`] and [`Element`] are both what one adds and what a dump gives.
//!
//! What was deleted or changed the kernel frees later, on its own, and whoever closes a handle waits for that: some milliseconds.
//! Keep the handle until other work is done, such as deleting links, and the two waits are one.
//!
//! Not here: intervals and timeouts in sets, maps of verdicts, limits, logging, and other steps that no plugin needed.
//! Rules that have them are listed all the same, and can be deleted.
//!
//! Order of use inside: `constants`, `wire`; `table`, `chain`; `expression`, `expression_message`, `value`, `set`,
//! `rule` with `rule_steps`, `rule_message`, `show`; this module knows the
//! socket; `lists`, `turn`, `batch` and `flow` on top.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::libc;

use crate::Netns;
use crate::net::NetError;
use crate::netlink::{Answer, Message, Request, Socket, Transport, Watched, pause};
use crate::seam::{Operation, World};

mod batch;
mod chain;
mod constants;
mod expression;
mod expression_message;
mod flow;
mod lists;
mod rule;
mod rule_message;
mod rule_steps;
mod set;
mod show;
mod table;
mod turn;
mod value;
mod wire;

#[cfg(test)]
mod tests;

pub use batch::Batch;
pub use chain::{Base, Chain, ChainType, Hook};
pub use flow::{Flow, FlowFilter, Tuple};
pub use rule::{CtState, Rule};
pub use set::{Element, Set};
pub use table::{Family, Table};
pub use turn::Turn;
pub use value::{DataType, Field, Value};

#[cfg(feature = "iptables")]
pub(crate) use expression::{Expression, Extension, Register, Verdict};
#[cfg(feature = "iptables")]
pub(crate) use value::protocol_number;

use constants::{GEN_ID, GETGEN, NEWGEN};
use turn::Queue;
use wire::{attributes, be32, start};

/// How long a transaction is tried again while other programs change the ruleset.
const PATIENCE: Duration = Duration::from_secs(10);

/// A handle of the ruleset of one namespace.
///
/// Clones share one netlink socket, and a call waits until the one before it is answered.
#[derive(Clone)]
pub struct Nft {
    transport: Arc<Mutex<dyn Transport>>,
    queue: Arc<Queue>,
}

/// A state of the whole ruleset of a namespace: any change gives it another number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation(u32);

impl Nft {
    /// Opens the ruleset of the calling thread's namespace.
    ///
    /// # Errors
    ///
    /// No netlink socket can be opened; [`NetError::is_unsupported`] where the kernel has no netfilter. One that a test
    /// made up has none.
    pub fn open() -> Result<Self, NetError> {
        let world = World::current();
        let opened = world.carry_out(&Operation::Socket, || match (&world.kernel, &world.watch) {
            (Some(_), _) => Err(std::io::Error::from_raw_os_error(libc::EPROTONOSUPPORT)),
            (None, None) => Ok(Self::over(Socket::of_netfilter()?)),
            (None, Some(watch)) => {
                let socket = Socket::of_netfilter()?;
                Ok(Self::over(Watched::new(socket, Arc::clone(watch))))
            }
        });
        let opened = opened.map(|nft| Self { queue: Arc::new(Queue::of_thread()), ..nft });
        opened.map_err(|e| NetError::new("open a netlink socket of netfilter".to_owned(), e))
    }

    /// Opens the ruleset of the calling thread's namespace, for who has to remove from it: `None` where the kernel has no
    /// nftables, and so nothing to remove.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and the kernel refuses to tell.
    pub fn open_if_supported() -> Result<Option<Self>, NetError> {
        match Self::open().and_then(|nft| nft.generation().map(|_| nft)) {
            Ok(nft) => Ok(Some(nft)),
            // What the kernel answers to a question that none of its parts is for.
            Err(error) if error.is_unsupported() || error.io_error().raw_os_error() == Some(libc::EINVAL) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Opens the ruleset of a namespace.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), or the namespace cannot be entered.
    pub fn open_in(netns: &Netns) -> Result<Self, NetError> {
        let opened = netns.run(Self::open);
        opened.unwrap_or_else(|e| Err(NetError::new("open a netlink socket of netfilter".to_owned(), e)))
    }

    pub(crate) fn over(transport: impl Transport + 'static) -> Self {
        Self { transport: Arc::new(Mutex::new(transport)), queue: Arc::default() }
    }

    /// The state of the ruleset. This also tells whether the kernel has nftables.
    ///
    /// # Errors
    ///
    /// The kernel refuses, because the caller may not ask or because it has no nftables.
    pub fn generation(&self) -> Result<Generation, NetError> {
        const WHAT: &str = "ask for the generation of the ruleset";
        let answer = self.ask(WHAT, start(Request::read(GETGEN), 0))?;
        let number = answer.messages().filter(|message| message.kind == NEWGEN).find_map(|message| {
            attributes(message.payload)
                .find(|attribute| attribute.kind == GEN_ID)?
                .payload
                .first_chunk::<4>()
                .and_then(|id| be32(id))
        });
        number.map(Generation).ok_or_else(|| {
            let cause =
                std::io::Error::new(std::io::ErrorKind::InvalidData, "the kernel's answer has no number");
            NetError::new(WHAT.to_owned(), cause)
        })
    }

    /// Makes changes that depend on what is there: the closure looks at the ruleset and fills the batch, and is called
    /// again when another program changed the ruleset before the batch was sent. Programs that do it by this method take
    /// turns, so that many at once do not keep each other from it; others are not waited for, and make it start anew.
    ///
    /// ```no_run
    /// # use cni_skel::nft::{Chain, Nft};
    /// # fn f(nft: &Nft, chain: &Chain) -> Result<(), cni_skel::net::NetError> {
    /// nft.transaction(|batch| {
    ///     let ours = nft.find_rules(chain, |rule| rule.as_comment() == Some("a container"))?;
    ///     Ok(ours.iter().fold(batch, |batch, rule| batch.delete_rule(rule)))
    /// })
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The closure's; that of [`Batch::send`]; [`NetError::is_outdated`], which is code 11, when the ruleset kept changing for
    /// 10 seconds.
    pub fn transaction<'a, E: From<NetError>>(
        &'a self,
        mut fill: impl FnMut(Batch<'a>) -> Result<Batch<'a>, E>,
    ) -> Result<(), E> {
        let _turn = self.turn();
        let deadline = Instant::now() + PATIENCE;
        let mut tries = 0;
        loop {
            let generation = self.generation()?;
            let outcome = fill(self.batch().only_at(generation))?.send();
            match outcome {
                Err(e) if e.is_outdated() && Instant::now() < deadline => {}
                Err(e) => return Err(e.into()),
                Ok(()) => return Ok(()),
            }
            tries += 1;
            pause(tries);
        }
    }

    /// Whether the kernel can carry out the extensions of iptables.
    #[cfg(feature = "iptables")]
    pub(crate) fn has_extensions(&self) -> bool {
        use constants::compat;

        let mut request = start(Request::read(compat::GET), Family::Ip.number());
        request.text(compat::NAME, "comment");
        wire::put_be32(&mut request, compat::REVISION, 0);
        wire::put_be32(&mut request, compat::TYPE, 0);
        self.ask("ask for the extensions of iptables", request).is_ok()
    }

    /// What is not there has nothing in it.
    fn ask_for_some(&self, what: &str, request: Request) -> Result<Answer, NetError> {
        match self.ask(what, request) {
            Err(e) if e.is_not_found() => Ok(Answer::default()),
            answer => answer,
        }
    }

    /// The same, and of what is there only the messages that are wanted.
    fn look(
        &self,
        what: &str,
        mut request: Request,
        wanted: &mut dyn FnMut(Message<'_>) -> bool,
    ) -> Result<Answer, NetError> {
        let mut transport = self.transport.lock().unwrap_or_else(PoisonError::into_inner);
        match transport.look(&mut request, wanted).map_err(|e| NetError::new(what.to_owned(), e))? {
            Answer { refusal: Some(refusal), .. } if refusal.is_missing() => Ok(Answer::default()),
            Answer { refusal: Some(refusal), .. } => Err(NetError::new(what.to_owned(), refusal)),
            answer => Ok(answer),
        }
    }

    fn ask(&self, what: &str, request: Request) -> Result<Answer, NetError> {
        match self.exchange(what, &mut [request])?.pop() {
            Some(Answer { refusal: Some(refusal), .. }) => Err(NetError::new(what.to_owned(), refusal)),
            answer => Ok(answer.unwrap_or_default()),
        }
    }

    /// Sends several; refusals are in the answers, of which there are as many as requests.
    fn exchange(&self, what: &str, requests: &mut [Request]) -> Result<Vec<Answer>, NetError> {
        // A socket that a panic passed through is as good as before: late answers are told by their numbers.
        let mut transport = self.transport.lock().unwrap_or_else(PoisonError::into_inner);
        transport.exchange(requests).map_err(|e| NetError::new(what.to_owned(), e))
    }
}

impl fmt::Debug for Nft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nft").finish_non_exhaustive()
    }
}
