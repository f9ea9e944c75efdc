//! stdin and stdout of the process: what the skeleton reads, and what only it can write to.

use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The stdout that the process was started with, which only the skeleton can reach.
static STDOUT: OnceLock<OwnedFd> = OnceLock::new();

/// Returns where the reply goes, once [`Stdout::take`] has put it aside.
pub(crate) fn kept() -> Option<BorrowedFd<'static>> {
    STDOUT.get().map(OwnedFd::as_fd)
}

/// Returns whether a person types the input.
pub(crate) fn stdin_is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// Appends what stdin has next to `input`, and waits for it even if stdin is non-blocking. Returns the number of bytes, 0 at
/// the end.
pub(crate) fn read_more(input: &mut Vec<u8>) -> io::Result<usize> {
    // Most configurations are shorter.
    let mut chunk = [0; 2048];
    let stdin = io::stdin();
    let n = when_ready(stdin.as_fd(), PollFlags::POLLIN, || nix::unistd::read(&stdin, &mut chunk))?;
    input.extend_from_slice(&chunk[..n]);
    Ok(n)
}

/// Where the reply is written.
pub(crate) enum Stdout {
    /// The descriptor that was put aside.
    Kept(BorrowedFd<'static>),
    /// File descriptor 1, where it could not be put aside.
    InPlace,
}

impl Stdout {
    /// Puts stdout aside and stderr in its place, until the process ends: what a `println!` has left in its buffer goes to
    /// stderr too.
    ///
    /// # Errors
    /// No descriptor is left. stdout is then still in its place.
    pub(crate) fn take() -> io::Result<Self> {
        let stdout = io::stdout().as_fd().try_clone_to_owned()?;
        nix::unistd::dup2_stdout(io::stderr())?;
        Ok(Self::Kept(STDOUT.get_or_init(|| stdout).as_fd()))
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let in_place = io::stdout();
        let stdout = match self {
            Self::Kept(stdout) => *stdout,
            Self::InPlace => in_place.as_fd(),
        };
        when_ready(stdout, PollFlags::POLLOUT, || nix::unistd::write(stdout, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Carries out a step, and waits for a non-blocking descriptor.
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
