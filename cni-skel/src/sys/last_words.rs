//! The answer of a process that ends before it has answered.
//!
//! A panic becomes an error, but not all ends are panics: memory or stack run out, a value panics when it is dropped during a
//! panic, some library calls `exit`. All but the last of these end in SIGABRT. State that the plugin has left is the
//! runtime's to clean up, which it does by DEL after any error.

use std::os::fd::BorrowedFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::libc;
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::{Pid, getpid, write};

struct LastWords {
    document: String,
    /// None where it was closed when the process started.
    stdout: Option<BorrowedFd<'static>>,
    /// Whose answer it is.
    process: Pid,
}

static LAST_WORDS: OnceLock<LastWords> = OnceLock::new();
/// What the process ends with once its answer is on its way; until then there is none.
static CODE: AtomicI32 = AtomicI32::new(NO_ANSWER);
const NO_ANSWER: i32 = -1;

/// Has a document written to stdout, and the process end with 1, should it end before [`answers`].
pub(crate) fn leave(document: String, stdout: Option<BorrowedFd<'static>>) {
    if LAST_WORDS.set(LastWords { document, stdout, process: getpid() }).is_err() {
        return;
    }
    // SAFETY: the handler only does what may be done in one: it reads what is set once and for all, writes, and ends.
    let _ = unsafe { signal(Signal::SIGABRT, SigHandler::Handler(at_abort)) };
}

/// From now on the process ends with this code, and without last words.
pub(crate) fn answers(code: u8) {
    CODE.store(code.into(), Ordering::Relaxed);
}

extern "C" fn at_abort(_: libc::c_int) {
    // A child that was made by `fork` alone has no answer to give. It returns, and aborts.
    if speak() || CODE.load(Ordering::Relaxed) != NO_ANSWER {
        end(CODE.load(Ordering::Relaxed));
    }
}

#[cfg(target_os = "linux")]
extern "C" fn at_exit() {
    if speak() {
        end(1);
    }
}

/// Runs when somebody calls `exit`, which `main` does too when it returns.
// SAFETY: the C library calls each function pointer in this section once, while the process ends. The function has C's
// calling convention, and cannot panic.
#[cfg(target_os = "linux")]
#[used]
#[unsafe(link_section = ".fini_array")]
static AT_EXIT: extern "C" fn() = at_exit;

/// Writes the last words, where there are any and no answer: whether that was so.
fn speak() -> bool {
    let Some(words) = LAST_WORDS.get().filter(|words| words.process == getpid()) else { return false };
    if CODE.compare_exchange(NO_ANSWER, 1, Ordering::Relaxed, Ordering::Relaxed).is_err() {
        return false;
    }
    let mut left = words.document.as_bytes();
    while let Some(Ok(n @ 1..)) = words.stdout.map(|stdout| write(stdout, left)) {
        left = &left[n..];
    }
    true
}

fn end(code: i32) -> ! {
    // SAFETY: it ends the process and runs nothing of it any more.
    unsafe { libc::_exit(code) }
}
