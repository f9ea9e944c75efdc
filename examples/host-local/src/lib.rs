//! The CNI IPAM plugin `host-local`, a drop-in replacement for the reference plugin of the same name. Configuration and state on
//! disk are the same, so a node can be switched over and back while containers run.
//!
//! It is also an example of a plugin on [`cni_skel`]. [`HostLocal`] is the plugin; its module passes the values of a request to
//! the module of the command. Modules use only those below them in this list:
//!
//! - `plugin`: the trait's methods
//! - `config`: the keys of the configuration
//! - `add`, `del`, `check`, `gc`, `status`: one command each, a function on parsed values
//! - `reclaim`: releasing addresses after a reboot
//! - `locked`, `reservation`, `store`: the state on disk, to change and to read
//! - `known`, `index`: the addresses in use, without reading all files
//! - `owner`, `boot`: parts of it
//! - `range_set`, `range`, `exclude`, `address`: the addresses that can be allocated
//! - `resolv`: resolv.conf(5)
#![forbid(unsafe_code)]

mod plugin;

mod config;

mod add;
mod check;
mod del;
mod gc;
mod status;

mod reclaim;

mod known;
mod locked;
mod reservation;
mod store;

mod index;

mod boot;
mod owner;

mod address;
mod exclude;
mod range;
mod range_set;
mod resolv;

#[cfg(test)]
mod growth_tests;
#[cfg(test)]
mod lock_tests;
#[cfg(test)]
mod schema_tests;

pub use config::Config;
pub use plugin::HostLocal;
