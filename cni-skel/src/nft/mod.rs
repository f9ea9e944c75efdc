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
//! socket; `turn`, `batch` and `flow` on top.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::libc;

use crate::Netns;
use crate::net::NetError;
use crate::netlink::{Answer, Message, Refusal, Request, Socket, Transport, Watched, pause};
use crate::seam::{Operation, World};

mod batch;
mod chain;
mod constants;
mod expression;
mod expression_message;
mod flow;
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

use constants::{CHAIN_TABLE, GEN_ID, GETCHAIN, GETGEN, GETSET, GETTABLE, NEWGEN, SET_TABLE};
use turn::Queue;
use wire::{attributes, be32, put_name, start};

/// How long a transaction is tried again while other programs change the ruleset.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many answers surely fit into the socket's receive buffer.
const LOOKUPS_AT_ONCE: usize = 64;

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

    /// Lists the tables of a family.
    ///
    /// # Errors
    ///
    /// The kernel refuses, or the ruleset keeps changing while it is read. This is so for the other lists, too.
    pub fn tables(&self, family: Family) -> Result<Vec<Table>, NetError> {
        let answer = self.ask("list tables", start(Request::dump(GETTABLE), family.number()))?;
        Ok(answer.messages().filter_map(table::decode).filter(|table| table.family == family).collect())
    }

    /// Lists the chains of a table; none if the table is not there.
    ///
    /// # Errors
    ///
    /// As [`tables`](Self::tables).
    pub fn chains(&self, table: &Table) -> Result<Vec<Chain>, NetError> {
        let mut request = start(Request::dump(GETCHAIN), table.family.number());
        put_name(&mut request, CHAIN_TABLE, &table.name);
        let answer = self.ask("list chains", request)?;
        let is_in = |chain: &Chain| chain.family == table.family && chain.table == table.name;
        Ok(answer.messages().filter_map(chain::decode).filter(is_in).collect())
    }

    /// Looks for a chain by its name.
    ///
    /// # Errors
    ///
    /// The kernel refuses.
    pub fn find_chain(&self, chain: &Chain) -> Result<Option<Chain>, NetError> {
        let answer = self.ask_for_some(&format!("look for chain {}", chain.shown()), chain::get(chain))?;
        Ok(answer.messages().find_map(chain::decode))
    }

    /// How many rules lead to a chain, whichever chains they are in; none if it is not there.
    #[cfg(feature = "iptables")]
    pub(crate) fn leads_to(&self, chain: &Chain) -> Result<usize, NetError> {
        let answer = self.ask_for_some(&format!("look for chain {}", chain.shown()), chain::get(chain))?;
        // The kernel counts those that are in it, too.
        let uses = answer.messages().find_map(chain::decode_uses).unwrap_or_default();
        Ok(usize::try_from(uses).unwrap_or(usize::MAX).saturating_sub(self.rules(chain)?.len()))
    }

    /// Lists the rules of a chain, in their order; none if the chain is not there.
    ///
    /// # Errors
    ///
    /// As [`tables`](Self::tables).
    pub fn rules(&self, chain: &Chain) -> Result<Vec<Rule>, NetError> {
        let what = format!("list the rules of {}", chain.shown());
        let answer = self.ask_for_some(&what, rule_message::list(chain))?;
        Ok(answer.messages().filter_map(rule_message::decode).filter(|rule| rule.is_of(chain)).collect())
    }

    /// Lists those rules of a chain that are meant, in their order. Other than with [`rules`](Self::rules) the memory that it
    /// takes does not grow with the number of the others. The closure may be shown one rule more than once.
    ///
    /// # Errors
    ///
    /// As [`tables`](Self::tables).
    pub fn find_rules(
        &self,
        chain: &Chain,
        mut is_meant: impl FnMut(&Rule) -> bool,
    ) -> Result<Vec<Rule>, NetError> {
        let mut is_wanted = |message: Message<'_>| {
            rule_message::decode(message).is_some_and(|rule| rule.is_of(chain) && is_meant(&rule))
        };
        self.wanted_rules(chain, &mut is_wanted)
    }

    /// The same for rules with a comment that is meant, without a look at what the others do: of thousands that is half of
    /// the time.
    ///
    /// # Errors
    ///
    /// As [`tables`](Self::tables).
    pub fn rules_with_comment(
        &self,
        chain: &Chain,
        mut is_meant: impl FnMut(&str) -> bool,
    ) -> Result<Vec<Rule>, NetError> {
        let mut is_wanted = |message: Message<'_>| {
            rule_message::comment_of(message).is_some_and(|comment| is_meant(&comment))
        };
        self.wanted_rules(chain, &mut is_wanted)
    }

    /// Lists the sets and maps of a table that this module can describe; none if the table is not there.
    ///
    /// # Errors
    ///
    /// As [`tables`](Self::tables).
    pub fn sets(&self, table: &Table) -> Result<Vec<Set>, NetError> {
        let mut request = start(Request::dump(GETSET), table.family.number());
        put_name(&mut request, SET_TABLE, &table.name);
        let answer = self.ask_for_some("list sets", request)?;
        let is_in = |set: &Set| set.family == table.family && set.table == table.name;
        Ok(answer.messages().filter_map(set::decode).filter(is_in).collect())
    }

    /// Lists the elements of a set or map; none if it is not there.
    ///
    /// # Errors
    ///
    /// As [`tables`](Self::tables).
    pub fn elements(&self, set: &Set) -> Result<Vec<Element>, NetError> {
        let answer = self.ask_for_some(&format!("list the elements of {}", set.shown()), set::list(set))?;
        Ok(answer.messages().flat_map(|message| set::decode_elements(set, message)).collect())
    }

    /// Whether a set or map has an element that is meant. Memory does not grow with the number of elements.
    ///
    /// # Errors
    ///
    /// As [`tables`](Self::tables).
    pub fn has_element(
        &self,
        set: &Set,
        mut is_meant: impl FnMut(&Element) -> bool,
    ) -> Result<bool, NetError> {
        let mut is_there = false;
        let mut is_wanted = |message: Message<'_>| {
            // One that was there is there: what is shown again is so only because something changed.
            is_there = is_there || set::decode_elements(set, message).iter().any(&mut is_meant);
            false
        };
        self.look(&format!("list the elements of {}", set.shown()), set::list(set), &mut is_wanted)?;
        Ok(is_there)
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

    /// Looks elements up by their keys, at a cost that does not grow with what else is in the set: one for each key, in
    /// the same order, and `None` for what is not there, be it the element or the set itself.
    ///
    /// # Errors
    ///
    /// As [`tables`](Self::tables), and a key is of other types than the set's.
    pub fn find_elements(&self, set: &Set, keys: &[Vec<Value>]) -> Result<Vec<Option<Element>>, NetError> {
        let what = format!("look elements of {} up", set.shown());
        let mut found = Vec::with_capacity(keys.len());
        for keys in keys.chunks(LOOKUPS_AT_ONCE) {
            let mut requests: Vec<_> = keys.iter().map(|key| set::find(set, key)).collect();
            for (answer, key) in self.exchange(&what, &mut requests)?.into_iter().zip(keys) {
                let is_missing = answer.refusal.as_ref().is_some_and(Refusal::is_missing);
                let mut elements = answer.messages().flat_map(|message| set::decode_elements(set, message));
                let element = elements.find(|element| element.key == *key);
                match answer.refusal {
                    Some(refusal) if !is_missing => return Err(NetError::new(what, refusal)),
                    _ => found.push(element),
                }
            }
        }
        Ok(found)
    }

    fn wanted_rules(
        &self,
        chain: &Chain,
        is_wanted: &mut dyn FnMut(Message<'_>) -> bool,
    ) -> Result<Vec<Rule>, NetError> {
        let what = format!("list the rules of {}", chain.shown());
        let answer = self.look(&what, rule_message::list(chain), is_wanted)?;
        Ok(answer.messages().filter_map(rule_message::decode).filter(|rule| rule.is_of(chain)).collect())
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
