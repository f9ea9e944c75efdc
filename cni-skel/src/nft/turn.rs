//! Turns: who looks at a ruleset and changes it, one after the other.
//!
//! The kernel does not need them. It refuses what was made for a ruleset that is not there any more, and tells who lists
//! rules that they changed meanwhile. But where many begin at once, each change has all others look again, and the more
//! they are the less is done. Nobody depends on a turn: whoever does not get it in time goes on without.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::Nft;

/// The namespace of the calling thread.
const OWN: &str = "/proc/thread-self/ns/net";
/// How long one waits for the others. Dozens are done by then, unless one of them does not go on.
const PATIENCE: Duration = Duration::from_secs(3);

thread_local! {
    /// A thread that has a turn does not wait for another.
    static HAS: Cell<bool> = const { Cell::new(false) };
}

/// Where the turns of one namespace are waited for.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// The namespace itself is what is locked: every program that can change it can open it, it needs no file of ours, and
    /// the kernel unlocks it when a program dies.
    netns: Option<File>,
    /// Whoever has waited too long once does not wait again.
    is_stuck: AtomicBool,
}

/// A turn, which lasts as long as the value: see [`Nft::turn`].
#[derive(Debug)]
#[must_use = "it ends when it is dropped"]
pub struct Turn {
    locked: Option<File>,
    /// It belongs to the thread.
    of: PhantomData<*const ()>,
}

impl Nft {
    /// Waits until it is one's turn to look at the ruleset and change it, for some seconds at most.
    ///
    /// [`transaction`](Self::transaction) and [`Batch::send`](super::Batch::send) do that by themselves. For several of them
    /// one turn is faster, and what is looked at between them is not changed by others who wait for theirs.
    ///
    /// ```no_run
    /// # use cni_skel::nft::{Chain, Nft, Rule};
    /// # fn f(nft: &Nft, chains: &[Chain]) -> Result<(), cni_skel::net::NetError> {
    /// let turn = nft.turn();
    /// for chain in chains {
    ///     nft.transaction(|batch| {
    ///         let own = nft.find_rules(chain, |rule| rule.as_comment() == Some("a container"))?;
    ///         Ok(own.iter().fold(batch, |batch, rule| batch.delete_rule(rule)))
    ///     })?;
    /// }
    /// drop(turn);
    /// # Ok(())
    /// # }
    /// ```
    pub fn turn(&self) -> Turn {
        self.queue.turn()
    }
}

impl Queue {
    /// That of the calling thread's namespace.
    pub(super) fn of_thread() -> Self {
        Self { netns: File::open(OWN).ok(), is_stuck: AtomicBool::new(false) }
    }

    /// Waits for a turn, or until it is better to go on without.
    pub(super) fn turn(&self) -> Turn {
        let netns = self.netns.as_ref().filter(|_| !HAS.get() && !self.is_stuck.load(Ordering::Relaxed));
        let locked = netns.and_then(|netns| match lock(netns, PATIENCE) {
            Ok(Some(locked)) => Some(locked),
            Ok(None) | Err(_) => {
                self.is_stuck.store(true, Ordering::Relaxed);
                None
            }
        });
        HAS.set(HAS.get() || locked.is_some());
        Turn { locked, of: PhantomData }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.locked.is_some() {
            HAS.set(false);
        }
    }
}

/// Locks a file that is open, by a descriptor of its own; `None` when that took too long.
///
/// The kernel's own queue is waited in, which wakes the next in line at once. That has no time limit, so the wait is on a
/// thread of its own, if there is one.
fn lock(netns: &File, limit: Duration) -> io::Result<Option<File>> {
    let file = reopened(netns)?;
    match file.try_lock() {
        Ok(()) => return Ok(Some(file)),
        Err(std::fs::TryLockError::WouldBlock) => {}
        Err(std::fs::TryLockError::Error(cause)) => return Err(cause),
    }
    let (send, receive) = mpsc::channel();
    let wait = move || {
        let locked = loop {
            match file.lock() {
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                locked => break locked,
            }
        };
        // Nobody listens any more after the time limit; the file is dropped then, and the lock with it.
        let _ = send.send(locked.map(|()| file));
    };
    thread::Builder::new().name("turn".to_owned()).spawn(wait)?;
    match receive.recv_timeout(limit) {
        Ok(locked) => locked.map(Some),
        Err(_) => Ok(None),
    }
}

/// Locks belong to what was opened, so that clones of one descriptor would not exclude each other.
#[cfg(target_os = "linux")]
fn reopened(netns: &File) -> io::Result<File> {
    use std::os::fd::AsRawFd;

    File::open(format!("/proc/self/fd/{}", netns.as_raw_fd()))
}

#[cfg(not(target_os = "linux"))]
fn reopened(_: &File) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// A queue at a file that nobody else has.
    fn queue(file: &tempfile::NamedTempFile) -> Queue {
        Queue { netns: Some(file.reopen().unwrap()), is_stuck: AtomicBool::new(false) }
    }

    #[test]
    fn one_after_the_other_has_a_turn() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (inside, served) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    let queue = queue(&file);
                    let turn = queue.turn();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    served.fetch_add(usize::from(turn.locked.is_some()), Ordering::SeqCst);
                });
            }
        });
        assert_eq!(served.into_inner(), 20);
    }

    #[test]
    fn a_thread_that_has_a_turn_does_not_wait_for_itself() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (first, second) = (queue(&file), queue(&file));
        let turn = first.turn();
        drop(second.turn());
        assert!(turn.locked.is_some());
        assert!(lock(second.netns.as_ref().unwrap(), Duration::ZERO).unwrap().is_none(), "still locked");
        drop(turn);
        assert!(second.turn().locked.is_some());
        assert!(!second.is_stuck.load(Ordering::Relaxed));
    }

    #[test]
    fn without_a_turn_it_goes_on_all_the_same() {
        assert!(Queue::default().turn().locked.is_none());
        let file = tempfile::NamedTempFile::new().unwrap();
        let queue = queue(&file);
        queue.is_stuck.store(true, Ordering::Relaxed);
        assert!(queue.turn().locked.is_none(), "it has waited too long once");
    }

    #[test]
    fn all_who_are_in_a_namespace_wait_in_one_queue() {
        let [one, other] = [Queue::of_thread(), Queue::of_thread()];
        let _turn = one.turn();
        assert!(lock(other.netns.as_ref().unwrap(), Duration::ZERO).unwrap().is_none());
    }
}
