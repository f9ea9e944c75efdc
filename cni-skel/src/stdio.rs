//! stdin and stdout of the process: what the skeleton reads, and what nobody else can write to.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::fstat;

use crate::sys;

/// The stdout that the process was started with, out of reach of everybody but the skeleton.
static STDOUT: OnceLock<OwnedFd> = OnceLock::new();

/// Where the answer goes, once [`Stdout::take`] has put it aside.
pub(crate) fn kept() -> Option<BorrowedFd<'static>> {
    STDOUT.get().map(OwnedFd::as_fd)
}

/// Whether a file is what the answer goes to. The path in `/proc` leads there.
pub(crate) fn is_stdout(file: &File) -> io::Result<bool> {
    let Some(stdout) = kept() else { return Ok(false) };
    let [stdout, file] = [fstat(stdout)?, fstat(file)?];
    Ok((stdout.st_dev, stdout.st_ino) == (file.st_dev, file.st_ino))
}

/// Whether a person is to type the input.
pub(crate) fn stdin_is_terminal() -> bool {
    sys::stdin().is_terminal()
}

/// Reads what stdin has next, and waits for that also where it was opened not to block: how much it was, nothing at the end.
pub(crate) fn read_more(input: &mut Vec<u8>) -> io::Result<usize> {
    // Most configurations are shorter.
    let mut chunk = [0; 2048];
    let stdin = sys::stdin();
    let n = when_ready(stdin, PollFlags::POLLIN, || nix::unistd::read(stdin, &mut chunk))?;
    input.extend_from_slice(&chunk[..n]);
    Ok(n)
}

/// Where the answer is written.
pub(crate) struct Stdout(Option<BorrowedFd<'static>>);

impl Stdout {
    /// Takes stdout away and puts stderr in its place, until the process ends: what a `println!` has left in its
    /// buffer goes to stderr too.
    ///
    /// # Errors
    /// When it is still in its place. One that was closed from the start is not missed before something is written.
    pub(crate) fn take() -> io::Result<Self> {
        if sys::stdout_was_closed() {
            return Ok(Self(None));
        }
        let _ = STDOUT.set(sys::stdout().try_clone_to_owned()?);
        nix::unistd::dup2_stdout(io::stderr())?;
        Ok(Self(kept()))
    }

    /// The one that is in its place.
    pub(crate) fn in_place() -> Self {
        Self((!sys::stdout_was_closed()).then(sys::stdout))
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let closed = || io::Error::new(io::ErrorKind::BrokenPipe, "stdout is closed");
        let stdout = self.0.ok_or_else(closed)?;
        when_ready(stdout, PollFlags::POLLOUT, || nix::unistd::write(stdout, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Carries out a step, and waits for a descriptor that does not block.
fn when_ready(
    fd: BorrowedFd<'_>,
    what: PollFlags,
    mut step: impl FnMut() -> nix::Result<usize>,
) -> io::Result<usize> {
    loop {
        match step() {
            Err(Errno::EAGAIN) => match poll(&mut [PollFd::new(fd, what)], PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(other) => return Err(other.into()),
            },
            Err(Errno::EINTR) => {}
            outcome => return Ok(outcome?),
        }
    }
}
