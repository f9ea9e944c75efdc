//! The nftables ruleset of a network namespace, and its tracked flows.
//!
//! [`Nft`] is a handle to the ruleset of one namespace, and works from every thread. It uses netlink and runs no program.
//!
//! ```no_run
//! use cni_skel::nft::{Base, Chain, ChainType, Family, Hook, Nft, Rule, Table};
//!
//! # fn f() -> Result<(), cni_skel::net::NetError> {
//! let nft = Nft::open()?;
//! let table = Table::new(Family::Inet, "example");
//! let chain = Chain::base(&table, "postrouting", Base::new(ChainType::Nat, Hook::Postrouting, Base::SRCNAT));
//! let rule = Rule::new(&chain).oifname("eth0").masquerade().comment("a container");
//! nft.batch().add_table(&table).add_chain(&chain).add_rule(&rule).send()
//! # }
//! ```
//!
//! A [`Batch`] is atomic: the kernel makes all its changes or none. [`Nft::transaction`] makes changes that depend on the
//! ruleset, and starts again if another program changed it meanwhile.
//!
//! [`Table`], [`Chain`], [`Rule`], [`Set`] and [`Element`] are what a plugin adds, and what the kernel lists. A [`Rule`] is one
//! of nftables; those of iptables are `iptables::Rule`, and those that choose a routing table are
//! [`net::RoutingRule`](crate::net::RoutingRule). [`Family`] is the family of a table of nftables.
//!
//! The kernel frees deleted and changed objects later. Closing a handle waits for that, for some milliseconds. Deleting a link
//! waits too, so close the handle after such work: then the two waits are one.
//!
//! Not here: intervals and timeouts in sets, verdict maps, limits, logging, and other expressions that no plugin needed. Rules
//! with such expressions can be listed and deleted.
//!
//! Order in which the modules use each other: `constants`, `wire`; `table`, `chain`; `expression`, `expression_message`,
//! `value`, `set`, `rule`, `rule_steps`, `rule_message`, `display`; `handle` with the socket; `lists`, `batch`, `flow`; `lock`,
//! `transaction`.

mod batch;
mod chain;
mod constants;
mod display;
mod expression;
mod expression_message;
mod flow;
mod handle;
mod lists;
mod lock;
mod rule;
mod rule_message;
mod rule_steps;
mod set;
mod table;
mod transaction;
mod value;
mod wire;

#[cfg(test)]
mod tests;

pub use batch::Batch;
pub use chain::{Base, Chain, ChainType, Hook};
pub use flow::{Flow, FlowFilter, Tuple};
pub use handle::{Generation, Nft};
pub use rule::{CtState, Rule};
pub use set::{Element, Set};
pub use table::{Family, Table};
pub use value::{DataType, Field, Value};

#[cfg(feature = "iptables")]
pub(crate) use expression::{Expression, Extension, Register, Verdict};
#[cfg(feature = "iptables")]
pub(crate) use lock::Lock;
