//! Atomic changes of the ruleset.

use std::fmt;

use super::chain::{self, Chain};
use super::constants::{BATCH_BEGIN, BATCH_END, BATCH_GENID, NFTABLES};
use super::handle::{Generation, Nft};
use super::rule::Rule;
use super::rule_message;
use super::set::{self, Element, Set};
use super::table::{self, Table};
use crate::net::NetError;
use crate::netlink::Request;

/// Changes of the ruleset that the kernel makes together or not at all, in one system call.
///
/// Adding an object that exists is not an error. Deleting one that does not exist is an error, and then nothing is changed.
///
/// ```no_run
/// use cni_skel::nft::{Base, Chain, ChainType, Family, Hook, Nft, Rule, Table};
///
/// # fn f() -> Result<(), cni_skel::net::NetError> {
/// let nft = Nft::open()?;
/// let table = Table::new(Family::Inet, "example").comment("an example");
/// let base = Base::new(ChainType::Nat, Hook::Postrouting, Base::SRCNAT);
/// let chain = Chain::base(&table, "leaving", base);
/// let address: std::net::IpAddr = [10, 1, 0, 7].into();
/// let rule = Rule::new(&chain).saddr(address).masquerade().comment("a container");
/// nft.batch().add_table(&table).add_chain(&chain).add_rule(&rule).send()
/// # }
/// ```
#[must_use = "a batch does nothing until it is sent"]
pub struct Batch<'a> {
    nft: &'a Nft,
    generation: Option<Generation>,
    tasks: Vec<String>,
    requests: Vec<Request>,
    /// The chains that are added, with the index of their request.
    chains: Vec<(usize, Chain)>,
    /// Whether the batch deletes chains or tables.
    deletes: bool,
}

impl Nft {
    /// Starts a batch of changes.
    pub fn batch(&self) -> Batch<'_> {
        Batch {
            nft: self,
            generation: None,
            tasks: Vec::new(),
            requests: Vec::new(),
            chains: Vec::new(),
            deletes: false,
        }
    }
}

impl Batch<'_> {
    /// Makes the kernel refuse the changes if the ruleset has another [generation](Nft::generation) by then.
    pub(super) fn only_at(mut self, generation: Generation) -> Self {
        self.generation = Some(generation);
        self
    }

    /// Adds a table.
    pub fn add_table(self, table: &Table) -> Self {
        self.push(table::add(table))
    }

    /// Deletes a table and its contents.
    pub fn delete_table(mut self, table: &Table) -> Self {
        self.deletes = true;
        self.push(table::delete(table))
    }

    /// Adds a chain that may exist.
    ///
    /// If it exists, the kernel treats this as a change of the chain, and closing the handle waits for it. In a
    /// [transaction](Nft::transaction), existing chains are left out instead.
    pub fn add_chain(mut self, chain: &Chain) -> Self {
        self.chains.push((self.requests.len(), chain.clone()));
        self.push(chain::add(chain))
    }

    /// Adds a chain that must not exist.
    pub fn create_chain(self, chain: &Chain) -> Self {
        self.push(chain::create(chain))
    }

    /// Deletes all rules of a chain.
    pub fn flush_chain(self, chain: &Chain) -> Self {
        self.push(rule_message::flush(chain))
    }

    /// Deletes a chain and its rules. No rule may jump to it.
    pub fn delete_chain(mut self, chain: &Chain) -> Self {
        self.deletes = true;
        self.push(chain::delete(chain))
    }

    /// Appends a rule to its chain.
    pub fn add_rule(self, rule: &Rule) -> Self {
        self.push(rule_message::add(rule))
    }

    /// Inserts a rule at the beginning of its chain.
    pub fn insert_rule(self, rule: &Rule) -> Self {
        self.push(rule_message::insert(rule))
    }

    /// Deletes a rule. It has to come from a list, because its handle identifies it.
    pub fn delete_rule(self, rule: &Rule) -> Self {
        self.push(rule_message::delete(rule))
    }

    /// Adds a set or map that may exist.
    pub fn add_set(self, set: &Set) -> Self {
        let id = u32::try_from(self.requests.len() + 1).unwrap_or(u32::MAX);
        self.push(set::add(set, id))
    }

    /// Deletes a set or map. No rule may use it.
    pub fn delete_set(self, set: &Set) -> Self {
        self.push(set::delete(set))
    }

    /// Adds elements to a set or map. An existing element with the same key and other data is an error.
    pub fn add_elements(self, set: &Set, elements: &[Element]) -> Self {
        set::add_elements(set, elements).into_iter().fold(self, Self::push)
    }

    /// Deletes elements of a set or map by their keys.
    pub fn delete_elements(self, set: &Set, elements: &[Element]) -> Self {
        set::delete_elements(set, elements).into_iter().fold(self, Self::push)
    }

    /// Makes sending the batch fail with `fault`.
    #[cfg(feature = "iptables")]
    pub(crate) fn refuse(mut self, fault: &'static str) -> Self {
        let mut request = Request::part(BATCH_END, 0);
        request.refuse(fault);
        self.tasks.push("change the ruleset".to_owned());
        self.requests.push(request);
        self
    }

    /// Returns whether the batch has no changes.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Sends the changes. Does nothing if there are none.
    ///
    /// # Errors
    ///
    /// The kernel refuses a change; then nothing is changed. The error is about the first refused change.
    pub fn send(mut self) -> Result<(), NetError> {
        if self.requests.is_empty() {
            return Ok(());
        }
        self.leave_out_existing_chains()?;
        if self.requests.is_empty() {
            return Ok(());
        }
        let mut begin = Request::part(BATCH_BEGIN, 0);
        begin.fixed(&[0, 0, 0, NFTABLES]);
        if let Some(Generation(number)) = self.generation {
            begin.bytes(BATCH_GENID, &number.to_be_bytes());
        }
        let mut end = Request::part(BATCH_END, 0);
        end.fixed(&[0, 0, 0, NFTABLES]);
        let transaction = Request::transaction(begin, self.requests, end);
        let answer = self.nft.exchange("change the ruleset", &mut [transaction])?.pop().unwrap_or_default();
        match answer.refusal {
            None => Ok(()),
            Some(refusal) => {
                let task = refusal.part.checked_sub(1).and_then(|index| self.tasks.get(index));
                let what = task.map_or("change the ruleset", String::as_str).to_owned();
                Err(NetError::new(what, refusal))
            }
        }
    }

    /// Removes the requests for chains that exist. With a generation, they still exist when the rest is sent.
    fn leave_out_existing_chains(&mut self) -> Result<(), NetError> {
        let chains = std::mem::take(&mut self.chains);
        if self.generation.is_none() || self.deletes || chains.is_empty() {
            return Ok(());
        }
        let mut requests: Vec<_> = chains.iter().map(|(_, chain)| chain::get(chain)).collect();
        let answers = self.nft.exchange("find chains", &mut requests)?;
        for ((place, chain), answer) in chains.iter().zip(answers).rev() {
            // After a refusal the chain does not exist, or sending the batch is refused too.
            if answer.messages().filter_map(chain::decode).any(|found| found.is_same(chain)) {
                self.tasks.remove(*place);
                self.requests.remove(*place);
            }
        }
        Ok(())
    }

    fn push(mut self, (task, request): (String, Request)) -> Self {
        self.tasks.push(task);
        self.requests.push(request);
        self
    }
}

impl fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("generation", &self.generation)
            .field("tasks", &self.tasks)
            .finish_non_exhaustive()
    }
}
