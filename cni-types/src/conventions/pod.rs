//! The Kubernetes pod that a container belongs to.

use crate::ContainerId;

/// The pod that a container belongs to, as a Kubernetes runtime tells it in
/// [`CNI_ARGS`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/CONVENTIONS.md#cni_args). Podman sends the
/// name only.
///
/// Name, namespace and UID start with a letter or digit, go on with letters, digits, `_`, `.` and `-`, and are at most 253
/// bytes long: they can be part of a path.
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
    /// Its namespace: key `K8S_POD_NAMESPACE`.
    pub namespace: Option<String>,
    /// Its name: key `K8S_POD_NAME`.
    pub name: Option<String>,
    /// Its UID: key `K8S_POD_UID`.
    pub uid: Option<String>,
    /// The container that holds its namespaces: key `K8S_POD_INFRA_CONTAINER_ID`.
    pub infra_container_id: Option<ContainerId>,
}
