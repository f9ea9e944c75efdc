//! The lock that a plugin holds while it reads a ruleset and changes it.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use nix::libc::{O_NOCTTY, O_NOFOLLOW, O_NONBLOCK};

use crate::files::lock_file;
use crate::seam::HOLDS_RULESET_LOCK;

/// Only root can open this file, so that other users cannot block root's plugins.
const PATH: &str = "/run/cni-nft.lock";
/// The file that other users lock: the network namespace of the calling thread.
const OWN_NETNS: &str = "/proc/thread-self/ns/net";

/// How long a plugin waits for the lock. It then continues without.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Holds the lock until it is dropped. The kernel releases the lock of a process that dies.
///
/// The lock is not needed for correctness: the kernel refuses changes that were made for another generation of the ruleset.
/// Without it, many plugins at once would make each other start again. If the lock cannot be taken, for example on a read-only
/// `/run`, or another plugin that holds it does not go on, a plugin continues without. A thread that holds the lock, and a
/// thread that it waits for in [`Netns::run`](crate::Netns::run), does not wait for itself.
#[derive(Debug)]
#[must_use = "the lock is released when it is dropped"]
pub(crate) struct Lock(Option<File>);

impl Lock {
    /// Waits for the lock, and takes it.
    pub(crate) fn take() -> Self {
        Self::at(Path::new(PATH))
    }

    fn at(path: &Path) -> Self {
        let file = if HOLDS_RULESET_LOCK.get() { None } else { lock(path).ok() };
        HOLDS_RULESET_LOCK.set(HOLDS_RULESET_LOCK.get() || file.is_some());
        Self(file)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.0.is_some() {
            HOLDS_RULESET_LOCK.set(false);
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
    lock_file(&file, TIMEOUT)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn one_thread_at_a_time_has_the_lock() {
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
        assert!(other.try_lock().is_err(), "the inner value has released the lock");
        drop(outer);
        other.try_lock().unwrap();
    }

    #[test]
    fn without_a_file_to_lock_there_is_no_lock_and_no_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Lock::at(&folder.path().join("missing/lock")).0.is_none());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        assert!(Lock::at(&link).0.is_none());
    }
}
