//! The only module with unsafe code: system calls that nix leaves unsafe or does not wrap.
#![allow(unsafe_code, reason = "each block states why it is sound")]

#[cfg(target_os = "linux")]
use std::fs::File;
use std::io;

use nix::libc;
use nix::sys::signal::{SigHandler, Signal, signal};

/// Sets the signals that this process and its children rely on, whatever the parent process had set.
///
/// SIGCHLD gets its default action: where it is ignored, the kernel drops the exit status of children. SIGXFSZ is ignored:
/// a write beyond RLIMIT_FSIZE then fails like a write to a full disk. Rust's start-up ignores SIGPIPE.
pub(crate) fn set_signals() {
    // SAFETY: no function of this program becomes a handler.
    let _ =
        unsafe { (signal(Signal::SIGCHLD, SigHandler::SigDfl), signal(Signal::SIGXFSZ, SigHandler::SigIgn)) };
}

/// Calls `at_abort` when the process aborts and `at_exit` when it exits, by `exit` or by returning from `main`.
///
/// # Errors
/// The C library cannot register a function.
pub(crate) fn call_at_end(at_abort: extern "C" fn(libc::c_int), at_exit: extern "C" fn()) -> io::Result<()> {
    // SAFETY: the caller's functions read atomics and values that are set once, write to a descriptor, and end the process.
    // All of this is allowed in a signal handler.
    unsafe { signal(Signal::SIGABRT, SigHandler::Handler(at_abort)) }?;
    // SAFETY: the function has C's calling convention and does not unwind.
    match unsafe { libc::atexit(at_exit) } {
        0 => Ok(()),
        _ => Err(io::ErrorKind::OutOfMemory.into()),
    }
}

/// Ends the process at once.
pub(crate) fn end_process(code: i32) -> ! {
    // SAFETY: the call takes a number and does not return.
    unsafe { libc::_exit(code) }
}

/// Asks the kernel for the kind of the namespace behind a file on nsfs: one of the `CLONE_NEW*` flags.
#[cfg(target_os = "linux")]
pub(crate) fn namespace_kind(file: &File) -> io::Result<libc::c_int> {
    use std::os::fd::AsRawFd;
    // SAFETY: the descriptor is open during the call. The request takes no argument, so the kernel neither reads nor writes
    // memory of this process. The file is on nsfs, so no driver can take the number for another request.
    let kind = unsafe { libc::ioctl(file.as_raw_fd(), libc::NS_GET_NSTYPE) };
    if kind < 0 { Err(io::Error::last_os_error()) } else { Ok(kind) }
}
