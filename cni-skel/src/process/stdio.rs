//! stdin and stdout of the process. Only the skeleton can write to this stdout.

use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The stdout that the process was started with.
static STDOUT: OnceLock<OwnedFd> = OnceLock::new();

/// Returns the stdout that the process was started with, if [`Stdout::take`] has been called.
pub(crate) fn original_stdout() -> Option<BorrowedFd<'static>> {
    STDOUT.get().map(OwnedFd::as_fd)
}

/// Returns whether stdin is a terminal.
pub(crate) fn stdin_is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// Reads some bytes from stdin and appends them to `input`. Waits for them even if stdin is non-blocking. Returns the number of
/// bytes, which is 0 at the end.
pub(crate) fn read_more(input: &mut Vec<u8>) -> io::Result<usize> {
    // Most configurations fit.
    let mut chunk = [0; 2048];
    let stdin = io::stdin();
    let n = when_ready(stdin.as_fd(), PollFlags::POLLIN, || nix::unistd::read(&stdin, &mut chunk))?;
    input.extend_from_slice(&chunk[..n]);
    Ok(n)
}

/// Where the reply is written.
pub(crate) enum Stdout {
    /// A duplicate of the stdout that the process was started with.
    Duplicate(BorrowedFd<'static>),
    /// File descriptor 1, because it could not be duplicated.
    InPlace,
}

impl Stdout {
    /// Duplicates stdout and replaces it by stderr, until the process ends. What a `println!` leaves in its buffer goes to stderr
    /// too.
    ///
    /// # Errors
    /// The process has no free descriptor. stdout is unchanged then.
    pub(crate) fn take() -> io::Result<Self> {
        let stdout = io::stdout().as_fd().try_clone_to_owned()?;
        nix::unistd::dup2_stdout(io::stderr())?;
        Ok(Self::Duplicate(STDOUT.get_or_init(|| stdout).as_fd()))
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let in_place = io::stdout();
        let stdout = match self {
            Self::Duplicate(stdout) => *stdout,
            Self::InPlace => in_place.as_fd(),
        };
        when_ready(stdout, PollFlags::POLLOUT, || nix::unistd::write(stdout, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads or writes. If the descriptor is non-blocking, waits until that is possible.
fn when_ready(
    fd: BorrowedFd<'_>,
    events: PollFlags,
    mut step: impl FnMut() -> nix::Result<usize>,
) -> io::Result<usize> {
    loop {
        match step() {
            Err(Errno::EAGAIN) => match poll(&mut [PollFd::new(fd, events)], PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(other) => return Err(other.into()),
            },
            Err(Errno::EINTR) => {}
            outcome => return Ok(outcome?),
        }
    }
}
