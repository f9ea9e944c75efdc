//! Paths of control groups.

use crate::name::name;

name! {
    /// The path of the control group of a pod: capability
    /// [`cgroupPath`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/CONVENTIONS.md#dynamic-plugin-specific-fields-capabilities--runtime-configuration).
    ///
    /// It is a path below the root of the control groups, with or without a leading `/`. It has no `.` or `..`, so it cannot
    /// leave the root.
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
    /// Returns the path without leading `/`, for joining with the mount point of the control groups.
    pub fn relative(&self) -> &str {
        self.as_str().trim_start_matches('/')
    }
}

fn check(value: &str) -> Result<(), &'static str> {
    match value {
        "" => Err("it is empty"),
        _ if value.len() > 4095 => Err("it is longer than 4095 bytes"),
        _ if value.contains(char::is_control) => Err("it contains control characters"),
        _ if value.split('/').any(|part| matches!(part, "." | "..")) => Err("it contains . or .."),
        _ => Ok(()),
    }
}
