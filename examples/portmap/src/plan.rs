//! What is to be there, and what is not to be there any more.

use std::net::IpAddr;

use cni_skel::types::PortMapping;

use crate::config::Settings;
use crate::owner::Owner;
use crate::ports::Ports;

/// What ADD makes and CHECK looks for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) owner: &'a Owner,
    pub(crate) settings: &'a Settings,
    pub(crate) ports: &'a [Ports],
}

impl<'a> Wanted<'a> {
    /// What a family gets, if anything.
    pub(crate) fn of_family(&self, is_ipv4: bool) -> Option<&'a Ports> {
        self.ports.iter().find(|ports| ports.is_ipv4() == is_ipv4 && !ports.mappings.is_empty())
    }
}

/// What DEL removes.
#[derive(Clone, Debug)]
pub(crate) struct Unwanted<'a> {
    pub(crate) owner: &'a Owner,
    /// The container's addresses, as far as the runtime tells them.
    pub(crate) addresses: Vec<IpAddr>,
    /// The mappings, if the runtime tells them.
    pub(crate) mappings: Option<&'a [PortMapping]>,
}
