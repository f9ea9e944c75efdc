//! A small synchronous netlink core: messages out, attributes in, one socket.
//!
//! It knows the envelope that all netlink protocols share and nothing of what is inside, so that
//! rtnetlink, traffic control, nf_tables and conntrack can stand on it; the protocol is a parameter
//! of the socket. Order of use: `constants`, then `attributes` and `request`, then `answer`, then
//! `exchange`, `transport` (the seam that a test can put a made-up network behind), then `pause` and `socket`;
//! `made_up` is what tests put in its place. Only Linux has
//! the socket; elsewhere there is what tests put there.
#![cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "some of it is for the socket alone"))]

mod answer;
mod attributes;
mod constants;
mod exchange;
mod made_up;
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
pub(crate) use made_up::{MadeUp, Watched};
#[cfg(feature = "nft")]
pub(crate) use pause::pause;
pub(crate) use request::Request;
pub(crate) use socket::Socket;
pub(crate) use transport::{Event, Transport};
