//! Table `nat` of iptables, for plugins that share it with other programs.
//!
//! ```no_run
//! use cni_skel::iptables::{Family, Iptables, Rule};
//!
//! # fn f(req: &cni_skel::AddRequest) -> cni_skel::Result<()> {
//! let nat = Iptables::of(req).nat(Family::Ipv4)?;
//! let address: std::net::IpAddr = [10, 1, 0, 7].into();
//! let rule = Rule::new().saddr(address).comment("a container").masquerade();
//! nat.batch().append_rule("POSTROUTING", &rule).send()
//! # }
//! ```
//!
//! There are two kinds of iptables. On most hosts `iptables` is a front end to nftables (`iptables-nft`). There [`Nat`] creates
//! the same kernel objects over netlink, and runs no program. On hosts with the older kind (`iptables-legacy`), and for
//! conditions that only the program knows, `iptables-restore` sends a [`Batch`]; it waits at most 10 seconds for the lock of
//! iptables. The kind is determined when it is needed.
//!
//! A [`Batch`] is atomic: all its changes are made, or none. [`Nat::transaction`] makes changes that depend on the table, and
//! starts again if another program changed it meanwhile.
//!
//! A [`Rule`] is one of iptables; those of nftables are [`nft::Rule`](crate::nft::Rule). [`Family`] is IPv4 or IPv6.
//!
//! Closing a handle waits until the kernel has freed what was deleted: see [`nft`](crate::nft).
//!
//! Not here: other tables, policies of chains, and matches and targets that no plugin needed. Rules with such matches can be
//! listed and deleted.
//!
//! Order in which the modules use each other: `family`, `rule`, `fault`; `words`, `options`; `extension`, `steps`; `programs`,
//! `nat`, `listing`, `batch`; `send`, `machine`.

mod batch;
mod extension;
mod family;
mod fault;
mod listing;
mod machine;
mod nat;
mod options;
mod programs;
mod rule;
mod send;
mod steps;
mod words;

#[cfg(test)]
mod tests;

pub use batch::Batch;
pub use family::Family;
pub use fault::is_chain_name;
pub use listing::Listing;
pub use machine::Iptables;
pub use nat::Nat;
pub use rule::Rule;
