//! What the process does on a signal.

use nix::sys::signal::{SigHandler, Signal, signal};

/// Has the process live on where a signal would end it or hide from it what it has to know, whatever it was told when it
/// was started. SIGPIPE is ignored by Rust's start-up.
pub(crate) fn live_on() {
    // The kernel keeps the status of children until they are waited for: whoever ignores SIGCHLD hands that on to the
    // programs that it starts.
    // SAFETY: no function of ours becomes a handler, and this is the first thing that the process does.
    let _ = unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) };
    // A file that may not become so large (RLIMIT_FSIZE) is an error like a disk that is full.
    // SAFETY: as above.
    let _ = unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) };
}
