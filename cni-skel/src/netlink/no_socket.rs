//! The socket on systems without netlink. It cannot be opened.

use std::io;
use std::time::Instant;

use super::answer::Answer;
use super::request::Request;
use super::transport::{Event, Transport};

/// A socket that does not exist.
#[derive(Debug)]
pub(crate) enum Socket {}

impl Socket {
    /// Returns an error.
    pub(crate) fn of_routes() -> io::Result<Self> {
        Err(unsupported())
    }

    /// Returns an error.
    #[cfg(feature = "nft")]
    pub(crate) fn of_netfilter() -> io::Result<Self> {
        Err(unsupported())
    }
}

/// Returns an error that [`NetError::is_unsupported`](crate::net::NetError::is_unsupported) recognises.
fn unsupported() -> io::Error {
    io::Error::from_raw_os_error(nix::libc::EAFNOSUPPORT)
}

impl Transport for Socket {
    fn exchange(&mut self, _: &mut [Request]) -> io::Result<Vec<Answer>> {
        match *self {}
    }

    fn join(&mut self, _: u32) -> io::Result<()> {
        match *self {}
    }

    fn leave(&mut self, _: u32) -> io::Result<()> {
        match *self {}
    }

    fn event(&mut self, _: Option<Instant>) -> io::Result<Event> {
        match *self {}
    }
}
