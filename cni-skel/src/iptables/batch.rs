//! Atomic changes of the table.

use cni_types::Protocol;

use super::fault::{CHAIN_FAULT, is_chain_name};
use super::listing::Listing;
use super::nat::Nat;
use super::rule::{Origin, Rule};
use super::steps;
use crate::nft;
use crate::{Error, Result};

/// Changes of table `nat` that are made together or not at all.
///
/// [`nft::Batch`] is the same for nftables.
///
/// ```no_run
/// use cni_skel::iptables::{Family, Iptables, Rule};
///
/// # fn f(req: &cni_skel::AddRequest) -> cni_skel::Result<()> {
/// let nat = Iptables::of(req).nat(Family::Ipv4)?;
/// let address: std::net::IpAddr = [10, 1, 0, 7].into();
/// let jump = Rule::new().saddr(address).comment("a container").jump("EXAMPLE");
/// nat.batch()
///     .create_chain("EXAMPLE")
///     .append_rule("EXAMPLE", &Rule::new().masquerade())
///     .append_rule("POSTROUTING", &jump)
///     .send()
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a batch does nothing until it is sent"]
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
    DeleteChain(String),
    Append(String, Rule),
    Insert(String, Rule),
    DeleteRule(Rule),
}

impl<'a> Batch<'a> {
    pub(super) fn new(nat: &'a Nat) -> Self {
        Self { nat, tasks: Vec::new() }
    }

    /// Adds a chain that must not exist.
    pub fn create_chain(self, name: impl Into<String>) -> Self {
        self.with(Task::Create(name.into()))
    }

    /// Adds a chain that may exist.
    pub fn add_chain(self, name: impl Into<String>) -> Self {
        self.with(Task::Add(name.into()))
    }

    /// Adds a chain that may exist, and deletes its rules.
    pub fn reset_chain(self, name: impl Into<String>) -> Self {
        self.with(Task::Reset(name.into()))
    }

    /// Deletes all rules of a chain, which has to exist.
    pub fn flush_chain(self, name: impl Into<String>) -> Self {
        self.with(Task::Flush(name.into()))
    }

    /// Deletes a chain and its rules. It has to exist, and no rule may jump to it.
    pub fn delete_chain(self, name: impl Into<String>) -> Self {
        self.with(Task::DeleteChain(name.into()))
    }

    /// Appends a rule to a chain.
    pub fn append_rule(self, chain: impl Into<String>, rule: &Rule) -> Self {
        self.with(Task::Append(chain.into(), rule.clone()))
    }

    /// Inserts a rule at the beginning of a chain.
    pub fn insert_rule(self, chain: impl Into<String>, rule: &Rule) -> Self {
        self.with(Task::Insert(chain.into(), rule.clone()))
    }

    /// Deletes a rule. It has to come from the listing of the same [transaction](Nat::transaction).
    pub fn delete_rule(self, rule: &Rule) -> Self {
        self.with(Task::DeleteRule(rule.clone()))
    }

    /// Returns whether the batch has no changes.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Adds the changes to a batch of nftables. Returns `None` if nftables cannot express them.
    pub(super) fn add_to<'n>(&self, to: nft::Batch<'n>) -> Option<nft::Batch<'n>> {
        let family = self.nat.family;
        if let Some(fault) = self.fault() {
            return Some(to.refuse(fault));
        }
        let mut used: Vec<&str> = Vec::new();
        let mut batch = to;
        for task in &self.tasks {
            // Table and built-in chains are added when they are first used.
            if let Some(name) = task.used_chain()
                && !used.contains(&name)
            {
                if used.is_empty() {
                    batch = batch.add_table(&family.table());
                }
                used.push(name);
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
                Task::DeleteChain(name) => batch.delete_chain(&family.chain(name)),
                Task::Append(chain, rule) => batch.add_rule(&self.nat.rule_of(chain, rule)?),
                Task::Insert(chain, rule) => batch.insert_rule(&self.nat.rule_of(chain, rule)?),
                Task::DeleteRule(rule) => match &rule.origin {
                    Some(Origin::Kernel(rule)) => batch.delete_rule(rule),
                    _ => batch.refuse(NOT_LISTED),
                },
            };
        }
        Some(batch)
    }

    /// Formats the changes for `iptables-restore`. Returns `None` if there are none.
    pub(super) fn script(&self, listing: &Listing<'_>) -> Result<Option<String>> {
        if self.tasks.is_empty() {
            return Ok(None);
        }
        let refused = |fault: &str| Error::new(cni_types::ErrorCode::INTERNAL, fault);
        self.fault().map_or(Ok(()), |fault| Err(refused(fault)))?;
        let mut script = "*nat\n".to_owned();
        let mut added: Vec<&str> = Vec::new();
        for task in &self.tasks {
            let line = match task {
                Task::Create(name) => format!("-N {name}"),
                Task::Add(name) if added.contains(&name.as_str()) || listing.has_chain(name)? => continue,
                Task::Add(name) => {
                    added.push(name);
                    format!("-N {name}")
                }
                // Declaring a chain deletes its rules.
                Task::Reset(name) => format!(":{name} - [0:0]"),
                Task::Flush(name) => format!("-F {name}"),
                Task::DeleteChain(name) => format!("-F {name}\n-X {name}"),
                Task::Append(chain, rule) => format!("-A {chain} {rule}"),
                Task::Insert(chain, rule) => format!("-I {chain} 1 {rule}"),
                Task::DeleteRule(rule) => match &rule.origin {
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

    /// Returns what makes the batch invalid, for the kernel as well as for the program.
    fn fault(&self) -> Option<&'static str> {
        self.tasks.iter().find_map(|task| match task {
            Task::Create(name)
            | Task::Add(name)
            | Task::Reset(name)
            | Task::Flush(name)
            | Task::DeleteChain(name) => (!is_chain_name(name)).then_some(CHAIN_FAULT),
            Task::Append(chain, _) | Task::Insert(chain, _) if !is_chain_name(chain) => Some(CHAIN_FAULT),
            Task::Append(_, rule) | Task::Insert(_, rule) => rule.spec.fault(self.nat.family),
            Task::DeleteRule(_) => None,
        })
    }

    fn with(mut self, task: Task) -> Self {
        self.tasks.push(task);
        self
    }
}

const NOT_LISTED: &str = "a rule to delete does not come from a list";

impl Task {
    /// Returns the chain that it adds, or adds a rule to.
    fn used_chain(&self) -> Option<&str> {
        match self {
            Self::Create(name) | Self::Add(name) | Self::Reset(name) => Some(name),
            Self::Append(chain, _) | Self::Insert(chain, _) => Some(chain),
            Self::Flush(_) | Self::DeleteChain(_) | Self::DeleteRule(_) => None,
        }
    }
}

impl Nat {
    /// Converts a rule into one of nftables. Returns `None` if only the program knows one of its conditions.
    fn rule_of(&self, chain: &str, rule: &Rule) -> Option<nft::Rule> {
        let protocol = rule.spec.protocol.map_or(0, Protocol::number);
        let steps = steps::of(&rule.spec, self.family)?;
        Some(nft::Rule::of_steps(&self.family.chain(chain), protocol, steps))
    }
}
