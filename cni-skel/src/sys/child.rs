//! The ends of child processes.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::errno::Errno;
use nix::libc;
use nix::sys::wait::WaitPidFlag;
use nix::unistd::Pid;

/// Takes the status of a child that has ended. Nix would not tell of a signal that it does not know.
pub(crate) fn reap(child: Pid, flags: WaitPidFlag) -> io::Result<Option<ExitStatus>> {
    let mut status = 0;
    loop {
        // SAFETY: the kernel writes one number through the pointer, which is to a living one, and nothing else.
        let reaped = unsafe { libc::waitpid(child.as_raw(), &raw mut status, flags.bits()) };
        match reaped {
            0 => return Ok(None),
            1.. => return Ok(Some(ExitStatus::from_raw(status))),
            _ if Errno::last() == Errno::EINTR => {}
            _ => return Err(io::Error::last_os_error()),
        }
    }
}
