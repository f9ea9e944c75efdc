//! What to add, and what to remove.

use std::net::IpAddr;

use cni_skel::types::PortMapping;

use crate::config::Settings;
use crate::owner::Owner;
use crate::ports::Ports;

/// What ADD adds and CHECK looks for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) owner: &'a Owner,
    pub(crate) settings: &'a Settings,
    pub(crate) ports: &'a [Ports],
}

impl<'a> Wanted<'a> {
    /// Returns the ports of a family, if there are any.
    pub(crate) fn of_family(&self, is_ipv4: bool) -> Option<&'a Ports> {
        self.ports.iter().find(|ports| ports.is_ipv4() == is_ipv4 && !ports.mappings.is_empty())
    }
}

/// What DEL removes.
#[derive(Clone, Debug)]
pub(crate) struct Unwanted<'a> {
    pub(crate) owner: &'a Owner,
    /// The container's addresses, if the runtime passes them.
    pub(crate) addresses: Vec<IpAddr>,
    /// The mappings, if the runtime passes them.
    pub(crate) mappings: Option<&'a [PortMapping]>,
}
