//! IP addresses of links.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::constants::{
    AF_UNSPEC, IFA_ADDRESS, IFA_BROADCAST, IFA_F_DADFAILED, IFA_F_NODAD, IFA_F_PERMANENT, IFA_F_TENTATIVE,
    IFA_FLAGS, IFA_LOCAL, IFADDRMSG, RTM_DELADDR, RTM_GETADDR, RTM_NEWADDR,
};
use super::error::NetError;
use super::handle::{Net, Task};
use super::numbers::{LinkIndex, Scope};
use super::wire::{family, ip, net, put_ip};
use crate::netlink::{Answer, Attributes, Message, NLM_F_CREATE, NLM_F_EXCL, Request};

/// An IP address of a link: to add, or as the kernel lists it.
///
/// ```
/// use cni_skel::net::{Address, LinkIndex};
///
/// let link = LinkIndex::new(2).expect("not 0");
/// let address = Address::new(link, "10.1.0.2/24".parse()?);
/// assert_eq!(address.broadcast, Some([10, 1, 0, 255].into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Address {
    /// The index of the link.
    pub link: LinkIndex,
    /// The address, with the prefix length of its network.
    pub address: IpNet,
    /// The broadcast address. `None` for IPv6.
    pub broadcast: Option<Ipv4Addr>,
    /// How far it is valid. The kernel chooses the scope of an IPv6 address itself.
    pub scope: Scope,
    /// Its flags.
    pub flags: AddressFlags,
}

/// The flags of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AddressFlags(u32);

impl AddressFlags {
    /// Returns the kernel's `IFA_F_*` bits.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Returns whether duplicate address detection is not finished, so that the address cannot be used yet.
    pub fn is_tentative(self) -> bool {
        self.0 & IFA_F_TENTATIVE != 0
    }

    /// Returns whether duplicate address detection found the address in use elsewhere.
    pub fn is_dad_failed(self) -> bool {
        self.0 & IFA_F_DADFAILED != 0
    }

    /// Returns whether duplicate address detection is skipped.
    pub fn is_no_dad(self) -> bool {
        self.0 & IFA_F_NODAD != 0
    }

    /// Returns whether the address does not expire.
    pub fn is_permanent(self) -> bool {
        self.0 & IFA_F_PERMANENT != 0
    }
}

impl Address {
    /// Creates an address. An IPv4 address gets the broadcast address of its network, if the prefix length is 30 or less.
    pub fn new(link: LinkIndex, address: IpNet) -> Self {
        let broadcast = match address {
            IpNet::V4(v4) if v4.prefix_len() <= 30 => Some(v4.broadcast()),
            _ => None,
        };
        Self { link, address, broadcast, scope: Scope::UNIVERSE, flags: AddressFlags::default() }
    }

    /// Skips duplicate address detection, so that an IPv6 address can be used at once. Has no effect on IPv4.
    #[must_use]
    pub fn no_dad(self) -> Self {
        match self.address {
            IpNet::V4(_) => self,
            IpNet::V6(_) => Self { flags: AddressFlags(self.flags.0 | IFA_F_NODAD), ..self },
        }
    }
}

impl Net {
    /// Adds an address to a link.
    ///
    /// # Errors
    ///
    /// The link has the address already ([`NetError::is_exists`]), there is no such link, or the
    /// kernel refuses.
    pub fn add_address(&self, address: &Address) -> Result<(), NetError> {
        let (task, request) = add(address);
        self.change(task, request)
    }

    /// Adds an address to a link that may have it already. Returns whether it was added.
    ///
    /// # Errors
    ///
    /// There is no such link, or the kernel refuses.
    pub fn add_address_if_absent(&self, address: &Address) -> Result<bool, NetError> {
        match self.add_address(address) {
            Err(e) if e.is_exists() => Ok(false),
            added => added.map(|()| true),
        }
    }

    /// Deletes an address of a link.
    ///
    /// # Errors
    ///
    /// The link has no such address ([`NetError::is_not_found`]), or the kernel refuses.
    pub fn delete_address(&self, address: &Address) -> Result<(), NetError> {
        let mut request = Request::change(RTM_DELADDR, 0);
        put(&mut request, address);
        self.change(Task::on(format!("delete address {} from", address.address), address.link), request)
    }

    /// Lists the addresses of one link or of all links.
    ///
    /// # Errors
    ///
    /// There is no such link, the kernel refuses, or the list changes each time it is read.
    pub fn addresses(&self, link: Option<LinkIndex>) -> Result<Vec<Address>, NetError> {
        let task = match link {
            Some(link) => Task::on("list addresses of", link),
            None => Task::new("list addresses"),
        };
        Ok(in_list(&self.ask(&task, list(link))?, link))
    }
}

/// Returns the request for the addresses of one link or of all links.
pub(super) fn list(link: Option<LinkIndex>) -> Request {
    let mut request = Request::dump(RTM_GETADDR);
    request.fixed(&header(AF_UNSPEC, 0, Scope::UNIVERSE, link));
    request
}

/// Reads the addresses of a list. An older kernel lists those of all links.
pub(super) fn in_list(answer: &Answer, link: Option<LinkIndex>) -> Vec<Address> {
    let addresses = answer.messages().filter_map(decode);
    addresses.filter(|address| link.is_none_or(|link| address.link == link)).collect()
}

pub(super) fn add(address: &Address) -> (Task, Request) {
    let mut request = Request::change(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
    put(&mut request, address);
    if let Some(broadcast) = address.broadcast {
        request.bytes(IFA_BROADCAST, &broadcast.octets());
    }
    if address.flags != AddressFlags::default() {
        request.u32(IFA_FLAGS, address.flags.bits());
    }
    (Task::on(format!("add address {} to", address.address), address.link), request)
}

fn put(request: &mut Request, address: &Address) {
    let ip = address.address.addr();
    let prefix = address.address.prefix_len();
    request.fixed(&header(family(ip), prefix, address.scope, Some(address.link)));
    put_ip(request, IFA_LOCAL, ip);
    put_ip(request, IFA_ADDRESS, ip);
}

/// `struct ifaddrmsg`.
fn header(family: u8, prefix: u8, scope: Scope, link: Option<LinkIndex>) -> [u8; IFADDRMSG] {
    let [a, b, c, d] = link.map_or(0, LinkIndex::get).to_ne_bytes();
    [family, prefix, 0, scope.into(), a, b, c, d]
}

pub(super) fn decode(message: Message<'_>) -> Option<Address> {
    if message.kind != RTM_NEWADDR {
        return None;
    }
    let [family, prefix, flags, scope, a, b, c, d] = *message.payload.first_chunk::<IFADDRMSG>()?;
    let (mut local, mut address, mut broadcast, mut flags) = (None, None, None, u32::from(flags));
    for attribute in Attributes::after(IFADDRMSG, message.payload) {
        match attribute.kind {
            IFA_LOCAL => local = ip(attribute.payload),
            // On a point-to-point link this is the address of the other end.
            IFA_ADDRESS => address = ip(attribute.payload),
            IFA_BROADCAST => broadcast = ip(attribute.payload),
            IFA_FLAGS => flags = attribute.u32()?,
            _ => {}
        }
    }
    Some(Address {
        link: LinkIndex::new(u32::from_ne_bytes([a, b, c, d]))?,
        address: net(family, Some(local.or(address)?), prefix)?,
        broadcast: match broadcast {
            Some(IpAddr::V4(v4)) => Some(v4),
            _ => None,
        },
        scope: scope.into(),
        flags: AddressFlags(flags),
    })
}
