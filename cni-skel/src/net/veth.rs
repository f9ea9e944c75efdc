//! Pairs of virtual Ethernet links with one end in this namespace and the other in any.

use super::constants::{
    AF_UNSPEC, IFF_UP, IFLA_ADDRESS, IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_LINKINFO, IFLA_MASTER, IFLA_MTU,
    IFLA_NET_NS_FD, RTM_NEWLINK, VETH_INFO_PEER,
};
use super::error::NetError;
use super::handle::{Net, Task};
use super::link::{Link, header};
use super::link_change::{alias_request, port_request, put_new_name};
use super::numbers::LinkIndex;
use crate::netlink::{NLM_F_CREATE, NLM_F_EXCL, Request};
use crate::netns::Netns;
use crate::types::MacAddr;

/// A pair of virtual Ethernet links to create with [`Net::add_veth`].
///
/// ```
/// use cni_skel::net::Veth;
///
/// let veth = Veth::new("veth1a2b3c4d", "eth0").mtu(1400).up().alias("cni:net:container:eth0");
/// assert_eq!(veth.peer_mtu, Some(1400));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Veth {
    /// The name of the end in the handle's namespace: the host end.
    pub name: String,
    /// The hardware address of the host end. With `None` the kernel chooses one.
    pub mac: Option<MacAddr>,
    /// The MTU of the host end.
    pub mtu: Option<u32>,
    /// Whether the host end is set up when it is created.
    pub up: bool,
    /// The bridge that the host end is attached to.
    pub master: Option<LinkIndex>,
    /// The alias of the host end: a text of up to 255 bytes.
    pub alias: Option<String>,
    /// The hairpin mode of the host end as a bridge's port. `None` leaves it as it is.
    pub hairpin: Option<bool>,
    /// The isolation of the host end as a bridge's port. `None` leaves it as it is.
    pub isolated: Option<bool>,
    /// The name of the peer.
    pub peer_name: String,
    /// The hardware address of the peer. With `None` the kernel chooses one.
    pub peer_mac: Option<MacAddr>,
    /// The MTU of the peer.
    pub peer_mtu: Option<u32>,
}

impl Veth {
    /// Creates a description with the names of the host end and the peer.
    pub fn new(name: impl Into<String>, peer_name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            mac: None,
            mtu: None,
            up: false,
            master: None,
            alias: None,
            hairpin: None,
            isolated: None,
            peer_name: peer_name.into(),
            peer_mac: None,
            peer_mtu: None,
        }
    }

    /// Sets the MTU of both ends.
    #[must_use]
    pub fn mtu(self, mtu: u32) -> Self {
        Self { mtu: Some(mtu), peer_mtu: Some(mtu), ..self }
    }

    /// Sets the hardware address of the host end.
    #[must_use]
    pub fn mac(self, mac: MacAddr) -> Self {
        Self { mac: Some(mac), ..self }
    }

    /// Sets the hardware address of the peer.
    #[must_use]
    pub fn peer_mac(self, mac: MacAddr) -> Self {
        Self { peer_mac: Some(mac), ..self }
    }

    /// Sets the host end up when it is created.
    #[must_use]
    pub fn up(self) -> Self {
        Self { up: true, ..self }
    }

    /// Attaches the host end to a bridge.
    #[must_use]
    pub fn master(self, master: LinkIndex) -> Self {
        Self { master: Some(master), ..self }
    }

    /// Sets the alias of the host end.
    #[must_use]
    pub fn alias(self, alias: impl Into<String>) -> Self {
        Self { alias: Some(alias.into()), ..self }
    }

    /// Sets the hairpin mode of the host end, which needs a bridge as its master.
    #[must_use]
    pub fn hairpin(self, on: bool) -> Self {
        Self { hairpin: Some(on), ..self }
    }

    /// Sets the isolation of the host end, which needs a bridge as its master.
    #[must_use]
    pub fn isolated(self, on: bool) -> Self {
        Self { isolated: Some(on), ..self }
    }
}

/// A pair of virtual Ethernet links that exists. Dropping the value does not delete it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct VethPair {
    /// The end in the handle's namespace, as it was when it was created.
    pub host: Link,
    net: Net,
}

impl VethPair {
    /// Deletes both ends, if they still exist.
    ///
    /// # Errors
    ///
    /// The kernel refuses.
    pub fn delete(&self) -> Result<(), NetError> {
        self.net.delete_link_if_exists(self.host.index)
    }
}

impl Net {
    /// Creates a pair, with the host end in this namespace and the peer in `peer`. If it fails, there is no pair.
    ///
    /// # Errors
    ///
    /// One of the two names is taken in its namespace ([`NetError::is_exists`]; the kernel does not tell which) or invalid,
    /// only one of the namespaces is a fake, or the kernel refuses.
    pub fn add_veth(&self, veth: &Veth, peer: &Netns) -> Result<VethPair, NetError> {
        let task = Task::new(format!("add veth {} with peer {}", veth.name, veth.peer_name));
        let request = new_veth(veth, peer.request_id().map_err(|e| self.failed(&task, e))?);
        let host = self.make(&task, request, &veth.name)?;
        let pair = VethPair { host, net: self.clone() };
        if let Err(e) = self.finish_veth(veth, pair.host.index) {
            let _ = pair.delete();
            return Err(e);
        }
        Ok(pair)
    }

    /// Sets what the kernel does not accept when it creates a link. By index, because the name may belong to another link by
    /// now.
    fn finish_veth(&self, veth: &Veth, link: LinkIndex) -> Result<(), NetError> {
        let mut batch = self.batch();
        if let Some(alias) = &veth.alias {
            batch.push(Task::on("set the alias of", link), alias_request(link, alias));
        }
        if veth.hairpin.is_some() || veth.isolated.is_some() {
            let request = port_request(link, veth.hairpin, veth.isolated);
            batch.push(Task::on("set the bridge port options of", link), request);
        }
        batch.send()
    }
}

pub(super) fn new_veth(veth: &Veth, peer_fd: u32) -> Request {
    let up = if veth.up { IFF_UP } else { 0 };
    let mut request = Request::change(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    request.fixed(&header(AF_UNSPEC, None, up, up));
    put_end(&mut request, &veth.name, veth.mtu, veth.mac.as_ref());
    if let Some(master) = veth.master {
        request.u32(IFLA_MASTER, master.get());
    }
    request.nest(IFLA_LINKINFO, |info| {
        info.text(IFLA_INFO_KIND, "veth").nest(IFLA_INFO_DATA, |data| {
            data.nest(VETH_INFO_PEER, |peer| {
                peer.fixed(&header(AF_UNSPEC, None, 0, 0));
                put_end(peer, &veth.peer_name, veth.peer_mtu, veth.peer_mac.as_ref());
                peer.u32(IFLA_NET_NS_FD, peer_fd);
            });
        });
    });
    request
}

fn put_end(request: &mut Request, name: &str, mtu: Option<u32>, mac: Option<&MacAddr>) {
    put_new_name(request, name);
    if let Some(mtu) = mtu {
        request.u32(IFLA_MTU, mtu);
    }
    if let Some(mac) = mac {
        request.bytes(IFLA_ADDRESS, mac.as_bytes());
    }
}
