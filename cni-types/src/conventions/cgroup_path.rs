//! The control group of a pod.

use crate::name::name;

name! {
    /// The control group of the pod: capability
    /// [`cgroupPath`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/CONVENTIONS.md#dynamic-plugin-specific-fields-capabilities--runtime-configuration).
    /// It is a path below the root of the control groups, with or without a leading `/`, and cannot lead out of there.
    ///
    /// ```
    /// use cni_types::CgroupPath;
    ///
    /// let path = CgroupPath::try_from("/kubepods.slice/kubepods-pod1.slice")?;
    /// assert_eq!(path.relative(), "kubepods.slice/kubepods-pod1.slice");
    /// assert!(CgroupPath::try_from("/kubepods.slice/../../etc").is_err());
    /// # Ok::<(), cni_types::InvalidName>(())
    /// ```
    CgroupPath, "cgroup path", check
}

impl CgroupPath {
    /// The path without a leading `/`, to be joined to where the control groups are mounted.
    pub fn relative(&self) -> &str {
        self.as_str().trim_start_matches('/')
    }
}

fn check(value: &str) -> Result<(), &'static str> {
    match value {
        "" => Err("it is empty"),
        _ if value.len() > 4095 => Err("it is longer than a path can be"),
        _ if value.contains(char::is_control) => Err("it contains control characters"),
        _ if value.split('/').any(|part| matches!(part, "." | "..")) => Err("it contains . or .."),
        _ => Ok(()),
    }
}
