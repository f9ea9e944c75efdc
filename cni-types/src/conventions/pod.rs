//! The Kubernetes pod of a container.

use crate::ContainerId;

/// The Kubernetes pod of a container, as runtimes pass it in
/// [`CNI_ARGS`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/CONVENTIONS.md#cni_args). Podman passes only the
/// name.
///
/// Name, namespace and UID start with an ASCII letter or digit. Their other characters are ASCII letters, digits, `_`, `.` and
/// `-`. They have at most 253 bytes. It is safe to use them as a component of a path.
///
/// ```
/// use cni_types::CniArgs;
///
/// let args = CniArgs::parse("IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0")?;
/// let pod = args.pod()?;
/// assert_eq!((pod.namespace.as_deref(), pod.name.as_deref(), pod.uid), (Some("shop"), Some("web-0"), None));
/// assert!(CniArgs::parse("K8S_POD_NAME=../../secrets")?.pod().is_err());
/// # Ok::<(), cni_types::ArgsError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Pod {
    /// The namespace: key `K8S_POD_NAMESPACE`.
    pub namespace: Option<String>,
    /// The name: key `K8S_POD_NAME`.
    pub name: Option<String>,
    /// The UID: key `K8S_POD_UID`.
    pub uid: Option<String>,
    /// The id of the container that holds the namespaces of the pod: key `K8S_POD_INFRA_CONTAINER_ID`.
    pub infra_container_id: Option<ContainerId>,
}
