//! Anything but Linux: there are no network namespaces, and a network only in a test's memory.

use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use nix::unistd::Pid;

/// Nothing is a network namespace.
pub(crate) fn why_no_netns(_: &File) -> io::Result<Option<&'static str>> {
    Ok(Some("is not a network namespace: only Linux has them"))
}

/// There is none to go to.
pub(crate) fn enter_netns(_: BorrowedFd<'_>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// There is no such descriptor.
pub(crate) fn open_process(_: Pid) -> io::Result<OwnedFd> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Nobody can tell.
pub(crate) fn stdout_was_closed() -> bool {
    false
}
