//! Linux.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::libc;
use nix::sched::{CloneFlags, setns};
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};
use nix::unistd::Pid;

/// Why this is no network namespace, if it is none.
pub(crate) fn why_no_netns(file: &File) -> io::Result<Option<&'static str>> {
    if fstatfs(file)?.filesystem_type() != NSFS_MAGIC {
        return Ok(Some("is not a network namespace"));
    }
    let is_one = namespace_kind(file.as_fd())? == libc::CLONE_NEWNET;
    Ok((!is_one).then_some("is a namespace, but not a network namespace"))
}

/// Moves the calling thread into a network namespace.
pub(crate) fn enter_netns(fd: BorrowedFd<'_>) -> io::Result<()> {
    Ok(setns(fd, CloneFlags::CLONE_NEWNET)?)
}

/// Asks the kernel of which kind the namespace behind a descriptor is: one of the `CLONE_NEW*` flags.
fn namespace_kind(fd: BorrowedFd<'_>) -> io::Result<libc::c_int> {
    // SAFETY: the descriptor is borrowed, so it stays open during the call. The request takes no
    // argument: the kernel reads and writes no memory of ours, and answers in the return value.
    // The caller has made sure that the file is on nsfs, so no driver can take the number for another request.
    let kind = unsafe { libc::ioctl(fd.as_raw_fd(), libc::NS_GET_NSTYPE) };
    if kind < 0 { Err(io::Error::last_os_error()) } else { Ok(kind) }
}

/// Opens a descriptor that can be read from when the process has ended. Kernels before 5.3 have none.
pub(crate) fn open_process(id: Pid) -> io::Result<OwnedFd> {
    let flags: libc::c_uint = 0;
    // SAFETY: the call takes two numbers and touches no memory of ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, libc::c_long::from(id.as_raw()), flags) };
    match libc::c_int::try_from(fd) {
        // SAFETY: the kernel has just made it for this call, so nobody else has it.
        Ok(fd @ 0..) => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether file descriptor 1 was closed when the process started. Rust's own start-up opens `/dev/null` in its place, so
/// that nobody could tell later.
pub(crate) fn stdout_was_closed() -> bool {
    STDOUT_WAS_CLOSED.load(Ordering::Relaxed)
}

static STDOUT_WAS_CLOSED: AtomicBool = AtomicBool::new(false);

extern "C" fn look_at_stdout() {
    // SAFETY: F_GETFD takes no argument and touches no memory, whether the descriptor is open or not.
    let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) };
    STDOUT_WAS_CLOSED.store(flags < 0, Ordering::Relaxed);
}

/// Runs before Rust's start-up.
// SAFETY: the C library calls each function pointer in this section once, before main and with no other thread there.
// The function has C's calling convention, uses no part of std that needs start-up, and cannot panic.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK_AT_STDOUT: extern "C" fn() = look_at_stdout;
