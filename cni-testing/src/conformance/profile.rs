//! What is known about the plugin.

use cni_skel::types::SpecVersion;

use super::level::Kind;
use super::setup::Setup;

/// What is known about the plugin.
#[derive(Clone, Debug, Default)]
pub(super) struct Profile {
    pub(super) kind: Option<Kind>,
    /// The versions that it says it supports.
    pub(super) supported: Vec<SpecVersion>,
    /// Why ADD cannot be tried, if so.
    pub(super) broken: Option<String>,
}

impl Profile {
    /// Whether the suite must make the interface that the plugin works on.
    pub(super) fn needs_base(&self, setup: &Setup) -> bool {
        self.kind == Some(Kind::Chained) && setup.before.is_empty()
    }
}
