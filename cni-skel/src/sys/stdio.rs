//! The descriptors that a process starts with, without the buffers that come with std's.

use std::os::fd::BorrowedFd;

use nix::libc;

/// File descriptor 0.
pub(crate) fn stdin() -> BorrowedFd<'static> {
    // SAFETY: Rust's start-up opens what is closed of 0 to 2, and nobody owns one of them who could close it.
    unsafe { BorrowedFd::borrow_raw(libc::STDIN_FILENO) }
}

/// File descriptor 1.
pub(crate) fn stdout() -> BorrowedFd<'static> {
    // SAFETY: as for stdin.
    unsafe { BorrowedFd::borrow_raw(libc::STDOUT_FILENO) }
}
