//! Listing and finding tables, chains, rules, sets and elements.

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

/// The number of requests whose answers certainly fit into the socket's receive buffer.
const LOOKUPS_AT_ONCE: usize = 64;

impl Nft {
    /// Lists the tables of a family.
    ///
    /// # Errors
    ///
    /// The kernel refuses, or the ruleset changes each time it is read.
    pub fn tables(&self, family: Family) -> Result<Vec<Table>, NetError> {
        let answer = self.ask("list tables", start(Request::dump(GETTABLE), family.number()))?;
        Ok(answer.messages().filter_map(table::decode).filter(|table| table.family == family).collect())
    }

    /// Lists the chains of a table. The list is empty if there is no such table.
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

    /// Finds a chain by its name. Returns `None` if there is none.
    ///
    /// # Errors
    ///
    /// The kernel refuses.
    pub fn find_chain(&self, chain: &Chain) -> Result<Option<Chain>, NetError> {
        let answer = self.ask_optional(&format!("find chain {}", chain.describe()), chain::get(chain))?;
        Ok(answer.messages().find_map(chain::decode))
    }

    /// Counts the rules in other chains that jump or go to a chain. 0 if there is no such chain.
    #[cfg(feature = "iptables")]
    pub(crate) fn count_jumps_to(&self, chain: &Chain) -> Result<usize, NetError> {
        let answer = self.ask_optional(&format!("find chain {}", chain.describe()), chain::get(chain))?;
        // The kernel's count includes the rules of the chain.
        let uses = answer.messages().find_map(chain::decode_uses).unwrap_or_default();
        Ok(usize::try_from(uses).unwrap_or(usize::MAX).saturating_sub(self.rules(chain)?.len()))
    }

    /// Lists the rules of a chain in order. The list is empty if there is no such chain.
    ///
    /// # Errors
    ///
    /// As [`tables`](Self::tables).
    pub fn rules(&self, chain: &Chain) -> Result<Vec<Rule>, NetError> {
        let what = format!("list the rules of {}", chain.describe());
        let answer = self.ask_optional(&what, rule_message::list(chain))?;
        Ok(answer.messages().filter_map(rule_message::decode).filter(|rule| rule.is_of(chain)).collect())
    }

    /// Lists the rules of a chain that a closure accepts, in order. The others need no memory, unlike with
    /// [`rules`](Self::rules). The closure may get a rule more than once.
    ///
    /// # Errors
    ///
    /// As [`tables`](Self::tables).
    pub fn find_rules(
        &self,
        chain: &Chain,
        mut accepts: impl FnMut(&Rule) -> bool,
    ) -> Result<Vec<Rule>, NetError> {
        let mut is_wanted = |message: Message<'_>| {
            rule_message::decode(message).is_some_and(|rule| rule.is_of(chain) && accepts(&rule))
        };
        self.filter_rules(chain, &mut is_wanted)
    }

    /// Lists the rules of a chain whose comment a closure accepts, in order. This does not decode the other rules, and takes
    /// half the time of [`find_rules`](Self::find_rules) in a chain of thousands.
    ///
    /// # Errors
    ///
    /// As [`tables`](Self::tables).
    pub fn rules_with_comment(
        &self,
        chain: &Chain,
        mut accepts: impl FnMut(&str) -> bool,
    ) -> Result<Vec<Rule>, NetError> {
        let mut is_wanted =
            |message: Message<'_>| rule_message::comment_of(message).is_some_and(|comment| accepts(&comment));
        self.filter_rules(chain, &mut is_wanted)
    }

    /// Lists the sets and maps of a table that a [`Set`] can describe. The list is empty if there is no such table.
    ///
    /// # Errors
    ///
    /// As [`tables`](Self::tables).
    pub fn sets(&self, table: &Table) -> Result<Vec<Set>, NetError> {
        let mut request = start(Request::dump(GETSET), table.family.number());
        put_name(&mut request, SET_TABLE, &table.name);
        let answer = self.ask_optional("list sets", request)?;
        let is_in = |set: &Set| set.family == table.family && set.table == table.name;
        Ok(answer.messages().filter_map(set::decode).filter(is_in).collect())
    }

    /// Lists the elements of a set or map. The list is empty if there is no such set.
    ///
    /// # Errors
    ///
    /// As [`tables`](Self::tables).
    pub fn elements(&self, set: &Set) -> Result<Vec<Element>, NetError> {
        let answer =
            self.ask_optional(&format!("list the elements of {}", set.describe()), set::list(set))?;
        Ok(answer.messages().flat_map(|message| set::decode_elements(set, message)).collect())
    }

    /// Returns whether a closure accepts an element of a set or map. The memory does not grow with the number of elements.
    ///
    /// # Errors
    ///
    /// As [`tables`](Self::tables).
    pub fn has_element(
        &self,
        set: &Set,
        mut accepts: impl FnMut(&Element) -> bool,
    ) -> Result<bool, NetError> {
        let mut is_found = false;
        let mut is_wanted = |message: Message<'_>| {
            // If the list is read again, an element that was found before still counts.
            is_found = is_found || set::decode_elements(set, message).iter().any(&mut accepts);
            false
        };
        self.ask_filtered(
            &format!("list the elements of {}", set.describe()),
            set::list(set),
            &mut is_wanted,
        )?;
        Ok(is_found)
    }

    /// Finds elements by their keys. Returns one entry for each key, in the same order: `None` if there is no such element or
    /// no such set. The cost does not grow with the size of the set.
    ///
    /// # Errors
    ///
    /// The kernel refuses, or a key has other types than the set.
    pub fn find_elements(&self, set: &Set, keys: &[Vec<Value>]) -> Result<Vec<Option<Element>>, NetError> {
        let what = format!("find elements of {}", set.describe());
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

    fn filter_rules(
        &self,
        chain: &Chain,
        is_wanted: &mut dyn FnMut(Message<'_>) -> bool,
    ) -> Result<Vec<Rule>, NetError> {
        let what = format!("list the rules of {}", chain.describe());
        let answer = self.ask_filtered(&what, rule_message::list(chain), is_wanted)?;
        Ok(answer.messages().filter_map(rule_message::decode).filter(|rule| rule.is_of(chain)).collect())
    }
}
