//! The lock that a plugin holds while it looks at a ruleset and changes it.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::libc::{O_NOCTTY, O_NOFOLLOW, O_NONBLOCK};

/// Only root can open it, so nobody else can hold up a plugin of root's.
const PATH: &str = "/run/cni-nft.lock";
/// What an ordinary user locks: the namespace of the calling thread, which is the user's own.
const OWN_NETNS: &str = "/proc/thread-self/ns/net";

thread_local! {
    /// Whether this thread holds the lock. It then does not wait for itself.
    static IS_HELD: Cell<bool> = const { Cell::new(false) };
}

/// The lock, for as long as the value lives. The kernel releases it when a process dies.
///
/// The kernel does not need it: it refuses changes that were made for another state of the ruleset. But where many plugins
/// look and change at once, each change makes all the others look again. Where the lock cannot be had, as on a read-only
/// `/run`, a plugin goes on without.
#[derive(Debug)]
#[must_use = "the lock is released when it is dropped"]
pub(crate) struct Lock(Option<File>);

impl Lock {
    /// Waits for the lock.
    pub(crate) fn take() -> Self {
        Self::at(Path::new(PATH))
    }

    fn at(path: &Path) -> Self {
        let file = if IS_HELD.get() { None } else { lock(path).ok() };
        IS_HELD.set(IS_HELD.get() || file.is_some());
        Self(file)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.0.is_some() {
            IS_HELD.set(false);
        }
    }
}

fn lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o600).custom_flags(O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    let file = match options.open(path) {
        Err(denied) if denied.kind() == ErrorKind::PermissionDenied => File::open(OWN_NETNS),
        opened => opened,
    }?;
    loop {
        match file.lock() {
            Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
            locked => return locked.map(|()| file),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn one_thread_after_the_other_has_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let (inside, served) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    let lock = Lock::at(&path);
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    served.fetch_add(usize::from(lock.0.is_some()), Ordering::SeqCst);
                });
            }
        });
        assert_eq!(served.into_inner(), 20);
    }

    #[test]
    fn a_thread_that_has_the_lock_does_not_wait_for_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let outer = Lock::at(&path);
        drop(Lock::at(&path));
        let other = File::open(&path).unwrap();
        assert!(other.try_lock().is_err(), "the inner one has released it");
        drop(outer);
        other.try_lock().unwrap();
    }

    #[test]
    fn where_there_can_be_no_lock_it_goes_on_without() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Lock::at(&folder.path().join("missing/lock")).0.is_none());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        assert!(Lock::at(&link).0.is_none());
    }
}
