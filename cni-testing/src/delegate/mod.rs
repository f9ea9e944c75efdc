//! Delegates that a test scripts: what they answer, and what they were asked.

mod program;
mod reply;

pub(crate) use program::ScriptedPrograms;
pub use reply::{DelegateCall, DelegateReply};
