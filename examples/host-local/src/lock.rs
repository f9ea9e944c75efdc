//! The lock of a network's state directory, which the reference takes too.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use cni_skel::files;
use nix::fcntl::OFlag;

/// The file that is locked. It is never removed: who waits for it would then hold a lock that nobody sees.
const NAME: &str = "lock";

/// Locks the directory for as long as the returned file lives; `None` when that took too long.
///
/// The kernel's own queue is waited in rather than polled for: it wakes the next in line at once, and the
/// reference waits there as well, so that a poller would starve beside it. The wait has a thread of its own
/// only if there is one, for flock(2) takes no time limit.
pub(crate) fn acquire(dir: &Path, limit: Duration) -> io::Result<Option<File>> {
    let file = open(dir)?;
    if files::try_lock(&file, dir.join(NAME))? {
        return Ok(Some(file));
    }
    let (send, receive) = mpsc::channel();
    thread::Builder::new().name("lock".to_owned()).spawn(move || {
        let locked = wait(&file).map(|()| file);
        // Nobody listens any more after the time limit; the file is dropped then, and the lock with it.
        let _ = send.send(locked);
    })?;
    match receive.recv_timeout(limit) {
        Ok(locked) => locked.map(Some),
        Err(mpsc::RecvTimeoutError::Timeout) => Ok(None),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(io::Error::other("the waiting thread died")),
    }
}

/// Opens the lock file as the reference does, making it if need be. A fifo in its place does not block, and a link is not
/// followed: whoever may put one there must not have us make files elsewhere.
fn open(dir: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags((OFlag::O_CREAT | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW).bits())
        .mode(0o750);
    files::create(&options, dir.join(NAME))
}

fn wait(file: &File) -> io::Result<()> {
    loop {
        match file.lock() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;
    use std::time::{Duration, Instant};

    use super::acquire;

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn the_lock_file_is_made_empty_and_as_the_reference_makes_it() {
        let dir = tempfile::tempdir().unwrap();
        let _lock = acquire(dir.path(), LONG).unwrap().unwrap();
        let metadata = dir.path().join("lock").metadata().unwrap();
        assert_eq!(metadata.len(), 0);
        // The umask of the process that runs the tests may take away the group's bits.
        assert_eq!(metadata.permissions().mode() & 0o707, 0o700);
    }

    #[test]
    fn a_held_lock_is_given_up_on_after_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let held = acquire(dir.path(), LONG).unwrap().unwrap();
        let start = Instant::now();
        assert!(acquire(dir.path(), Duration::from_millis(50)).unwrap().is_none());
        assert!(start.elapsed() >= Duration::from_millis(50));
        drop(held);
        // The abandoned wait may get it first, and lets go of it.
        assert!(acquire(dir.path(), LONG).unwrap().is_some());
    }

    #[test]
    fn fifty_who_wait_all_get_it_one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let inside = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..50 {
                scope.spawn(|| {
                    let lock = acquire(dir.path(), LONG).unwrap().unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    thread::sleep(Duration::from_millis(1));
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(lock);
                });
            }
        });
    }
}
