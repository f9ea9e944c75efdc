//! An attachment, as GC names it.

use serde::{Deserialize, Serialize};

use crate::{ContainerId, IfName};

/// A container's attachment to a network, one element of key `cni.dev/valid-attachments` of
/// [GC](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#gc-clean-up-any-stale-resources).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Attachment {
    /// The container: key `containerID`.
    #[serde(rename = "containerID")]
    pub container_id: ContainerId,
    /// The interface inside it: key `ifname`.
    pub ifname: IfName,
}

impl Attachment {
    /// Names an attachment.
    pub fn new(container_id: ContainerId, ifname: IfName) -> Self {
        Self { container_id, ifname }
    }
}
