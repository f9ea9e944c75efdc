//! The socket: sends, collects, checks who answers what, asks again where that is safe.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::{ReceiveTimeout, SetBool, SetStruct, SndBuf, SndBufForce};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, getsockname, recvmsg,
    sendmsg, setsockopt, socket,
};
use nix::sys::time::{TimeVal, TimeValLike};

use super::answer::{Answer, Message};
use super::exchange::Exchange;
use super::pause::pause;
use super::request::Request;
use super::transport::{Event, Transport};

#[cfg(test)]
#[path = "socket_tests.rs"]
mod tests;

/// What the kernel fills at most at once unless a single object is larger.
const BUFFER: usize = 32 * 1024;
/// What the kernel surely takes at once from a socket that nobody enlarged.
const ROOM: usize = 64 * 1024;
/// How often a read is sent again because the tables changed under it.
const TRIES: u32 = 20;
/// The kernel answers within the call that asks, so this is for a kernel that never will.
const PATIENCE: i64 = 10;

/// A netlink socket. It stays in the namespace that it was opened in.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    port: u32,
    sequence: u32,
    buffer: Vec<u8>,
    /// How much can be sent at once.
    room: usize,
    /// Notifications came during an exchange and were passed over.
    missed: bool,
}

impl Socket {
    /// Opens a socket of links, addresses and routes in the calling thread's namespace.
    pub(crate) fn of_routes() -> io::Result<Self> {
        Self::with_buffer(SockProtocol::NetlinkRoute, BUFFER)
    }

    /// Opens a socket of netfilter in the calling thread's namespace.
    #[cfg(feature = "nft")]
    pub(crate) fn of_netfilter() -> io::Result<Self> {
        Self::with_buffer(SockProtocol::NetlinkNetFilter, BUFFER)
    }

    fn with_buffer(protocol: SockProtocol, buffer: usize) -> io::Result<Self> {
        let fd = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
        setsockopt(&fd, ExtendedAck, &true)?;
        setsockopt(&fd, CappedAck, &true)?;
        match setsockopt(&fd, StrictCheck, &true) {
            // Before Linux 4.20. Such a kernel filters less, and we filter again anyway.
            Ok(()) | Err(Errno::ENOPROTOOPT) => {}
            Err(e) => return Err(e.into()),
        }
        setsockopt(&fd, ReceiveTimeout, &TimeVal::seconds(PATIENCE))?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        let port = getsockname::<NetlinkAddr>(fd.as_raw_fd())?.pid();
        Ok(Self { fd, port, sequence: 0, buffer: vec![0; buffer], room: ROOM, missed: false })
    }

    fn send(&mut self, requests: &mut [Request]) -> io::Result<u32> {
        let first = self.sequence.wrapping_add(1);
        let mut slices = Vec::with_capacity(requests.len());
        for request in requests {
            self.sequence = self.sequence.wrapping_add(1);
            slices.push(IoSlice::new(request.finish(self.sequence)?));
        }
        let length: usize = slices.iter().map(|slice| slice.len()).sum();
        if length > self.room {
            // Beyond the system's limit only with privileges, which whoever changes a network has.
            let wanted = length.saturating_mul(2);
            setsockopt(&self.fd, SndBufForce, &wanted).or_else(|_| setsockopt(&self.fd, SndBuf, &wanted))?;
            self.room = length;
        }
        loop {
            match sendmsg::<NetlinkAddr>(self.fd.as_raw_fd(), &slices, &[], MsgFlags::empty(), None) {
                Ok(_) => return Ok(first),
                Err(Errno::EINTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Receives one datagram from the kernel into the buffer: its length, or that it did not fit.
    fn receive(&mut self, flags: MsgFlags) -> Result<Received, Errno> {
        loop {
            let mut slices = [IoSliceMut::new(&mut self.buffer)];
            let flags = flags | MsgFlags::MSG_TRUNC;
            let (sender, length) = match recvmsg::<NetlinkAddr>(self.fd.as_raw_fd(), &mut slices, None, flags)
            {
                Ok(received) => (received.address, received.bytes),
                Err(Errno::EINTR) => continue,
                Err(e) => return Err(e),
            };
            // Any process may send to our port; only the kernel has port 0.
            if sender.is_none_or(|sender| sender.pid() != 0) {
                continue;
            }
            if length > self.buffer.len() {
                self.buffer.resize(length.next_multiple_of(BUFFER), 0);
                return Ok(Received::Cut);
            }
            return Ok(Received::Whole(length));
        }
    }

    /// Throws away what is there, and so ends a dump that is under way.
    fn drain(&mut self) -> io::Result<()> {
        self.missed = true;
        loop {
            match self.receive(MsgFlags::MSG_DONTWAIT) {
                Ok(_) | Err(Errno::ENOBUFS) => {}
                Err(Errno::EAGAIN) => return Ok(()),
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn round(
        &mut self,
        requests: &mut [Request],
        wanted: &mut dyn FnMut(Message<'_>) -> bool,
    ) -> io::Result<Round> {
        let first = self.send(requests)?;
        let mut exchange = Exchange::new(requests, first, self.port);
        while exchange.is_open() {
            match self.receive(MsgFlags::empty()) {
                Ok(Received::Whole(length)) => exchange.feed_wanted(&self.buffer[..length], wanted),
                Ok(Received::Cut) => {
                    self.drain()?;
                    return Ok(Round::Incomplete("an answer of the kernel did not fit"));
                }
                Err(Errno::ENOBUFS) => {
                    self.drain()?;
                    return Ok(Round::Incomplete("answers of the kernel were lost"));
                }
                Err(Errno::EAGAIN) => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "the kernel does not answer"));
                }
                Err(e) => return Err(e.into()),
            }
        }
        self.missed |= exchange.met_strangers();
        Ok(exchange.finish().map_or_else(Round::Incomplete, Round::Complete))
    }

    fn rounds(
        &mut self,
        requests: &mut [Request],
        wanted: &mut dyn FnMut(Message<'_>) -> bool,
    ) -> io::Result<Vec<Answer>> {
        let safe = requests.iter().all(Request::is_read);
        let mut tries = 0;
        loop {
            tries += 1;
            match self.round(requests, wanted)? {
                Round::Complete(answers) => return Ok(answers),
                Round::Incomplete(_) if safe && tries < TRIES => {}
                Round::Incomplete(why) => return Err(io::Error::other(why)),
            }
            pause(tries);
        }
    }
}

impl Transport for Socket {
    fn exchange(&mut self, requests: &mut [Request]) -> io::Result<Vec<Answer>> {
        self.rounds(requests, &mut |_| true)
    }

    fn look(
        &mut self,
        request: &mut Request,
        wanted: &mut dyn FnMut(Message<'_>) -> bool,
    ) -> io::Result<Answer> {
        Ok(self.rounds(std::slice::from_mut(request), wanted)?.pop().unwrap_or_default())
    }

    fn join(&mut self, group: u32) -> io::Result<()> {
        self.missed = false;
        Ok(setsockopt(&self.fd, AddMembership, &group)?)
    }

    fn leave(&mut self, group: u32) -> io::Result<()> {
        setsockopt(&self.fd, DropMembership, &group)?;
        self.drain()?;
        self.missed = false;
        Ok(())
    }

    fn event(&mut self, deadline: Option<Instant>) -> io::Result<Event> {
        if std::mem::take(&mut self.missed) {
            return Ok(Event::Lost);
        }
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            // Rounded up, so as not to spin through the last millisecond.
            let timeout = left.map_or(PollTimeout::NONE, |left| {
                let rounded_up = left.saturating_add(Duration::from_micros(999));
                PollTimeout::try_from(rounded_up).unwrap_or(PollTimeout::MAX)
            });
            match poll(&mut [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)], timeout) {
                Ok(0) if left.is_some_and(|left| left.is_zero()) => return Ok(Event::TimedOut),
                Ok(0) | Err(Errno::EINTR) => continue,
                Ok(_) => {}
                Err(e) => return Err(e.into()),
            }
            match self.receive(MsgFlags::MSG_DONTWAIT) {
                Ok(Received::Whole(length)) => return Ok(Event::Messages(self.buffer[..length].to_vec())),
                Ok(Received::Cut) | Err(Errno::ENOBUFS) => return Ok(Event::Lost),
                Err(Errno::EAGAIN) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
}

/// A datagram in the buffer.
enum Received {
    Whole(usize),
    /// It was longer than the buffer, which has been enlarged for the next time.
    Cut,
}

/// One sending and what came of it.
enum Round {
    Complete(Vec<Answer>),
    Incomplete(&'static str),
}

/// The kernel's words in answers.
#[derive(Clone)]
struct ExtendedAck;
nix::setsockopt_impl!(ExtendedAck, libc::SOL_NETLINK, libc::NETLINK_EXT_ACK, bool, SetBool);

/// Answers that do not repeat the request.
#[derive(Clone)]
struct CappedAck;
nix::setsockopt_impl!(CappedAck, libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, bool, SetBool);

/// Filters in reads are honoured, not ignored.
#[derive(Clone)]
struct StrictCheck;
nix::setsockopt_impl!(StrictCheck, libc::SOL_NETLINK, libc::NETLINK_GET_STRICT_CHK, bool, SetBool);

#[derive(Clone)]
struct AddMembership;
nix::setsockopt_impl!(
    AddMembership,
    libc::SOL_NETLINK,
    libc::NETLINK_ADD_MEMBERSHIP,
    u32,
    SetStruct<'_, u32>
);

#[derive(Clone)]
struct DropMembership;
nix::setsockopt_impl!(
    DropMembership,
    libc::SOL_NETLINK,
    libc::NETLINK_DROP_MEMBERSHIP,
    u32,
    SetStruct<'_, u32>
);
