//! What is there.

use super::chain::{self, Chain};
use super::constants::{CHAIN_TABLE, GETCHAIN, GETSET, GETTABLE, SET_TABLE};
use super::handle::Nft;
use super::rule::Rule;
use super::rule_message;
use super::set::{self, Element, Set};
use super::table::{self, Family, Table};
use super::value::Value;
use super::wire::{put_name, start};
use crate::net::NetError;
use crate::netlink::{Message, Refusal, Request};

/// How many answers surely fit into the socket's receive buffer.
const LOOKUPS_AT_ONCE: usize = 64;

impl Nft {
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
}
