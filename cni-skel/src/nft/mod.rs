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
//! `rule`, `rule_steps`, `rule_message`, `show`; `handle`, which has the socket; `lists`, `batch`, `flow`; `lock`,
//! `transaction`.

mod batch;
mod chain;
mod constants;
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
mod show;
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
