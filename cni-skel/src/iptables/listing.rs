//! What is in the table.

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

/// What is in the table, for a [transaction](Nat::transaction) to look at.
#[derive(Debug)]
pub struct Listing<'a> {
    from: From,
    of: PhantomData<&'a Nat>,
}

#[derive(Debug)]
enum From {
    Kernel(Family, Nft),
    /// All of it, once it is asked for.
    Programs(Programs, OnceCell<Saved>),
}

/// The chains, and each rule's line behind `-A`.
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

    /// Whether a chain is there.
    ///
    /// # Errors
    /// Code 999 when the kernel or the program refuses, 5 when it cannot be run.
    pub fn has_chain(&self, name: &str) -> Result<bool> {
        match &self.from {
            From::Kernel(family, nft) => Ok(nft.find_chain(&family.chain(name))?.is_some()),
            From::Programs(programs, saved) => {
                Ok(look(programs, saved)?.chains.iter().any(|chain| chain == name))
            }
        }
    }

    /// Lists the names of the chains.
    ///
    /// # Errors
    /// As [`has_chain`](Self::has_chain).
    pub fn chains(&self) -> Result<Vec<String>> {
        match &self.from {
            From::Kernel(family, nft) => {
                Ok(nft.chains(&family.table())?.into_iter().map(|chain| chain.name).collect())
            }
            From::Programs(programs, saved) => Ok(look(programs, saved)?.chains.clone()),
        }
    }

    /// Whether any rule leads to a chain. Where iptables is nftables underneath this costs as much as the chain has rules,
    /// however many there are elsewhere.
    ///
    /// # Errors
    /// As [`has_chain`](Self::has_chain).
    pub fn has_jump_to(&self, name: &str) -> Result<bool> {
        match &self.from {
            From::Kernel(family, nft) => Ok(nft.count_jumps_to(&family.chain(name))? > 0),
            From::Programs(programs, saved) => {
                let rules = look(programs, saved)?.rules.iter();
                let leads = |line: &String| {
                    let words = words::split(line).unwrap_or_default();
                    words.windows(2).any(|two| matches!(two[0].as_str(), "-j" | "-g") && two[1] == name)
                };
                Ok(rules.clone().any(leads))
            }
        }
    }

    /// Lists the rules of a chain, in their order; none if the chain is not there.
    ///
    /// # Errors
    /// As [`has_chain`](Self::has_chain).
    pub fn rules(&self, chain: &str) -> Result<Vec<Rule>> {
        match &self.from {
            From::Kernel(family, nft) => {
                let rules = nft.rules(&family.chain(chain))?.into_iter();
                Ok(rules.map(|rule| of_kernel(*family, rule)).collect())
            }
            From::Programs(programs, saved) => Ok(look(programs, saved)?.rules(chain).collect()),
        }
    }

    /// Lists those rules of a chain that are meant, in their order. Where iptables is nftables underneath, the memory that
    /// it takes does not grow with the number of the others. The closure may be shown one rule more than once.
    ///
    /// # Errors
    /// As [`has_chain`](Self::has_chain).
    pub fn find_rules(&self, chain: &str, mut is_meant: impl FnMut(&Rule) -> bool) -> Result<Vec<Rule>> {
        match &self.from {
            From::Kernel(family, nft) => {
                let read = |rule: &nft::Rule| Rule { spec: steps::read(rule.steps(), *family), origin: None };
                let rules = nft.find_rules(&family.chain(chain), |rule| is_meant(&read(rule)))?;
                Ok(rules.into_iter().map(|rule| of_kernel(*family, rule)).collect())
            }
            From::Programs(programs, saved) => {
                Ok(look(programs, saved)?.rules(chain).filter(|rule| is_meant(rule)).collect())
            }
        }
    }

    /// Whether it was looked at and is not so any more.
    pub(super) fn is_outdated(&self) -> Result<bool> {
        match &self.from {
            From::Programs(programs, saved) => {
                saved.get().map_or(Ok(false), |saved| Ok(*saved != Saved::read(&programs.save()?)))
            }
            // The kernel has noticed.
            From::Kernel(..) => Ok(false),
        }
    }
}

fn of_kernel(family: Family, rule: nft::Rule) -> Rule {
    Rule { spec: steps::read(rule.steps(), family), origin: Some(Origin::Kernel(Box::new(rule))) }
}

fn look<'s>(programs: &Programs, saved: &'s OnceCell<Saved>) -> Result<&'s Saved> {
    if let Some(saved) = saved.get() {
        return Ok(saved);
    }
    let read = Saved::read(&programs.save()?);
    Ok(saved.get_or_init(|| read))
}

impl Saved {
    /// The rules of a chain.
    fn rules<'s>(&'s self, chain: &'s str) -> impl Iterator<Item = Rule> + 's {
        self.rules.iter().filter_map(move |line| {
            let words = line.strip_prefix(chain)?.strip_prefix(' ').or((line == chain).then_some(""))?;
            let words = words::split(words).unwrap_or_else(|| vec!["?".to_owned()]);
            let spec = options::read_listed(&words);
            Some(Rule { spec, origin: Some(Origin::Line(line.clone())) })
        })
    }

    /// Reads what `iptables-save` prints. What it counts does not matter.
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
