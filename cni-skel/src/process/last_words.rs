//! The error document of a process that aborts or exits before it has replied.
//!
//! A panic becomes an error, but not every end of a process is a panic: memory or stack can run out, a value can panic when
//! it is dropped during a panic, a library can call `exit`. All but the last raise SIGABRT.

use std::os::fd::BorrowedFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use nix::libc;
use nix::unistd::{Pid, getpid, write};

use crate::sys;

struct LastWords {
    document: String,
    stdout: BorrowedFd<'static>,
    /// The process that registered it. A child of `fork` must not print it.
    process: Pid,
}

static LAST_WORDS: OnceLock<LastWords> = OnceLock::new();
/// Whether the one document of this process has been written, or is being written.
static CLAIMED: AtomicBool = AtomicBool::new(false);
/// The exit code of a process that has replied.
static EXIT_CODE: AtomicI32 = AtomicI32::new(NOT_REPLIED);
const NOT_REPLIED: i32 = -1;

/// Registers an error document to print if the process aborts or exits before it has replied.
pub(crate) fn register(document: String, stdout: BorrowedFd<'static>) {
    // Without these functions such an end has no document, as in any other program.
    if LAST_WORDS.set(LastWords { document, stdout, process: getpid() }).is_ok() {
        let _ = sys::call_at_end(at_abort, at_exit);
    }
}

/// Claims the right to write the one document of this process. Returns whether no other thread has claimed it.
pub(crate) fn claim() -> bool {
    !CLAIMED.swap(true, Ordering::Relaxed)
}

/// Sets the exit code of a process that has replied.
pub(crate) fn set_exit_code(code: u8) {
    EXIT_CODE.store(code.into(), Ordering::Relaxed);
}

extern "C" fn at_abort(_: libc::c_int) {
    if let Some(words) = of_this_process() {
        if claim() {
            words.print();
        }
        sys::end_process(exit_code().unwrap_or(1));
    }
}

extern "C" fn at_exit() {
    let Some(words) = of_this_process() else { return };
    if claim() {
        words.print();
        sys::end_process(1);
    }
    if exit_code().is_none() {
        // Another thread is still writing the reply, which is not delivered then.
        sys::end_process(1);
    }
}

fn exit_code() -> Option<i32> {
    Some(EXIT_CODE.load(Ordering::Relaxed)).filter(|code| *code != NOT_REPLIED)
}

fn of_this_process() -> Option<&'static LastWords> {
    LAST_WORDS.get().filter(|words| words.process == getpid())
}

impl LastWords {
    fn print(&self) {
        let mut left = self.document.as_bytes();
        while let Ok(n @ 1..) = write(self.stdout, left) {
            left = &left[n..];
        }
    }
}
