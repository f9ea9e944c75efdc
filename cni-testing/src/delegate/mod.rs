//! Scripted delegates: what they reply, and what they were called with.

mod program;
mod reply;
mod script;

pub(crate) use program::{ScriptedProgram, ScriptedPrograms};
pub use reply::{DelegateCall, DelegateReply};
pub(crate) use script::Script;
