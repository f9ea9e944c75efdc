//! Creating bridges.

use std::io;

use nix::libc;

use super::constants::{
    AF_UNSPEC, IFLA_ADDRESS, IFLA_BR_VLAN_FILTERING, IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_LINKINFO, IFLA_MTU,
    RTM_NEWLINK,
};
use super::error::NetError;
use super::handle::{Net, Task};
use super::link::{Link, header};
use super::link_change::put_new_name;
use crate::netlink::{NLM_F_CREATE, NLM_F_EXCL, Request};
use crate::types::MacAddr;

/// A bridge to create with [`Net::add_bridge`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bridge {
    /// Its name.
    pub name: String,
    /// Its MTU. With `None` the kernel chooses the lowest of its ports.
    pub mtu: Option<u32>,
    /// Its hardware address. With `None` the kernel chooses the lowest of its ports.
    pub mac: Option<MacAddr>,
    /// Whether VLAN filtering is on: packets of a VLAN pass only between ports that are members of it.
    pub vlan_filtering: bool,
}

impl Bridge {
    /// Creates a description with a name and nothing else.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), mtu: None, mac: None, vlan_filtering: false }
    }

    /// Sets the MTU.
    #[must_use]
    pub fn mtu(self, mtu: u32) -> Self {
        Self { mtu: Some(mtu), ..self }
    }

    /// Sets the hardware address.
    #[must_use]
    pub fn mac(self, mac: MacAddr) -> Self {
        Self { mac: Some(mac), ..self }
    }

    /// Turns VLAN filtering on.
    #[must_use]
    pub fn vlan_filtering(self) -> Self {
        Self { vlan_filtering: true, ..self }
    }
}

impl Net {
    /// Creates a bridge. It is down.
    ///
    /// # Errors
    ///
    /// The name is taken ([`NetError::is_exists`]) or invalid, the kernel does not support VLAN filtering and the bridge needs
    /// it ([`NetError::is_unsupported`]), or the kernel refuses.
    pub fn add_bridge(&self, bridge: &Bridge) -> Result<Link, NetError> {
        let task = Task::new(format!("add bridge {}", bridge.name));
        let link = self.make(&task, new_bridge(bridge), &bridge.name)?;
        let filters = link.bridge.is_some_and(|options| options.vlan_filtering == Some(true));
        if bridge.vlan_filtering && !filters {
            // A kernel without VLAN filtering ignores the option.
            let _ = self.delete_link(link.index);
            let task = Task::new(format!("add bridge {} with VLAN filtering", bridge.name));
            return Err(self.failed(&task, io::Error::from_raw_os_error(libc::EOPNOTSUPP)));
        }
        Ok(link)
    }
}

pub(super) fn new_bridge(bridge: &Bridge) -> Request {
    let mut request = Request::change(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    request.fixed(&header(AF_UNSPEC, None, 0, 0));
    put_new_name(&mut request, &bridge.name);
    if let Some(mtu) = bridge.mtu {
        request.u32(IFLA_MTU, mtu);
    }
    if let Some(mac) = &bridge.mac {
        request.bytes(IFLA_ADDRESS, mac.as_bytes());
    }
    request.nest(IFLA_LINKINFO, |info| {
        info.text(IFLA_INFO_KIND, "bridge");
        if bridge.vlan_filtering {
            info.nest(IFLA_INFO_DATA, |data| {
                data.u8(IFLA_BR_VLAN_FILTERING, 1);
            });
        }
    });
    request
}
