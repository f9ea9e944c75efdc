//! Traffic between two containers.
//!
//! A socket belongs to the namespace of the thread that made it, wherever it is used later.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use cni_testing::TestNetns;

/// The timeout of an exchange.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long an address may stay unusable. IPv6 duplicate address detection takes a second or two.
const TENTATIVE: Duration = Duration::from_secs(3);
/// How long to wait for an answer before the datagram is sent again.
const RESEND: Duration = Duration::from_millis(500);

/// How many bytes a TCP exchange sends each way: many segments of any size.
pub(crate) const TCP_BYTES: usize = 64 << 10;
/// How many bytes a UDP exchange sends each way: they fit every link that supports IPv6.
pub(crate) const UDP_BYTES: usize = 1200;

/// One end of an exchange.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End<'a> {
    pub(crate) netns: &'a TestNetns,
    pub(crate) address: IpAddr,
}

/// Sends data over one TCP connection in both directions at once, and compares it.
pub(crate) fn over_tcp(from: End<'_>, to: End<'_>) -> io::Result<()> {
    let listener = to.netns.run(|| reachable((to.address, 0).into(), TcpListener::bind))??;
    let connect = |place| TcpStream::connect_timeout(&place, TIMEOUT);
    let place = listener.local_addr()?;
    let asker = from.netns.run(|| reachable(place, connect))??;
    let answerer = accept(&listener)?;
    thread::scope(|scope| {
        let answering = scope.spawn(|| converse(&answerer, 1, 0));
        let asked = converse(&asker, 0, 1);
        asked.and(join(answering))
    })
}

/// Sends a datagram and its answer, and compares them.
pub(crate) fn over_udp(from: End<'_>, to: End<'_>) -> io::Result<()> {
    let until = Instant::now() + TIMEOUT;
    let bind = |end: End<'_>| end.netns.run(|| reachable((end.address, 0).into(), UdpSocket::bind))?;
    let (asker, answerer) = (bind(from)?, bind(to)?);
    reachable(answerer.local_addr()?, |place| asker.connect(place))?;
    asker.set_read_timeout(Some(RESEND))?;
    answerer.set_read_timeout(Some(RESEND))?;
    let (question, answer) = (pattern(UDP_BYTES, 0), pattern(UDP_BYTES, 1));
    let mut buffer = vec![0; UDP_BYTES + 1];
    while Instant::now() < until {
        // Datagrams may be lost, mainly while neighbours are resolved.
        if asker.send(&question).is_err() {
            thread::sleep(RESEND / 10);
            continue;
        }
        let Some((size, asker_seen)) = pass_over_time(answerer.recv_from(&mut buffer))? else { continue };
        compare(&buffer[..size], &question)?;
        answerer.send_to(&answer, asker_seen)?;
        let Some(size) = pass_over_time(asker.recv(&mut buffer))? else { continue };
        return compare(&buffer[..size], &answer);
    }
    Err(io::Error::new(ErrorKind::TimedOut, "no datagram came through"))
}

/// Tries until an address, local or remote, can be used.
fn reachable<T>(place: SocketAddr, attempt: impl Fn(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    let until = Instant::now() + if place.is_ipv6() { TENTATIVE } else { Duration::ZERO };
    let is_early = |kind: ErrorKind| {
        use ErrorKind::{AddrNotAvailable, HostUnreachable, NetworkUnreachable};
        matches!(kind, AddrNotAvailable | HostUnreachable | NetworkUnreachable)
    };
    loop {
        match attempt(place) {
            Err(early) if is_early(early.kind()) && Instant::now() < until => {
                thread::sleep(Duration::from_millis(20));
            }
            outcome => return outcome,
        }
    }
}

/// Accepts the connection that was just made, if it leads here.
fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let until = Instant::now() + TIMEOUT;
    listener.set_nonblocking(true)?;
    loop {
        match listener.accept() {
            Err(none) if none.kind() == ErrorKind::WouldBlock && Instant::now() < until => {
                thread::sleep(Duration::from_micros(100));
            }
            accepted => {
                let (stream, _) = accepted?;
                stream.set_nonblocking(false)?;
                return Ok(stream);
            }
        }
    }
}

/// Sends one pattern and expects another, at the same time.
fn converse(stream: &TcpStream, sends: u8, expects: u8) -> io::Result<()> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    thread::scope(|scope| {
        let sending = scope.spawn(move || {
            let mut stream = stream;
            stream.write_all(&pattern(TCP_BYTES, sends))
        });
        let mut received = vec![0; TCP_BYTES];
        let mut stream = stream;
        stream.read_exact(&mut received)?;
        join(sending)?;
        compare(&received, &pattern(TCP_BYTES, expects))
    })
}

/// Bytes that do not repeat at any power of two, and differ for each seed.
fn pattern(size: usize, seed: u8) -> Vec<u8> {
    (0..size).map(|n| (n % 251) as u8 ^ seed).collect()
}

fn compare(received: &[u8], sent: &[u8]) -> io::Result<()> {
    if received == sent {
        return Ok(());
    }
    Err(io::Error::new(ErrorKind::InvalidData, "the bytes that arrived differ from those sent"))
}

fn pass_over_time<T>(received: io::Result<T>) -> io::Result<Option<T>> {
    match received {
        Ok(received) => Ok(Some(received)),
        Err(late)
            if matches!(
                late.kind(),
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::ConnectionRefused
            ) =>
        {
            Ok(None)
        }
        Err(other) => Err(other),
    }
}

fn join(thread: thread::ScopedJoinHandle<'_, io::Result<()>>) -> io::Result<()> {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
