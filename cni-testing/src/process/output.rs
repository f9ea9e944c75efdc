//! What a program prints, collected while it prints it.

use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};

/// How much of a program's output is kept.
const MAX_OUTPUT: usize = 16 << 20;
/// How many milliseconds without output end the collection, after the program has ended.
const QUIET: u8 = 20;

/// stdout or stderr of a program.
pub(crate) struct Output {
    name: &'static str,
    link: PathBuf,
    bytes: Arc<Mutex<Vec<u8>>>,
    has_ended: Arc<AtomicBool>,
    reader: thread::JoinHandle<()>,
}

impl Output {
    pub(super) fn collect(name: &'static str, mut pipe: impl Read + AsFd + AsRawFd + Send + 'static) -> Self {
        let link = fs::read_link(format!("/proc/self/fd/{}", pipe.as_raw_fd())).unwrap_or_default();
        let (bytes, has_ended) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (shared, ended) = (Arc::clone(&bytes), Arc::clone(&has_ended));
        let reader = thread::spawn(move || {
            let mut chunk = [0; 1 << 16];
            loop {
                // Once the program has ended, everything it printed itself is in the pipe.
                let is_last = ended.load(Ordering::SeqCst);
                match poll(&mut [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)], QUIET) {
                    Ok(0) if is_last => break,
                    Ok(0) | Err(Errno::EINTR) => continue,
                    _ => {}
                }
                // What was read before an error is kept.
                let Ok(n @ 1..) = pipe.read(&mut chunk) else { break };
                let mut bytes = shared.lock().unwrap_or_else(PoisonError::into_inner);
                if bytes.len() < MAX_OUTPUT {
                    bytes.extend_from_slice(&chunk[..n]);
                }
            }
        });
        Self { name, link, bytes, has_ended, reader }
    }

    /// `stdout` or `stderr`.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// What the kernel calls the pipe. Empty where there is no `/proc`.
    pub(crate) fn link(&self) -> &Path {
        &self.link
    }

    /// Whether a process has the other end of the pipe open.
    pub(crate) fn is_open(&self) -> bool {
        !self.reader.is_finished()
    }

    /// Everything that a program which has ended has printed.
    ///
    /// A daemon that it left behind may keep the pipe open, and print for ever. Reading stops when nothing more comes, and
    /// at `until` at the latest.
    pub(super) fn text(self, until: Instant) -> String {
        self.has_ended.store(true, Ordering::SeqCst);
        while !self.reader.is_finished() && Instant::now() < until {
            thread::sleep(Duration::from_micros(200));
        }
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Ends the reader even if another process holds the pipe open.
impl Drop for Output {
    fn drop(&mut self) {
        self.has_ended.store(true, Ordering::SeqCst);
    }
}
