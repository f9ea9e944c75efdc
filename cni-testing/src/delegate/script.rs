//! The script that the delegates of a call follow, and what has happened so far.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::reply::{DelegateCall, DelegateReply};

/// A script that the plugin's threads share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script(Arc<Mutex<Played>>);

/// The replies that are left, and the calls so far.
#[derive(Debug, Default)]
pub(crate) struct Played {
    pub(crate) replies: BTreeMap<String, Vec<DelegateReply>>,
    pub(crate) calls: Vec<DelegateCall>,
    /// The calls that the script does not have.
    unexpected: Vec<String>,
}

impl Script {
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Played) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Played {
    /// Takes the next reply of a plugin, if it is one to this command.
    pub(crate) fn next_reply(&mut self, plugin: &str, command: &str) -> Option<DelegateReply> {
        let replies = self.replies.get_mut(plugin)?;
        if replies.first().is_some_and(|reply| reply.command.as_str() == command) {
            return Some(replies.remove(0));
        }
        self.unexpected.push(format!("{command} of {plugin}"));
        None
    }

    /// How the calls differ from the script.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let unexpected = self.unexpected.iter().map(|call| format!("delegate call not expected: {call}"));
        let unused = self.replies.iter().flat_map(|(plugin, replies)| {
            replies.iter().map(move |reply| {
                format!("delegate call expected but not made: {} of {plugin}", reply.command)
            })
        });
        unexpected.chain(unused).collect()
    }
}
