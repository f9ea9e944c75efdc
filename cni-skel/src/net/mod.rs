//! Links, addresses, routes and neighbours of one network namespace.
//!
//! [`Net`] is a handle of one namespace's network. It is opened inside
//! ([`Netns::net`](crate::Netns::net), or [`Net::open`] for the calling thread's) and then works from
//! anywhere. Links are named by their index, which unlike a name cannot change under one's feet.
//!
//! [`Address`], [`Route`] and [`Neighbour`] are both what one adds and what a dump gives.
//!
//! Order of use inside: `constants`, `error`, `wire`; `handle`, which has the socket; one module for each kind of object;
//! `batch`, `vlan` and `wait` on top.

mod address;
mod batch;
mod bridge;
mod bridge_vlan;
mod constants;
mod error;
mod handle;
mod link;
mod link_change;
mod neighbour;
mod numbers;
mod route;
mod routing_rule;
mod veth;
mod wait;
mod wire;

#[cfg(test)]
mod fake_tests;
#[cfg(test)]
mod oracle_tests;

pub use address::{Address, AddressFlags};
pub use batch::Batch;
pub use bridge::Bridge;
pub use bridge_vlan::BridgeVlan;
pub use error::NetError;
pub use handle::Net;
pub use link::{BridgeOptions, BridgePort, Link, LinkFlags, OperState};
pub use neighbour::Neighbour;
pub use numbers::{LinkIndex, NeighbourState, PortState, RouteProtocol, RouteType, RuleAction, Scope};
pub use route::Route;
pub use routing_rule::RoutingRule;
pub use veth::{Veth, VethPair};
