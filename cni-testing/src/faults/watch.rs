//! Makes one operation fail.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use cni_skel::seam::{Operation, Watch};
use nix::libc;

/// How the operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// It fails.
    Once,
    /// It and all later operations fail.
    FromThenOn,
    /// It is carried out, but its answer is lost.
    AnswerLost,
}

impl fmt::Display for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Once => "with one fault",
            Self::FromThenOn => "with faults from then on",
            Self::AnswerLost => "with a lost answer",
        })
    }
}

/// Counts operations, and makes the chosen one fail.
#[derive(Debug)]
pub(super) struct Faults {
    manner: Manner,
    at: usize,
    count: AtomicUsize,
    met: Mutex<Option<String>>,
}

impl Faults {
    pub(super) fn new(manner: Manner, at: usize) -> Self {
        Self { manner, at, count: AtomicUsize::new(0), met: Mutex::default() }
    }

    /// The first operation that failed, if any.
    pub(super) fn met(&self) -> Option<String> {
        self.met.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn next(&self, operation: &Operation<'_>, errno: i32) -> io::Result<()> {
        let number = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        if number != self.at && !(self.manner == Manner::FromThenOn && number > self.at) {
            return Ok(());
        }
        let error = io::Error::from_raw_os_error(errno);
        let text = format!("{operation}: {error}");
        self.met.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text);
        Err(error)
    }
}

impl Watch for Faults {
    fn before(&self, operation: &Operation<'_>) -> io::Result<()> {
        if self.manner == Manner::AnswerLost {
            return Ok(());
        }
        let errno = match operation {
            Operation::Enter(_) | Operation::Delegate(..) | Operation::Program(_) => libc::ENOMEM,
            Operation::Socket => libc::EMFILE,
            Operation::ReadSysctl(_) | Operation::ReadFile(..) => libc::EIO,
            Operation::WriteSysctl(_) => libc::EROFS,
            Operation::WriteFile(..) => libc::ENOSPC,
            _ => libc::ENOBUFS,
        };
        self.next(operation, errno)
    }

    fn after(&self, operation: &Operation<'_>) -> io::Result<()> {
        match operation {
            Operation::Request(_) if self.manner == Manner::AnswerLost => self.next(operation, libc::ENOBUFS),
            // The program did its work, and was killed before it could answer.
            Operation::Delegate(..) | Operation::Program(_) if self.manner == Manner::AnswerLost => {
                self.next(operation, libc::ETIMEDOUT)
            }
            _ => Ok(()),
        }
    }
}
