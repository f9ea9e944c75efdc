//! The socket against the kernel, in a throw-away namespace.

use std::thread;

use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::sendto;

use super::{
    AsRawFd, BUFFER, Duration, Event, Instant, MsgFlags, NetlinkAddr, Request, SockProtocol, Socket,
    Transport, io,
};
use crate::netlink::Messages;

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;

/// A socket in a namespace of its own.
#[track_caller]
fn socket(buffer: usize) -> Socket {
    both(buffer).0
}

/// Two sockets in one namespace.
#[track_caller]
fn both(buffer: usize) -> (Socket, Socket) {
    let open = move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("make a network namespace");
        let open = || Socket::with_buffer(SockProtocol::NetlinkRoute, buffer).expect("open a socket in it");
        (open(), open())
    };
    thread::spawn(open).join().expect("the thread ends")
}

fn dump_links() -> Request {
    let mut request = Request::dump(RTM_GETLINK);
    request.fixed(&[0; 16]);
    request
}

fn loopback() -> Request {
    let mut request = Request::read(RTM_GETLINK);
    request.fixed(&[0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    request
}

#[test]
fn an_answer_larger_than_the_buffer_is_requested_again() {
    let mut socket = socket(64);
    for request in [dump_links(), loopback()] {
        socket.buffer = vec![0; 64];
        let answers = socket.exchange(&mut [request]).unwrap();
        assert!(answers[0].refusal.is_none());
        assert_eq!(answers[0].messages().filter(|m| m.kind == RTM_NEWLINK).count(), 1);
    }
}

#[test]
fn several_requests_are_answered_in_their_order() {
    let mut socket = socket(BUFFER);
    let mut missing = Request::read(RTM_GETLINK);
    missing.fixed(&[0, 0, 0, 0, 99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let answers = socket.exchange(&mut [missing.clone(), loopback(), missing]).unwrap();
    let refused: Vec<_> = answers.iter().map(|a| a.refusal.is_some()).collect();
    assert_eq!(refused, [true, false, true]);
    assert_eq!(answers[1].messages().count(), 1);
}

#[test]
fn what_another_process_sends_is_not_an_answer() {
    let (mut socket, other) = both(BUFFER);
    // The forger knows port and sequence number, and reports success.
    let mut forged = vec![20, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0];
    forged.extend_from_slice(&socket.port.to_ne_bytes());
    forged.extend_from_slice(&[0; 4]);
    let to = NetlinkAddr::new(socket.port, 0);
    sendto(other.fd.as_raw_fd(), &forged, &to, MsgFlags::empty()).unwrap();
    let answers = socket.exchange(&mut [loopback()]).unwrap();
    assert_eq!(answers[0].messages().count(), 1, "the forged answer was taken for the kernel's");
}

#[test]
fn a_wait_for_notifications_ends_at_its_deadline() {
    let mut socket = socket(BUFFER);
    socket.join(1).unwrap();
    let start = Instant::now();
    let event = socket.event(Some(start + Duration::from_millis(20))).unwrap();
    assert!(matches!(event, Event::TimedOut), "{event:?}");
    assert!(start.elapsed() >= Duration::from_millis(20));
    socket.leave(1).unwrap();
}

#[test]
fn notifications_during_an_exchange_are_reported_as_lost() {
    let (mut socket, mut other) = both(BUFFER);
    socket.join(1).unwrap();
    let mut up = Request::change(19, 0);
    up.fixed(&[0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
    assert!(other.exchange(&mut [up]).unwrap()[0].refusal.is_none());
    // The notification is before the answer in the queue. The exchange drops it.
    let answers = socket.exchange(&mut [loopback()]).unwrap();
    assert_eq!(Messages::new(&answers[0].bytes).count(), 1);
    let event = socket.event(Some(Instant::now())).unwrap();
    assert!(matches!(event, Event::Lost), "{event:?}");
}

#[test]
fn a_request_that_cannot_be_encoded_is_not_sent() {
    let mut socket = socket(BUFFER);
    let mut request = dump_links();
    request.text(3, "lo\0x");
    let failed = socket.exchange(&mut [request]).unwrap_err();
    assert_eq!(failed.kind(), io::ErrorKind::InvalidInput);
}
