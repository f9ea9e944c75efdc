//! Attachments, as GC names them.

use serde::{Deserialize, Serialize};

use crate::{ContainerId, IfName};

/// The attachment of a container to a network: an element of key `cni.dev/valid-attachments` in a
/// [GC](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#gc-clean-up-any-stale-resources) request.
///
/// ```
/// use cni_types::{Attachment, from_json};
///
/// let valid: Vec<Attachment> = from_json(r#"[{"containerID": "web-0", "ifname": "eth0"}]"#)?;
/// assert_eq!(valid[0].container_id, "web-0");
/// assert_eq!(valid[0].ifname, "eth0");
/// # Ok::<(), cni_types::DecodeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Attachment {
    /// The id of the container: key `containerID`.
    #[serde(rename = "containerID")]
    pub container_id: ContainerId,
    /// The name of the interface in the container: key `ifname`.
    pub ifname: IfName,
}

impl Attachment {
    /// Makes an attachment.
    pub fn new(container_id: ContainerId, ifname: IfName) -> Self {
        Self { container_id, ifname }
    }
}
