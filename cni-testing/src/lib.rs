//! Everything to test a [CNI](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md) plugin with.
//!
//! From least to most powerful; a test uses the least powerful one that can fail.
//! 1. [`Call`] of a plugin that is a value in this process, with environment, stdin, namespace and delegates made up, and
//!    its [`Outcome`]. It runs anywhere, without privileges.
//! 2. [`FakeNetwork`]: a host and containers in memory, which answer the plugin's netlink requests as the kernel does.
//! 3. [`faults`]: each operation of the plugin fails in turn, and nothing may be left behind; and a [`Rival`], another
//!    program that changes something right before any of them.
//! 4. [`Call`] of a [`Binary`], in any language.
//! 5. [`TestNetns`]: real network namespaces that end with the test, and [`Snapshot`]s of them.
//! 6. [`Chain`]: a network configuration as a container engine runs it, with the plugins of the workspace
//!    ([`workspace_plugin`]) or any others.
//! 7. [`conformance`]: all that the specification asks, check by check, of a plugin in process or a binary.
//! 8. The program `cnitest`: the same from the shell. The README tells more.
//!
//! With feature `proptest`, module `strategies` has values of every type of the specification for property tests with any
//! of these.
//!
//! Not here: a plugin's own logic, and anything that an engine does besides calling plugins.
//!
//! # Order of modules
//!
//! Each only those before it: `isolation`, `test_netns`; `process`, `snapshot`, `scene`; `delegate`, `fake_network`, `iptables`,
//! `reference`, `rival`, `workspace`; `call`; `chain`, `conformance`, `faults`; `config_keys`, `strategies`.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(hidden)]
pub mod isolation;
mod test_netns;

mod process;
#[doc(hidden)]
pub mod scene;
mod snapshot;

mod delegate;
mod fake_network;
mod iptables;
mod reference;
mod rival;
mod workspace;

mod call;

mod chain;
pub mod conformance;
pub mod faults;

mod config_keys;
#[cfg(feature = "proptest")]
pub mod strategies;

pub use call::{Binary, Call, Outcome, Subject};
pub use chain::{Chain, ChainError, ChainFailure, PluginCall};
pub use cni_skel::types;
pub use config_keys::assert_schema_has_keys;
pub use delegate::{DelegateCall, DelegateReply};
pub use fake_network::FakeNetwork;
pub use iptables::{Iptables, IptablesKind};
#[doc(hidden)]
pub use process::Answer;
pub use reference::reference_plugin;
pub use rival::Rival;
pub use serde_json::json;
pub use snapshot::Snapshot;
pub use test_netns::TestNetns;
pub use workspace::workspace_plugin;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
