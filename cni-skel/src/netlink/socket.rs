//! The socket: sends requests, receives answers from the kernel only, and repeats reads that were interrupted.

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

/// The size of the largest datagram that the kernel sends, unless a single object is larger.
const BUFFER: usize = 32 * 1024;
/// The number of bytes that can be sent at once through a socket with the default send buffer.
const DEFAULT_SEND_LIMIT: usize = 64 * 1024;
/// How often a read is tried if the kernel's table changes meanwhile.
const TRIES: u32 = 20;
/// The timeout for an answer, in seconds. The kernel answers during the system call that sends the request, so it expires
/// only if there will be no answer.
const ANSWER_TIMEOUT: i64 = 10;

/// A netlink socket. It stays in the namespace that it was opened in.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    port: u32,
    sequence: u32,
    buffer: Vec<u8>,
    /// The number of bytes that can be sent at once.
    send_limit: usize,
    /// Whether notifications arrived during an exchange and were dropped.
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
            // Linux before 4.20 filters less. The callers filter its answers again.
            Ok(()) | Err(Errno::ENOPROTOOPT) => {}
            Err(e) => return Err(e.into()),
        }
        setsockopt(&fd, ReceiveTimeout, &TimeVal::seconds(ANSWER_TIMEOUT))?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        let port = getsockname::<NetlinkAddr>(fd.as_raw_fd())?.pid();
        Ok(Self {
            fd,
            port,
            sequence: 0,
            buffer: vec![0; buffer],
            send_limit: DEFAULT_SEND_LIMIT,
            missed: false,
        })
    }

    fn send(&mut self, requests: &mut [Request]) -> io::Result<u32> {
        let first = self.sequence.wrapping_add(1);
        let mut slices = Vec::with_capacity(requests.len());
        for request in requests {
            self.sequence = self.sequence.wrapping_add(1);
            slices.push(IoSlice::new(request.finish(self.sequence)?));
        }
        let length: usize = slices.iter().map(|slice| slice.len()).sum();
        if length > self.send_limit {
            // Exceeding the system's limit needs CAP_NET_ADMIN, which a program that changes a network has.
            let wanted = length.saturating_mul(2);
            setsockopt(&self.fd, SndBufForce, &wanted).or_else(|_| setsockopt(&self.fd, SndBuf, &wanted))?;
            self.send_limit = length;
        }
        loop {
            match sendmsg::<NetlinkAddr>(self.fd.as_raw_fd(), &slices, &[], MsgFlags::empty(), None) {
                Ok(_) => return Ok(first),
                Err(Errno::EINTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Receives one datagram from the kernel into the buffer.
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
            // Any process may send to this port. Only the kernel has port 0.
            if sender.is_none_or(|sender| sender.pid() != 0) {
                continue;
            }
            if length > self.buffer.len() {
                self.buffer.resize(length.next_multiple_of(BUFFER), 0);
                return Ok(Received::Truncated);
            }
            return Ok(Received::Whole(length));
        }
    }

    /// Drops all received datagrams, which also ends a dump that is in progress.
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
                Ok(Received::Truncated) => {
                    self.drain()?;
                    return Ok(Round::Incomplete("an answer of the kernel is larger than the buffer"));
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
        self.missed |= exchange.has_unrelated();
        Ok(exchange.finish().map_or_else(Round::Incomplete, Round::Complete))
    }

    fn rounds(
        &mut self,
        requests: &mut [Request],
        wanted: &mut dyn FnMut(Message<'_>) -> bool,
    ) -> io::Result<Vec<Answer>> {
        let can_repeat = requests.iter().all(Request::is_read);
        let mut tries = 0;
        loop {
            tries += 1;
            match self.round(requests, wanted)? {
                Round::Complete(answers) => return Ok(answers),
                Round::Incomplete(_) if can_repeat && tries < TRIES => {}
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

    fn exchange_filtered(
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
                Ok(Received::Truncated) | Err(Errno::ENOBUFS) => return Ok(Event::Lost),
                Err(Errno::EAGAIN) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
}

/// What was received into the buffer.
enum Received {
    /// A datagram of this length.
    Whole(usize),
    /// The beginning of a datagram that was larger than the buffer. The buffer has been enlarged.
    Truncated,
}

/// The outcome of sending requests once.
enum Round {
    Complete(Vec<Answer>),
    Incomplete(&'static str),
}

/// Answers with the kernel's explanation.
#[derive(Clone)]
struct ExtendedAck;
nix::setsockopt_impl!(ExtendedAck, libc::SOL_NETLINK, libc::NETLINK_EXT_ACK, bool, SetBool);

/// Answers without a copy of the request.
#[derive(Clone)]
struct CappedAck;
nix::setsockopt_impl!(CappedAck, libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, bool, SetBool);

/// Reads that respect filters.
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
