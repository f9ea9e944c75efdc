//! Write CNI plugins.

#[cfg(feature = "net")]
pub mod net;
#[cfg(feature = "net")]
mod netlink;
mod netns;
mod sys;
mod sysctl;
pub mod types;

pub use crate::netns::Netns;
pub use crate::sysctl::Sysctl;
