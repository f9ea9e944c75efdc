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
//! Modules may use only those before them: `isolation`, where what only Linux has is; `delegate_reply`, `outcome`,
//! `test_netns`, `iptables`, `snapshot`, `workspace`; `fake_host` and `programs`, which play scripted delegates; `fake_network`;
//! `child`; `rival`; `subject`, `call`; `faults`; `chain`; `conformance`. `config_keys`, `reference` and
//! `strategies` stand alone.
#![forbid(unsafe_code)]

mod call;
mod chain;
mod child;
mod config_keys;
pub mod conformance;
mod delegate_reply;
mod fake_host;
mod fake_network;
pub mod faults;
mod iptables;
#[doc(hidden)]
pub mod isolation;
mod outcome;
mod programs;
mod reference;
mod rival;
mod snapshot;
#[cfg(feature = "proptest")]
pub mod strategies;
mod subject;
mod test_netns;
mod workspace;

pub use call::Call;
pub use chain::{Chain, ChainError, ChainFailure, PluginCall};
pub use cni_skel::types;
pub use config_keys::assert_schema_has_keys;
pub use delegate_reply::{DelegateCall, DelegateReply};
pub use fake_network::FakeNetwork;
pub use iptables::{Iptables, IptablesKind};
pub use outcome::Outcome;
pub use reference::reference_plugin;
pub use rival::Rival;
pub use serde_json::json;
pub use snapshot::Snapshot;
#[doc(hidden)]
pub use subject::Answer;
pub use subject::{Binary, Subject};
pub use test_netns::TestNetns;
pub use workspace::workspace_plugin;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
