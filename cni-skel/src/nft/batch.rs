//! Changes that are carried out together or not at all.

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

/// Changes that the kernel carries out together or not at all, in one system call.
///
/// What `add` finds there already is no error, and what `delete` does not find is one; then nothing at all is changed.
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
#[must_use = "nothing happens until it is sent"]
pub struct Batch<'a> {
    nft: &'a Nft,
    generation: Option<Generation>,
    tasks: Vec<String>,
    requests: Vec<Request>,
    /// The chains that are added, and at which place.
    chains: Vec<(usize, Chain)>,
    /// Whether chains are deleted, too.
    deletes: bool,
}

impl Nft {
    /// Starts to collect changes.
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
    /// Refuses the changes if the ruleset is not the same any more as at a [generation](Nft::generation).
    ///
    /// [`Nft::transaction`] does that, and starts anew if they are refused.
    pub(super) fn only_at(mut self, generation: Generation) -> Self {
        self.generation = Some(generation);
        self
    }

    /// Adds a table.
    pub fn add_table(self, table: &Table) -> Self {
        self.push(table::add(table))
    }

    /// Deletes a table with all that is in it.
    pub fn delete_table(mut self, table: &Table) -> Self {
        self.deletes = true;
        self.push(table::delete(table))
    }

    /// Adds a chain.
    ///
    /// In a [transaction](Nft::transaction), one that is there already costs nothing. Otherwise the kernel takes it for a
    /// change of that chain, and closing the handle waits for that.
    pub fn add_chain(mut self, chain: &Chain) -> Self {
        self.chains.push((self.requests.len(), chain.clone()));
        self.push(chain::add(chain))
    }

    /// Adds a chain that must not be there yet.
    pub fn create_chain(self, chain: &Chain) -> Self {
        self.push(chain::create(chain))
    }

    /// Takes all rules out of a chain.
    pub fn flush_chain(self, chain: &Chain) -> Self {
        self.push(rule_message::flush(chain))
    }

    /// Deletes a chain with its rules. None may lead to it.
    pub fn delete_chain(mut self, chain: &Chain) -> Self {
        self.deletes = true;
        self.push(chain::delete(chain))
    }

    /// Adds a rule behind those that its chain has.
    pub fn add_rule(self, rule: &Rule) -> Self {
        self.push(rule_message::add(rule))
    }

    /// Adds a rule before those that its chain has.
    pub fn insert_rule(self, rule: &Rule) -> Self {
        self.push(rule_message::insert(rule))
    }

    /// Deletes a rule that was listed.
    pub fn delete_rule(self, rule: &Rule) -> Self {
        self.push(rule_message::delete(rule))
    }

    /// Adds a set or map.
    pub fn add_set(self, set: &Set) -> Self {
        let id = u32::try_from(self.requests.len() + 1).unwrap_or(u32::MAX);
        self.push(set::add(set, id))
    }

    /// Deletes a set or map. No rule may use it.
    pub fn delete_set(self, set: &Set) -> Self {
        self.push(set::delete(set))
    }

    /// Adds elements to a set or map. One with the same key and other data is an error.
    pub fn add_elements(self, set: &Set, elements: &[Element]) -> Self {
        set::add_elements(set, elements).into_iter().fold(self, Self::push)
    }

    /// Deletes elements of a set or map; only their keys count.
    pub fn delete_elements(self, set: &Set, elements: &[Element]) -> Self {
        set::delete_elements(set, elements).into_iter().fold(self, Self::push)
    }

    /// Has the changes refused when they are sent.
    #[cfg(feature = "iptables")]
    pub(crate) fn refuse(mut self, fault: &'static str) -> Self {
        let mut request = Request::part(BATCH_END, 0);
        request.refuse(fault);
        self.tasks.push("change the ruleset".to_owned());
        self.requests.push(request);
        self
    }

    /// Whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Has the changes carried out. The kernel is not called if there are none.
    ///
    /// # Errors
    ///
    /// The first change that the kernel refuses, with its reason. Nothing was changed then.
    pub fn send(mut self) -> Result<(), NetError> {
        if self.requests.is_empty() {
            return Ok(());
        }
        self.leave_out_chains()?;
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

    /// Leaves out the chains that are there. At a known generation they still are when the rest is carried out.
    fn leave_out_chains(&mut self) -> Result<(), NetError> {
        let chains = std::mem::take(&mut self.chains);
        if self.generation.is_none() || self.deletes || chains.is_empty() {
            return Ok(());
        }
        let mut requests: Vec<_> = chains.iter().map(|(_, chain)| chain::get(chain)).collect();
        let answers = self.nft.exchange("look for chains", &mut requests)?;
        for ((place, chain), answer) in chains.iter().zip(answers).rev() {
            // A refusal says that it is not there, or the batch will meet it too.
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
