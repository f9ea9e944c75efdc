//! Reading the table.

use std::cell::OnceCell;
use std::marker::PhantomData;

use super::family::Family;
use super::nat::Nat;
use super::options;
use super::programs::Programs;
use super::rule::{Origin, Rule};
use super::{steps, words};
use crate::Result;
use crate::nft::{self, Nft};

/// The contents of the table, for the closure of a [transaction](Nat::transaction).
#[derive(Debug)]
pub struct Listing<'a> {
    from: From,
    of: PhantomData<&'a Nat>,
}

#[derive(Debug)]
enum From {
    Kernel(Family, Nft),
    /// The whole table, read when it is first needed.
    Programs(Programs, OnceCell<Saved>),
}

/// The chains, and the lines of the rules without `-A`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Saved {
    chains: Vec<String>,
    rules: Vec<String>,
}

impl Listing<'_> {
    pub(super) fn of_kernel(family: Family, nft: &Nft) -> Self {
        Self { from: From::Kernel(family, nft.clone()), of: PhantomData }
    }

    pub(super) fn of_programs(programs: Programs) -> Self {
        Self { from: From::Programs(programs, OnceCell::new()), of: PhantomData }
    }

    /// Returns whether a chain exists.
    ///
    /// # Errors
    ///
    /// Code 999 if the kernel or the program refuses, 5 if the program cannot be run.
    pub fn has_chain(&self, name: &str) -> Result<bool> {
        match &self.from {
            From::Kernel(family, nft) => Ok(nft.find_chain(&family.chain(name))?.is_some()),
            From::Programs(programs, saved) => {
                Ok(read_once(programs, saved)?.chains.iter().any(|chain| chain == name))
            }
        }
    }

    /// Lists the names of the chains.
    ///
    /// # Errors
    ///
    /// As [`has_chain`](Self::has_chain).
    pub fn chains(&self) -> Result<Vec<String>> {
        match &self.from {
            From::Kernel(family, nft) => {
                Ok(nft.chains(&family.table())?.into_iter().map(|chain| chain.name).collect())
            }
            From::Programs(programs, saved) => Ok(read_once(programs, saved)?.chains.clone()),
        }
    }

    /// Returns whether a rule jumps or goes to a chain. With `iptables-nft`, the cost depends only on the number of rules in
    /// the chain itself.
    ///
    /// # Errors
    ///
    /// As [`has_chain`](Self::has_chain).
    pub fn has_jump_to(&self, name: &str) -> Result<bool> {
        match &self.from {
            From::Kernel(family, nft) => Ok(nft.count_jumps_to(&family.chain(name))? > 0),
            From::Programs(programs, saved) => {
                let rules = read_once(programs, saved)?.rules.iter();
                let jumps = |line: &String| {
                    let words = words::split(line).unwrap_or_default();
                    words.windows(2).any(|two| matches!(two[0].as_str(), "-j" | "-g") && two[1] == name)
                };
                Ok(rules.clone().any(jumps))
            }
        }
    }

    /// Lists the rules of a chain in order. The list is empty if there is no such chain.
    ///
    /// # Errors
    ///
    /// As [`has_chain`](Self::has_chain).
    pub fn rules(&self, chain: &str) -> Result<Vec<Rule>> {
        match &self.from {
            From::Kernel(family, nft) => {
                let rules = nft.rules(&family.chain(chain))?.into_iter();
                Ok(rules.map(|rule| of_kernel(*family, rule)).collect())
            }
            From::Programs(programs, saved) => Ok(read_once(programs, saved)?.rules(chain).collect()),
        }
    }

    /// Lists the rules of a chain that a closure accepts, in order. With `iptables-nft`, the others need no memory. The closure
    /// may get a rule more than once.
    ///
    /// # Errors
    ///
    /// As [`has_chain`](Self::has_chain).
    pub fn find_rules(&self, chain: &str, mut accepts: impl FnMut(&Rule) -> bool) -> Result<Vec<Rule>> {
        match &self.from {
            From::Kernel(family, nft) => {
                let read = |rule: &nft::Rule| Rule { spec: steps::read(rule.steps(), *family), origin: None };
                let rules = nft.find_rules(&family.chain(chain), |rule| accepts(&read(rule)))?;
                Ok(rules.into_iter().map(|rule| of_kernel(*family, rule)).collect())
            }
            From::Programs(programs, saved) => {
                Ok(read_once(programs, saved)?.rules(chain).filter(|rule| accepts(rule)).collect())
            }
        }
    }

    /// Returns whether the table was read and has changed since.
    pub(super) fn is_outdated(&self) -> Result<bool> {
        match &self.from {
            From::Programs(programs, saved) => {
                saved.get().map_or(Ok(false), |saved| Ok(*saved != Saved::read(&programs.save()?)))
            }
            // The kernel checks the generation.
            From::Kernel(..) => Ok(false),
        }
    }
}

fn of_kernel(family: Family, rule: nft::Rule) -> Rule {
    Rule { spec: steps::read(rule.steps(), family), origin: Some(Origin::Kernel(Box::new(rule))) }
}

fn read_once<'s>(programs: &Programs, saved: &'s OnceCell<Saved>) -> Result<&'s Saved> {
    if let Some(saved) = saved.get() {
        return Ok(saved);
    }
    let read = Saved::read(&programs.save()?);
    Ok(saved.get_or_init(|| read))
}

impl Saved {
    /// Returns the rules of a chain.
    fn rules<'s>(&'s self, chain: &'s str) -> impl Iterator<Item = Rule> + 's {
        self.rules.iter().filter_map(move |line| {
            let words = line.strip_prefix(chain)?.strip_prefix(' ').or((line == chain).then_some(""))?;
            let words = words::split(words).unwrap_or_else(|| vec!["?".to_owned()]);
            let spec = options::read_listed(&words);
            Some(Rule { spec, origin: Some(Origin::Line(line.clone())) })
        })
    }

    /// Reads the output of `iptables-save`. Ignores counters.
    fn read(text: &str) -> Self {
        let mut saved = Self::default();
        for line in text.lines() {
            if let Some(chain) = line.strip_prefix(':') {
                saved.chains.extend(chain.split(' ').next().map(str::to_owned));
            } else if let Some(rule) = line.strip_prefix("-A ") {
                saved.rules.push(rule.to_owned());
            }
        }
        saved
    }
}
