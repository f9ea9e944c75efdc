//! Routes, in configurations and results.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::Extra;

/// A route: an element of key `routes` of an
/// [Add Success](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#add-success) object, and of the
/// configuration of many IPAM plugins. A route of the kernel is another type, `net::Route` of `cni-skel`.
///
/// ```
/// use cni_types::{Route, from_json, parse_cidr};
///
/// let route: Route = from_json(r#"{"dst": "0.0.0.0/0", "gw": "10.1.0.1", "priority": 100}"#)?;
/// assert_eq!(route.priority, Some(100));
/// assert_eq!(route.gw, Route::new(parse_cidr("0.0.0.0/0")?).gw("10.1.0.1".parse()?).gw);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Route {
    /// The destination: key `dst`.
    pub dst: IpNet,
    /// The next hop: key `gw`. `None` stands for the default gateway of the container.
    pub gw: Option<IpAddr>,
    /// The MTU along the route in bytes: key `mtu`, added in 1.1.0.
    pub mtu: Option<u32>,
    /// The maximum segment size that TCP advertises, in bytes: key `advmss`, added in 1.1.0.
    pub advmss: Option<u32>,
    /// The priority; a lower value is preferred: key `priority`, added in 1.1.0.
    pub priority: Option<u32>,
    /// The id of the routing table: key `table`, added in 1.1.0.
    pub table: Option<u32>,
    /// The scope, for example 0 (global), 253 (link) or 254 (host): key `scope`, added in 1.1.0.
    pub scope: Option<u32>,
    /// The unknown keys.
    pub extra: Extra,
}

impl Route {
    /// Makes a route to a destination.
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
