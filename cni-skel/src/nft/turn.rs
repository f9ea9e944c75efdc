//! Turns: who looks at a ruleset and changes it, one after the other.
//!
//! The kernel does not need them. It refuses what was made for a ruleset that is not there any more, and tells who lists
//! rules that they changed meanwhile. But where many begin at once, each change has all others look again, and the more
//! they are the less is done. Nobody depends on a turn: whoever does not get it in time goes on without. It has to be so
//! because anybody in the namespace can keep the others from their turns, without any privilege.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::Nft;

/// The namespace of the calling thread.
const OWN: &str = "/proc/thread-self/ns/net";
/// How long one waits for the others at most. Dozens are done by then.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long one waits while nobody changes anything: whoever has the turn does not use it.
const IDLE: Duration = Duration::from_millis(500);

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
        self.queue.turn(|| self.generation().ok())
    }
}

impl Queue {
    /// That of the calling thread's namespace.
    pub(super) fn of_thread() -> Self {
        Self { netns: File::open(OWN).ok(), is_stuck: AtomicBool::new(false) }
    }

    /// Waits for a turn, or until it is better to go on without. What the closure gives is another when somebody has changed
    /// something.
    pub(super) fn turn<T: PartialEq>(&self, state: impl Fn() -> T) -> Turn {
        let netns = self.netns.as_ref().filter(|_| !HAS.get() && !self.is_stuck.load(Ordering::Relaxed));
        let locked = netns.and_then(|netns| match lock(netns, PATIENCE, IDLE, state) {
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

/// Locks a file that is open, by a descriptor of its own; `None` when that took too long, or nothing changed for too long.
///
/// The kernel's own queue is waited in, which wakes the next in line at once. That has no time limit, so the wait is on a
/// thread of its own, if there is one.
fn lock<T: PartialEq>(
    netns: &File,
    limit: Duration,
    idle: Duration,
    state: impl Fn() -> T,
) -> io::Result<Option<File>> {
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
    let deadline = Instant::now() + limit;
    let mut before = None;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if let Ok(locked) = receive.recv_timeout(left.min(idle)) {
            return locked.map(Some);
        }
        let now = Some(state());
        if left <= idle || before == now {
            return Ok(None);
        }
        before = now;
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
#[cfg(target_os = "linux")]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// A queue at a file that nobody else has.
    fn queue(file: &tempfile::NamedTempFile) -> Queue {
        Queue { netns: Some(file.reopen().unwrap()), is_stuck: AtomicBool::new(false) }
    }

    /// The state of a ruleset that others change all the time.
    fn changing() -> impl Fn() -> usize {
        let looks = Cell::new(0);
        move || looks.replace(looks.get() + 1)
    }

    fn is_free(queue: &Queue) -> bool {
        let netns = queue.netns.as_ref().unwrap();
        lock(netns, Duration::ZERO, Duration::ZERO, || ()).unwrap().is_some()
    }

    #[test]
    fn one_after_the_other_has_a_turn() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (inside, served) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    let queue = queue(&file);
                    let turn = queue.turn(changing());
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
        let turn = first.turn(|| ());
        drop(second.turn(|| ()));
        assert!(turn.locked.is_some());
        assert!(!is_free(&second), "still locked");
        drop(turn);
        assert!(second.turn(|| ()).locked.is_some());
        assert!(!second.is_stuck.load(Ordering::Relaxed));
    }

    #[test]
    fn without_a_turn_it_goes_on_all_the_same() {
        assert!(Queue::default().turn(|| ()).locked.is_none());
        let file = tempfile::NamedTempFile::new().unwrap();
        let queue = queue(&file);
        queue.is_stuck.store(true, Ordering::Relaxed);
        assert!(queue.turn(|| ()).locked.is_none(), "it has waited too long once");
    }

    #[test]
    fn all_who_are_in_a_namespace_wait_in_one_queue() {
        let [one, other] = [Queue::of_thread(), Queue::of_thread()];
        let _turn = one.turn(|| ());
        assert!(!is_free(&other));
    }

    #[test]
    fn who_has_a_turn_and_changes_nothing_is_not_waited_for_long() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (holder, other) = (queue(&file), queue(&file));
        let _turn = holder.turn(|| ());
        let looks = AtomicUsize::new(0);
        let state = |changes: usize| {
            let look = looks.fetch_add(1, Ordering::SeqCst);
            look.min(changes)
        };
        let netns = other.netns.as_ref().unwrap();
        let (long, short) = (Duration::from_secs(600), Duration::from_millis(1));
        assert!(lock(netns, long, short, || state(5)).unwrap().is_none());
        assert_eq!(looks.swap(0, Ordering::SeqCst), 7, "as long as something changes, and twice the same");
        // And not for ever, whatever changes.
        assert!(lock(netns, short, short, || state(usize::MAX)).unwrap().is_none());
        assert_eq!(looks.into_inner(), 1);
    }
}
