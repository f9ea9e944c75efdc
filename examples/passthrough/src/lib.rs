//! A chained plugin that changes nothing: the smallest one that conforms.
use cni_skel::types::AddResult;
use cni_skel::{AddRequest, CheckRequest, DelRequest, NoConfig, Plugin, Result};

/// The plugin.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "a unit struct has nothing to add to")]
pub struct Passthrough;

impl Plugin for Passthrough {
    type Config = NoConfig;

    fn add(&self, req: &AddRequest) -> Result<AddResult> {
        Ok(req.prev_result()?.cloned().unwrap_or_default())
    }

    fn del(&self, _: &DelRequest) -> Result<()> {
        Ok(())
    }

    fn check(&self, _: &CheckRequest) -> Result<()> {
        Ok(())
    }
}
