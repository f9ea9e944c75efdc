//! Changes that are carried out together or not at all.

use cni_types::Protocol;

use super::fault::{CHAIN_FAULT, is_chain_name};
use super::listing::Listing;
use super::nat::Nat;
use super::rule::{Origin, Rule};
use super::steps;
use crate::nft;
use crate::{Error, Result};

/// Changes of table `nat` of a family that are carried out together or not at all.
///
/// ```no_run
/// use cni_skel::iptables::{Family, Iptables, Rule};
///
/// # fn f(req: &cni_skel::AddRequest) -> cni_skel::Result<()> {
/// let nat = Iptables::of(req).nat(Family::Ipv4)?;
/// let address: std::net::IpAddr = [10, 1, 0, 7].into();
/// let leads = Rule::new().saddr(address).comment("a container").jump("EXAMPLE");
/// nat.batch()
///     .create_chain("EXAMPLE")
///     .append_rule("EXAMPLE", &Rule::new().masquerade())
///     .append_rule("POSTROUTING", &leads)
///     .send()
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing happens until it is sent"]
pub struct Batch<'a> {
    pub(super) nat: &'a Nat,
    tasks: Vec<Task>,
}

#[derive(Debug, Clone)]
enum Task {
    Create(String),
    Add(String),
    Reset(String),
    Flush(String),
    Delete(String),
    Append(String, Rule),
    Insert(String, Rule),
    Remove(Rule),
}

impl<'a> Batch<'a> {
    pub(super) fn new(nat: &'a Nat) -> Self {
        Self { nat, tasks: Vec::new() }
    }

    /// Makes a chain that must not be there yet.
    pub fn create_chain(self, name: impl Into<String>) -> Self {
        self.with(Task::Create(name.into()))
    }

    /// Makes a chain; one that is there stays as it is.
    pub fn add_chain(self, name: impl Into<String>) -> Self {
        self.with(Task::Add(name.into()))
    }

    /// Makes a chain that has no rules; one that is there loses them.
    pub fn reset_chain(self, name: impl Into<String>) -> Self {
        self.with(Task::Reset(name.into()))
    }

    /// Takes all rules out of a chain, which has to be there.
    pub fn flush_chain(self, name: impl Into<String>) -> Self {
        self.with(Task::Flush(name.into()))
    }

    /// Deletes a chain with its rules. It has to be there, and none may lead to it.
    pub fn delete_chain(self, name: impl Into<String>) -> Self {
        self.with(Task::Delete(name.into()))
    }

    /// Adds a rule behind those that its chain has.
    pub fn append_rule(self, chain: impl Into<String>, rule: &Rule) -> Self {
        self.with(Task::Append(chain.into(), rule.clone()))
    }

    /// Adds a rule before those that its chain has.
    pub fn insert_rule(self, chain: impl Into<String>, rule: &Rule) -> Self {
        self.with(Task::Insert(chain.into(), rule.clone()))
    }

    /// Deletes a rule as it was listed in the same [transaction](Nat::transaction).
    pub fn delete_rule(self, rule: &Rule) -> Self {
        self.with(Task::Remove(rule.clone()))
    }

    /// Whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Adds the changes to a batch of nftables. Returns `None` if nftables cannot express them.
    pub(super) fn add_to<'n>(&self, to: nft::Batch<'n>) -> Option<nft::Batch<'n>> {
        let family = self.nat.family;
        if let Some(fault) = self.fault() {
            return Some(to.refuse(fault));
        }
        let mut seen: Vec<&str> = Vec::new();
        let mut batch = to;
        for task in &self.tasks {
            // What iptables has by itself is made when it is first used.
            if let Some(name) = task.adds_to()
                && !seen.contains(&name)
            {
                if seen.is_empty() {
                    batch = batch.add_table(&family.table());
                }
                seen.push(name);
                let chain = family.chain(name);
                if chain.base.is_some() {
                    batch = batch.add_chain(&chain);
                }
            }
            batch = match task {
                Task::Create(name) => batch.create_chain(&family.chain(name)),
                Task::Add(name) => batch.add_chain(&family.chain(name)),
                Task::Reset(name) => {
                    let chain = family.chain(name);
                    batch.add_chain(&chain).flush_chain(&chain)
                }
                Task::Flush(name) => batch.flush_chain(&family.chain(name)),
                Task::Delete(name) => batch.delete_chain(&family.chain(name)),
                Task::Append(chain, rule) => batch.add_rule(&self.nat.rule_of(chain, rule)?),
                Task::Insert(chain, rule) => batch.insert_rule(&self.nat.rule_of(chain, rule)?),
                Task::Remove(rule) => match &rule.origin {
                    Some(Origin::Kernel(rule)) => batch.delete_rule(rule),
                    _ => batch.refuse(NOT_LISTED),
                },
            };
        }
        Some(batch)
    }

    /// Says the changes in the words of `iptables-restore`. `None` if there are none.
    pub(super) fn script(&self, listing: &Listing<'_>) -> Result<Option<String>> {
        if self.tasks.is_empty() {
            return Ok(None);
        }
        let refused = |fault: &str| Error::new(cni_types::ErrorCode::INTERNAL, fault);
        self.fault().map_or(Ok(()), |fault| Err(refused(fault)))?;
        let mut script = "*nat\n".to_owned();
        let mut made: Vec<&str> = Vec::new();
        for task in &self.tasks {
            let line = match task {
                Task::Create(name) => format!("-N {name}"),
                Task::Add(name) if made.contains(&name.as_str()) || listing.has_chain(name)? => continue,
                Task::Add(name) => {
                    made.push(name);
                    format!("-N {name}")
                }
                // To declare a chain is to empty it.
                Task::Reset(name) => format!(":{name} - [0:0]"),
                Task::Flush(name) => format!("-F {name}"),
                Task::Delete(name) => format!("-F {name}\n-X {name}"),
                Task::Append(chain, rule) => format!("-A {chain} {rule}"),
                Task::Insert(chain, rule) => format!("-I {chain} 1 {rule}"),
                Task::Remove(rule) => match &rule.origin {
                    Some(Origin::Line(line)) => format!("-D {line}"),
                    _ => return Err(refused(NOT_LISTED)),
                },
            };
            script.push_str(&line);
            script.push('\n');
        }
        script.push_str("COMMIT\n");
        Ok(Some(script))
    }

    /// Why no kernel and no program could take it.
    fn fault(&self) -> Option<&'static str> {
        self.tasks.iter().find_map(|task| match task {
            Task::Create(name)
            | Task::Add(name)
            | Task::Reset(name)
            | Task::Flush(name)
            | Task::Delete(name) => (!is_chain_name(name)).then_some(CHAIN_FAULT),
            Task::Append(chain, _) | Task::Insert(chain, _) if !is_chain_name(chain) => Some(CHAIN_FAULT),
            Task::Append(_, rule) | Task::Insert(_, rule) => rule.spec.fault(self.nat.family),
            Task::Remove(_) => None,
        })
    }

    fn with(mut self, task: Task) -> Self {
        self.tasks.push(task);
        self
    }
}

const NOT_LISTED: &str = "a rule to delete does not come from a list";

impl Task {
    /// The chain that has to be there for it, or that it makes.
    fn adds_to(&self) -> Option<&str> {
        match self {
            Self::Create(name) | Self::Add(name) | Self::Reset(name) => Some(name),
            Self::Append(chain, _) | Self::Insert(chain, _) => Some(chain),
            Self::Flush(_) | Self::Delete(_) | Self::Remove(_) => None,
        }
    }
}

impl Nat {
    /// A rule as nftables has it.
    fn rule_of(&self, chain: &str, rule: &Rule) -> Option<nft::Rule> {
        let protocol = rule.spec.protocol.map_or(0, Protocol::number);
        let steps = steps::of(&rule.spec, self.family)?;
        Some(nft::Rule::of_steps(&self.family.chain(chain), protocol, steps))
    }
}
