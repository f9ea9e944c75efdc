//! Tests for [CNI](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md) plugins.
//!
//! The tools, from least to most powerful. A test uses the least powerful one that can fail.
//! 1. [`Call`] calls a plugin that is a value in this process, with a made-up environment, stdin, namespace and
//!    delegates. It returns an [`Outcome`]. It needs no privileges and runs on any machine.
//! 2. [`FakeNetwork`] is a host and its containers in memory. It answers the plugin's netlink requests as the kernel
//!    does.
//! 3. [`faults`] makes each operation of the plugin fail in turn, and checks that nothing is left behind. A [`Rival`] is
//!    another program that changes something right before an operation.
//! 4. [`Call`] calls a [`Binary`] in any language.
//! 5. [`TestNetns`] is a real network namespace that ends with the test. A [`Snapshot`] records what is in it.
//! 6. [`Chain`] runs a network configuration as a container engine does, with the plugins of the workspace
//!    ([`workspace_plugin`]) or any others.
//! 7. [`conformance`] checks everything the specification requires, for a plugin in process or a binary.
//! 8. The program `cnitest` does the same from the shell. See the README.
//!
//! With feature `proptest`, module `strategies` generates values of every type of the specification, for property tests.
//!
//! Not here: the logic of a plugin, and what an engine does besides calling plugins.
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
