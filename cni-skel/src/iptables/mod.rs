//! Table `nat` of iptables, for who has to share it with other programs.
//!
//! Where `iptables` is nftables underneath, as on most machines, [`Nat`] makes the very objects in the kernel that it
//! would make, over netlink, and runs no program. Where it is the older one, and for what only the program can say, one
//! `iptables-restore` carries out a [`Batch`]; that waits 10 seconds at most for the lock of iptables. Which of the two
//! it is shows when it is needed, and nothing is looked for or tried before.
//!
//! Changes are collected in a batch, which is carried out whole or not at all. [`Nat::transaction`] makes changes that
//! depend on what is there, and starts anew when another program was faster.
//!
//! What was deleted the kernel frees later, and whoever closes a handle waits for that: see [`nft`](crate::nft).
//!
//! Not here: other tables, policies of chains, and matches and targets that no plugin needed. Rules that have them are
//! listed all the same, and can be deleted.
//!
//! Order of use inside: `family`, `rule`, `fault`; `words`, `options`; `extension`, `steps`; `programs`, `nat`, `listing`,
//! `batch`; `carry_out`, `machine`.

mod batch;
mod carry_out;
mod extension;
mod family;
mod fault;
mod listing;
mod machine;
mod nat;
mod options;
mod programs;
mod rule;
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
