//! Links, addresses, routes, neighbours and routing rules of a network namespace.
//!
//! [`Net`] is a handle to the network of one namespace. [`Netns::net`](crate::Netns::net) opens that of any namespace,
//! [`Net::open`] that of the calling thread. The handle works from every thread.
//!
//! ```no_run
//! use cni_skel::net::{Address, Net, NetError, Route, Veth};
//!
//! # fn f(netns: &cni_skel::Netns) -> Result<(), Box<dyn std::error::Error>> {
//! let pair = Net::open()?.add_veth(&Veth::new("veth1a2b3c4d", "eth0").mtu(1400).up(), netns)?;
//! let inside = netns.net()?;
//! let eth0 = inside.link("eth0")?.index;
//! inside.add_address(&Address::new(eth0, "10.1.0.2/24".parse()?))?;
//! inside.set_up(eth0)?;
//! inside.add_route(&Route::new("0.0.0.0/0".parse()?).gateway([10, 1, 0, 1].into()).link(eth0))?;
//! # pair.delete()?;
//! # Ok(())
//! # }
//! ```
//!
//! Links of every kind can be found, changed and deleted. Two kinds can be created: [`Veth`] pairs and [`Bridge`]s.
//! Routing rules can be listed only. A [`LinkIndex`] identifies a link, because its name may change.
//!
//! [`Address`], [`Route`] and [`Neighbour`] are what a plugin adds, and what the kernel lists. [`Route`] is a route of the
//! kernel; that of a configuration or a result is [`types::Route`](crate::types::Route). A [`RoutingRule`] chooses a routing
//! table; rules that filter packets belong to `nft` and `iptables`. A [`Batch`] is one system call, and not atomic.
//!
//! Order in which the modules use each other: `constants`, `numbers`, `error`, `wire`; `handle` with the socket; one module
//! for each kind of object; `batch`, `bridge_vlan` and `wait`.

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
