//! Test CNI plugins.
#![forbid(unsafe_code)]

mod call;
mod chain;
mod delegate_reply;
mod fake_host;
mod outcome;
mod programs;
mod snapshot;
mod subject;
mod test_netns;
mod workspace;

pub use call::Call;
pub use chain::{Chain, ChainError, ChainFailure, PluginCall};
pub use cni_skel::types;
pub use delegate_reply::{DelegateCall, DelegateReply};
pub use outcome::Outcome;
pub use serde_json::json;
pub use snapshot::Snapshot;
#[doc(hidden)]
pub use subject::Answer;
pub use subject::{Binary, Subject};
pub use test_netns::TestNetns;
pub use workspace::workspace_plugin;
