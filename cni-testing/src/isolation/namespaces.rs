//! Leaves the machine's network and mounts.

use std::fs::{self, File};
use std::io;
use std::thread;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getgid, getuid};

/// Moves this process into new network and mount namespaces. It must have only one thread. Without the privileges for
/// that, it enters a user namespace first. Everything made in the namespaces ends with this process and its children.
///
/// # Errors
/// The kernel refuses it.
pub fn enter() -> io::Result<()> {
    match enter_in_thread() {
        Err(denied) if denied.raw_os_error() == Some(Errno::EPERM as i32) => {
            become_root().map_err(|why| refused(&why))?;
            enter_in_thread().map_err(|why| refused(&why))
        }
        outcome => outcome.map_err(|why| refused(&why)),
    }
}

/// Moves this thread, and threads that it starts later, into new network and mount namespaces.
///
/// # Errors
/// The kernel refuses it.
pub fn enter_in_thread() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).map_err(io::Error::from)
}

/// Makes a network namespace, which lives as long as the file.
pub(crate) fn new_netns() -> io::Result<File> {
    let made = thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            File::open("/proc/thread-self/ns/net")
        });
        thread.join()
    });
    made.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Enters a user namespace in which this user is root.
fn become_root() -> io::Result<()> {
    let (user, group) = (getuid(), getgid());
    unshare(CloneFlags::CLONE_NEWUSER)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {group} 1"))
}

fn refused(why: &io::Error) -> io::Error {
    io::Error::new(
        why.kind(),
        format!(
            "the kernel allows no namespaces: {why}; run it as root, or allow user namespaces \
         (sysctls user.max_user_namespaces, kernel.unprivileged_userns_clone, \
         kernel.apparmor_restrict_unprivileged_userns)"
        ),
    )
}
