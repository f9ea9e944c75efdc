//! Isolation from the machine's network, mounts and state, for this process or one of its threads.

#[cfg(target_os = "linux")]
mod folders;
#[cfg(target_os = "linux")]
mod namespaces;
#[cfg(not(target_os = "linux"))]
mod nowhere;

#[cfg(target_os = "linux")]
pub use folders::cover;
#[cfg(target_os = "linux")]
pub(crate) use folders::{make_read_only, make_undeletable};
#[cfg(target_os = "linux")]
pub(crate) use namespaces::new_netns;
#[cfg(target_os = "linux")]
pub use namespaces::{enter, enter_in_thread};
#[cfg(not(target_os = "linux"))]
pub use nowhere::{cover, enter, enter_in_thread};
#[cfg(not(target_os = "linux"))]
pub(crate) use nowhere::{make_read_only, make_undeletable, new_netns};

/// Where the reference plugins and container engines keep state, and where `ip` keeps the names of namespaces.
/// `/var/run` may be a link to `/run`, or a folder of its own.
pub const STATE_FOLDERS: [&str; 5] =
    ["/var/lib/cni", "/run/cni", "/var/run/cni", "/run/netns", "/var/run/netns"];
/// Where this program keeps its own files while it runs.
pub const OWN: &str = "/run/cnitest";
