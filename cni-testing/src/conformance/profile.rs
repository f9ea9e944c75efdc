//! What is known about the plugin.

use cni_skel::types::SpecVersion;

use super::level::Kind;
use super::setup::Setup;

/// What is known of the plugin.
#[derive(Clone, Debug, Default)]
pub(super) struct Profile {
    pub(super) kind: Option<Kind>,
    /// The versions that it says it supports.
    pub(super) supported: Vec<SpecVersion>,
    /// Why its ADD cannot be tried, if it cannot.
    pub(super) broken: Option<String>,
}

impl Profile {
    /// Whether the suite itself makes the interface that it is to work on.
    pub(super) fn needs_base(&self, setup: &Setup) -> bool {
        self.kind == Some(Kind::Chained) && setup.before.is_empty()
    }
}
