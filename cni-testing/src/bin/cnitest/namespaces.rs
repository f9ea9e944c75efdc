//! Leaves the machine's network and mounts, before this process has more than one thread.

use std::fs;
use std::io;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getgid, getuid};

use crate::Impossible;

/// Goes into new network and mount namespaces; without the privileges for that, into a user namespace first. Whatever
/// is made in them ends with this process and its children.
pub(crate) fn enter() -> Result<(), Impossible> {
    let own = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS;
    match unshare(own) {
        Err(Errno::EPERM) => {
            become_root().map_err(|why| refused(&why))?;
            unshare(own).map_err(|why| refused(&why.into()))?;
        }
        outcome => outcome.map_err(|why| refused(&why.into()))?,
    }
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)
        .map_err(|why| Impossible(format!("cannot make the mounts private: {why}")))
}

/// Goes into a user namespace where this user is root.
fn become_root() -> io::Result<()> {
    let (user, group) = (getuid(), getgid());
    unshare(CloneFlags::CLONE_NEWUSER)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {group} 1"))
}

fn refused(why: &io::Error) -> Impossible {
    Impossible(format!(
        "the kernel allows no namespaces: {why}; run it as root, or allow user namespaces \
         (sysctls user.max_user_namespaces, kernel.unprivileged_userns_clone, \
         kernel.apparmor_restrict_unprivileged_userns)"
    ))
}
