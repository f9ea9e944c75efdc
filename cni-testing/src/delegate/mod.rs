//! Delegates that a test scripts: what they answer, and what they were asked.

mod program;
mod reply;
mod script;

pub(crate) use program::{ScriptedProgram, ScriptedPrograms};
pub use reply::{DelegateCall, DelegateReply};
pub(crate) use script::Script;
