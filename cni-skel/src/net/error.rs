//! A failed request: what it was, the system's error, and the kernel's explanation.

use std::error::Error as StdError;
use std::io;

use cni_types::ErrorCode;
use nix::errno::Errno;

use crate::Error;
use crate::netlink::Refusal;

/// `ERESTART` by its number, because `nix` does not name it on every system.
#[cfg(feature = "nft")]
const ERESTART: i32 = 85;

/// A failed request to the kernel's network: about links, addresses, routes, neighbours, or a ruleset of nftables.
///
/// `Display` names the request (`cannot add route default via 10.1.0.1 on eth0`). The sources are the system's error
/// (`Network is unreachable (os error 101)`) and the kernel's explanation, if there is one (`Nexthop has invalid gateway`).
///
/// ```
/// # use cni_skel::net::{Net, NetError};
/// # fn f(net: &Net) -> Result<(), NetError> {
/// match net.link("eth0") {
///     Ok(link) => net.set_up(link.index),
///     Err(error) if error.is_not_found() => Ok(()),
///     Err(error) => Err(error),
/// }
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[error("cannot {what}")]
pub struct NetError {
    what: String,
    #[source]
    refusal: Refusal,
}

impl NetError {
    /// `what` completes the sentence "cannot ..".
    pub(crate) fn new(what: String, cause: impl Into<Refusal>) -> Self {
        Self { what, refusal: cause.into() }
    }

    /// Returns the system's error.
    pub fn io_error(&self) -> &io::Error {
        &self.refusal.error
    }

    /// Returns the kernel's explanation, if there is one.
    pub fn kernel_text(&self) -> Option<&str> {
        self.refusal.text.as_ref().map(|text| text.0.as_str())
    }

    /// Returns whether the link, address, route or neighbour does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(
            self.errno(),
            Some(Errno::ENODEV | Errno::ENOENT | Errno::ESRCH | Errno::EADDRNOTAVAIL | Errno::ENXIO)
        )
    }

    /// Returns whether there is no route to an address.
    pub fn is_unreachable(&self) -> bool {
        matches!(self.errno(), Some(Errno::ENETUNREACH | Errno::EHOSTUNREACH))
    }

    /// Returns whether the object already exists.
    pub fn is_exists(&self) -> bool {
        self.errno() == Some(Errno::EEXIST)
    }

    /// Returns whether the process lacks the permission.
    pub fn is_denied(&self) -> bool {
        matches!(self.errno(), Some(Errno::EPERM | Errno::EACCES))
    }

    /// Returns whether the kernel lacks a driver, a protocol family or an option for the request.
    pub fn is_unsupported(&self) -> bool {
        matches!(self.errno(), Some(Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT | Errno::EPROTONOSUPPORT))
    }

    /// Returns whether the object is still in use.
    pub fn is_busy(&self) -> bool {
        self.errno() == Some(Errno::EBUSY)
    }

    /// Returns whether nothing was changed because another program had changed the ruleset since it was read.
    #[cfg(feature = "nft")]
    pub(crate) fn is_outdated(&self) -> bool {
        self.io_error().raw_os_error() == Some(ERESTART)
    }

    /// Returns whether a timeout expired.
    pub fn is_timeout(&self) -> bool {
        self.refusal.error.kind() == io::ErrorKind::TimedOut
    }

    fn errno(&self) -> Option<Errno> {
        self.refusal.error.raw_os_error().map(Errno::from_raw)
    }
}

impl From<NetError> for Error {
    /// Converts into an error with code 999. The causes become its details.
    fn from(cause: NetError) -> Self {
        let error = Self::new(ErrorCode::INTERNAL, cause.to_string());
        match cause.source() {
            Some(refusal) => error.with_details(causes(refusal)),
            None => error,
        }
    }
}

/// Joins an error and its causes with `: `.
fn causes(error: &(dyn StdError + 'static)) -> String {
    let errors = std::iter::successors(Some(error), |error| (*error).source());
    errors.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
