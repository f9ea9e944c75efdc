//! The one module with unsafe code: system calls that nix does not wrap.
#![allow(unsafe_code, reason = "each block states why it is sound")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::libc;

/// Asks the kernel of which kind the namespace behind a descriptor is: one of the `CLONE_NEW*` flags.
pub(crate) fn namespace_kind(fd: BorrowedFd<'_>) -> io::Result<libc::c_int> {
    // SAFETY: the descriptor is borrowed, so it stays open during the call. The request takes no
    // argument: the kernel reads and writes no memory of ours, and answers in the return value.
    // The caller has made sure that the file is on nsfs, so no driver can take the number for another request.
    let kind = unsafe { libc::ioctl(fd.as_raw_fd(), libc::NS_GET_NSTYPE) };
    if kind < 0 { Err(io::Error::last_os_error()) } else { Ok(kind) }
}
