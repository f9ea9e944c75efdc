//! Write CNI plugins: from process to handler and back, and what a handler needs.
#![warn(missing_docs)]

mod error;
mod errors;

mod env;
mod invocation;
mod netns;
mod panic;
mod sys;
mod sysctl;
mod undo;

#[cfg(feature = "net")]
pub mod net;
#[cfg(feature = "net")]
mod netlink;

mod host;

mod context;
mod delegate;
mod plugin;
mod request;

mod dispatch;
mod reply;
mod run;
mod system;

pub use cni_types as types;
pub use context::Context;
pub use delegate::Delegate;
pub use dispatch::dispatch;
pub use env::Env;
pub use error::{Error, Result};
pub use errors::Errors;
pub use host::{Executed, Execution, Host};
pub use invocation::Invocation;
pub use netns::Netns;
pub use plugin::{NoConfig, Plugin};
pub use reply::{Reply, Undelivered};
pub use request::{AddRequest, CheckRequest, DelRequest, GcRequest, StatusRequest};
pub use run::run;
pub use sysctl::Sysctl;
pub use system::System;
