//! Routes, which configurations and results share.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::Extra;

/// A route: an element of key `routes` of an
/// [Add Success](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#add-success) object, and of the
/// configurations of many IPAM plugins.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Route {
    /// The destination: key `dst`.
    pub dst: IpNet,
    /// The next hop: key `gw`. None means the default gateway of the container.
    pub gw: Option<IpAddr>,
    /// The MTU along the route in bytes: key `mtu`, since 1.1.0.
    pub mtu: Option<u32>,
    /// The largest segment that TCP announces, in bytes: key `advmss`, since 1.1.0.
    pub advmss: Option<u32>,
    /// The priority, lower is preferred: key `priority`, since 1.1.0.
    pub priority: Option<u32>,
    /// The routing table: key `table`, since 1.1.0.
    pub table: Option<u32>,
    /// The scope, 0 global, 253 link, 254 host: key `scope`, since 1.1.0.
    pub scope: Option<u32>,
    /// Keys that this crate does not know.
    pub extra: Extra,
}

impl Route {
    /// Names a destination.
    pub fn new(dst: IpNet) -> Self {
        Self {
            dst,
            gw: None,
            mtu: None,
            advmss: None,
            priority: None,
            table: None,
            scope: None,
            extra: Extra::default(),
        }
    }

    /// Sets the next hop.
    #[must_use]
    pub fn gw(mut self, gw: IpAddr) -> Self {
        self.gw = Some(gw);
        self
    }
}
