//! A synchronous netlink client: requests, answers, and the socket that they go through.
//!
//! It handles the message and attribute headers that all netlink protocols share, and nothing of what is inside. rtnetlink,
//! nf_tables and conntrack are built on it; the protocol is a parameter of the socket. The socket exists on Linux only. On
//! other systems it cannot be opened, and the transports for tests still work.
//!
//! Order in which the modules use each other: `constants`; `attributes`, `request`; `answer`; `exchange`, `transport`;
//! `pause`, `socket`, `fake`.
#![cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only the socket uses some of it"))]

mod answer;
mod attributes;
mod constants;
mod exchange;
mod fake;
mod pause;
mod request;
#[cfg(target_os = "linux")]
mod socket;
#[cfg(not(target_os = "linux"))]
#[path = "no_socket.rs"]
mod socket;
mod transport;

#[cfg(test)]
mod tests;

pub(crate) use answer::{Answer, Message, Messages, Refusal};
pub(crate) use attributes::Attributes;
#[cfg(feature = "nft")]
pub(crate) use constants::NLA_F_NESTED;
pub(crate) use constants::{NLM_F_CREATE, NLM_F_EXCL};
pub(crate) use fake::{FakeSocket, Watched};
#[cfg(feature = "nft")]
pub(crate) use pause::pause;
pub(crate) use request::Request;
pub(crate) use socket::Socket;
pub(crate) use transport::{Event, Transport};
