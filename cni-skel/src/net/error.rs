//! What went wrong in the kernel's network: what was being done, errno, the kernel's own words.

use std::error::Error as StdError;
use std::io;

use cni_types::ErrorCode;
use nix::errno::Errno;

use crate::Error;
use crate::netlink::Refusal;

/// By its number, because only Linux has it.
#[cfg(feature = "nft")]
const ERESTART: i32 = 85;

/// A request about links, addresses, routes or neighbours that failed.
///
/// `Display` says what was being done and to what (`add route default via 10.1.0.1 on eth0`). The
/// sources are the system's error (`Network is unreachable (os error 101)`) and, where the kernel
/// explains itself, its explanation (`Nexthop has invalid gateway`).
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct NetError {
    what: String,
    #[source]
    refusal: Refusal,
}

impl NetError {
    pub(crate) fn new(what: String, cause: impl Into<Refusal>) -> Self {
        Self { what, refusal: cause.into() }
    }

    /// The system's error.
    pub fn io_error(&self) -> &io::Error {
        &self.refusal.error
    }

    /// The kernel's explanation, where it gives one.
    pub fn kernel_text(&self) -> Option<&str> {
        self.refusal.text.as_ref().map(|text| text.0.as_str())
    }

    /// Whether the link, address, route or neighbour is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(
            self.errno(),
            Some(Errno::ENODEV | Errno::ENOENT | Errno::ESRCH | Errno::EADDRNOTAVAIL | Errno::ENXIO)
        )
    }

    /// Whether no route leads there.
    pub fn is_unreachable(&self) -> bool {
        matches!(self.errno(), Some(Errno::ENETUNREACH | Errno::EHOSTUNREACH))
    }

    /// Whether it is there already.
    pub fn is_exists(&self) -> bool {
        self.errno() == Some(Errno::EEXIST)
    }

    /// Whether the caller may not do it.
    pub fn is_denied(&self) -> bool {
        matches!(self.errno(), Some(Errno::EPERM | Errno::EACCES))
    }

    /// Whether the kernel does not know how: a driver, a protocol family or an option is missing.
    pub fn is_unsupported(&self) -> bool {
        matches!(self.errno(), Some(Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT | Errno::EPROTONOSUPPORT))
    }

    /// Whether something still uses it.
    pub fn is_busy(&self) -> bool {
        self.errno() == Some(Errno::EBUSY)
    }

    /// Whether another program changed the ruleset after it was looked at, so that nothing was done.
    #[cfg(feature = "nft")]
    pub(crate) fn is_outdated(&self) -> bool {
        self.io_error().raw_os_error() == Some(ERESTART)
    }

    /// Whether a deadline passed.
    pub fn is_timeout(&self) -> bool {
        self.refusal.error.kind() == io::ErrorKind::TimedOut
    }

    fn errno(&self) -> Option<Errno> {
        self.refusal.error.raw_os_error().map(Errno::from_raw)
    }
}

impl From<NetError> for Error {
    /// Code 999: the kernel refused. Its reason becomes the details.
    fn from(cause: NetError) -> Self {
        let error = Self::new(ErrorCode::INTERNAL, cause.to_string());
        match cause.source() {
            Some(refusal) => error.with_details(chain(refusal)),
            None => error,
        }
    }
}

/// An error and its causes as one text.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
