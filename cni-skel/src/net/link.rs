//! Links as the kernel describes them, and finding them.

use super::constants::{
    AF_UNSPEC, IFF_LOOPBACK, IFF_LOWER_UP, IFF_PROMISC, IFF_RUNNING, IFF_UP, IFINFOMSG, IFLA_ADDRESS,
    IFLA_ALT_IFNAME, IFLA_BR_VLAN_DEFAULT_PVID, IFLA_BR_VLAN_FILTERING, IFLA_BRPORT_ISOLATED,
    IFLA_BRPORT_MODE, IFLA_BRPORT_STATE, IFLA_CARRIER_CHANGES, IFLA_EXT_MASK, IFLA_IFALIAS, IFLA_IFNAME,
    IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_INFO_SLAVE_DATA, IFLA_INFO_SLAVE_KIND, IFLA_LINK, IFLA_LINK_NETNSID,
    IFLA_LINKINFO, IFLA_MASTER, IFLA_MTU, IFLA_OPERSTATE, IFLA_PROMISCUITY, IFNAME_MAX,
    RTEXT_FILTER_SKIP_STATS, RTM_GETLINK, RTM_NEWLINK,
};
use super::error::NetError;
use super::handle::{Net, Task};
use super::numbers::{LinkIndex, PortState};
use crate::netlink::{Attributes, Message, Refusal, Request};
use crate::types::MacAddr;

/// A network interface of any kind, as the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Link {
    /// Its index in its namespace.
    pub index: LinkIndex,
    /// Its name.
    pub name: String,
    /// Its flags.
    pub flags: LinkFlags,
    /// Its MTU.
    pub mtu: u32,
    /// Its hardware address, if it has one.
    pub mac: Option<MacAddr>,
    /// Its kind, such as `veth` or `bridge`. `None` for `lo` and hardware.
    pub kind: Option<String>,
    /// The bridge or other master that it is attached to.
    pub master: Option<LinkIndex>,
    /// Its alias: a text of up to 255 bytes for any use.
    pub alias: Option<String>,
    /// The other end, if this is one end of a pair (`veth`, `netkit`, `vxcan`).
    ///
    /// The index is one of the namespace in [`link_netns_id`](Self::link_netns_id).
    pub peer: Option<LinkIndex>,
    /// The link that this one is on top of, if it is not one end of a pair: the master interface of a `macvlan`, `ipvlan`
    /// or `vlan`, or the link below a tunnel.
    ///
    /// The index is one of the namespace in [`link_netns_id`](Self::link_netns_id).
    pub parent: Option<LinkIndex>,
    /// The ID that this namespace has for the namespace of [`peer`](Self::peer) or [`parent`](Self::parent). `None` if they
    /// are in this namespace.
    pub link_netns_id: Option<i32>,
    /// Its operational state.
    pub oper_state: OperState,
    /// Whether its driver has reported a carrier, or its loss, at least once. The driver of `lo` or a `dummy` never does, and
    /// their state stays [`OperState::Unknown`].
    pub reports_carrier: bool,
    /// How many users have turned promiscuous mode on. [`LinkFlags::is_promisc`] is only one of them.
    pub promiscuity: u32,
    /// Its settings as a bridge's port, if its master is a bridge.
    pub port: Option<BridgePort>,
    /// Its settings as a bridge, if it is one.
    pub bridge: Option<BridgeOptions>,
}

/// The flags of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkFlags(u32);

impl LinkFlags {
    /// Returns the kernel's `IFF_*` bits.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Returns whether the link is administratively up.
    pub fn is_up(self) -> bool {
        self.0 & IFF_UP != 0
    }

    /// Returns whether the link is the loopback interface.
    pub fn is_loopback(self) -> bool {
        self.0 & IFF_LOOPBACK != 0
    }

    /// Returns whether the link can carry packets.
    pub fn is_running(self) -> bool {
        self.0 & IFF_RUNNING != 0
    }

    /// Returns whether promiscuous mode was turned on with [`Net::set_promisc`] or `ip link`.
    pub fn is_promisc(self) -> bool {
        self.0 & IFF_PROMISC != 0
    }

    /// Returns whether the link has a carrier.
    pub fn is_lower_up(self) -> bool {
        self.0 & IFF_LOWER_UP != 0
    }
}

/// The operational state of a link, as in RFC 2863.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OperState {
    /// The state is unknown. It stays so if the driver does not report a carrier, as those of `lo` and `dummy`.
    #[default]
    Unknown,
    /// The device is missing.
    NotPresent,
    /// The link cannot carry packets.
    Down,
    /// The link cannot carry packets because the one below it cannot.
    LowerLayerDown,
    /// The link is being tested.
    Testing,
    /// The link waits for an event outside of it, such as authentication.
    Dormant,
    /// The link can carry packets.
    Up,
}

impl From<u8> for OperState {
    fn from(state: u8) -> Self {
        match state {
            1 => Self::NotPresent,
            2 => Self::Down,
            3 => Self::LowerLayerDown,
            4 => Self::Testing,
            5 => Self::Dormant,
            6 => Self::Up,
            _ => Self::Unknown,
        }
    }
}

/// The settings of a link that is a bridge's port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct BridgePort {
    /// The spanning tree state.
    pub state: PortState,
    /// Whether packets may leave through the port that they arrived on.
    pub hairpin: bool,
    /// Whether packets to and from other isolated ports are dropped.
    pub isolated: bool,
}

/// The settings of a link that is a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct BridgeOptions {
    /// Whether VLAN filtering is on. `None` if the kernel does not tell.
    pub vlan_filtering: Option<bool>,
    /// The VLAN that new ports are untagged members of, or 0 for none. `None` if the kernel does not support VLAN filtering.
    pub default_pvid: Option<u16>,
}

impl Net {
    /// Finds a link by its name or an alternative name.
    ///
    /// # Errors
    ///
    /// There is no such link ([`NetError::is_not_found`]), or the kernel refuses.
    pub fn link(&self, name: impl AsRef<str>) -> Result<Link, NetError> {
        let name = name.as_ref();
        self.one_link(&Task::new(format!("find link {name}")), by_name(name))
    }

    /// Finds a link by its name or an alternative name. Returns `None` if there is none.
    ///
    /// # Errors
    ///
    /// The kernel refuses.
    pub fn find_link(&self, name: impl AsRef<str>) -> Result<Option<Link>, NetError> {
        match self.link(name) {
            Ok(link) => Ok(Some(link)),
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Finds a link by its index.
    ///
    /// # Errors
    ///
    /// There is no such link ([`NetError::is_not_found`]), or the kernel refuses.
    pub fn link_by_index(&self, index: LinkIndex) -> Result<Link, NetError> {
        self.one_link(&Task::new(format!("find link {index}")), by_index(index))
    }

    /// Lists all links.
    ///
    /// # Errors
    ///
    /// The kernel refuses, or the list changes each time it is read.
    pub fn links(&self) -> Result<Vec<Link>, NetError> {
        let mut request = Request::dump(RTM_GETLINK);
        request.fixed(&header(AF_UNSPEC, None, 0, 0)).u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
        let answer = self.ask(&Task::new("list links"), request)?;
        Ok(answer.messages().filter_map(decode).collect())
    }

    fn one_link(&self, task: &Task, request: Request) -> Result<Link, NetError> {
        let answer = self.ask(task, request)?;
        answer.messages().find_map(decode).ok_or_else(|| self.failed(task, no_link()))
    }

    /// Looks up the name of a link for an error message. Returns `None` on any failure.
    pub(super) fn name_of(&self, index: LinkIndex) -> Option<String> {
        let answers = self.transport().exchange(&mut [by_index(index)]).ok()?;
        Some(answers.first()?.messages().find_map(decode)?.name)
    }
}

/// The kernel's answer reports success and holds no link.
pub(super) fn no_link() -> Refusal {
    std::io::Error::new(std::io::ErrorKind::InvalidData, "the kernel's answer holds no link").into()
}

pub(super) fn by_name(name: &str) -> Request {
    let mut request = Request::read(RTM_GETLINK);
    request.fixed(&header(AF_UNSPEC, None, 0, 0));
    match name.len() {
        0 => request.refuse("the name is empty"),
        1..=IFNAME_MAX => request.text(IFLA_IFNAME, name),
        _ => request.text(IFLA_ALT_IFNAME, name),
    };
    request.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    request
}

pub(super) fn by_index(index: LinkIndex) -> Request {
    let mut request = Request::read(RTM_GETLINK);
    request.fixed(&header(AF_UNSPEC, Some(index), 0, 0)).u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    request
}

/// Encodes `struct ifinfomsg`. The flags in `change` are set as in `flags`.
pub(super) fn header(family: u8, link: Option<LinkIndex>, flags: u32, change: u32) -> [u8; IFINFOMSG] {
    let mut header = [0; IFINFOMSG];
    header[0] = family;
    header[4..8].copy_from_slice(&link.map_or(0, LinkIndex::get).to_ne_bytes());
    header[8..12].copy_from_slice(&flags.to_ne_bytes());
    header[12..16].copy_from_slice(&change.to_ne_bytes());
    header
}

/// Reads a link. Returns `None` if the message is about something else.
pub(super) fn decode(message: Message<'_>) -> Option<Link> {
    if message.kind != RTM_NEWLINK {
        return None;
    }
    let header = message.payload.first_chunk::<IFINFOMSG>()?;
    if header[0] != AF_UNSPEC {
        return None;
    }
    let word = |at: usize| u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let mut link = Link {
        index: LinkIndex::new(word(4))?,
        name: String::new(),
        flags: LinkFlags(word(8)),
        mtu: 0,
        mac: None,
        kind: None,
        master: None,
        alias: None,
        peer: None,
        parent: None,
        link_netns_id: None,
        oper_state: OperState::Unknown,
        reports_carrier: false,
        promiscuity: 0,
        port: None,
        bridge: None,
    };
    for attribute in Attributes::after(IFINFOMSG, message.payload) {
        match attribute.kind {
            IFLA_IFNAME => link.name = attribute.text().into_owned(),
            IFLA_MTU => link.mtu = attribute.u32()?,
            IFLA_ADDRESS => link.mac = MacAddr::from_bytes(attribute.payload),
            IFLA_MASTER => link.master = attribute.u32().and_then(LinkIndex::new),
            IFLA_IFALIAS => link.alias = Some(attribute.text().into_owned()),
            IFLA_LINK => link.parent = attribute.u32().and_then(LinkIndex::new),
            IFLA_LINK_NETNSID => link.link_netns_id = attribute.i32(),
            IFLA_OPERSTATE => link.oper_state = attribute.u8()?.into(),
            IFLA_CARRIER_CHANGES => link.reports_carrier = attribute.u32()? > 0,
            IFLA_PROMISCUITY => link.promiscuity = attribute.u32()?,
            IFLA_LINKINFO => decode_info(&mut link, attribute.nested()),
            _ => {}
        }
    }
    if matches!(link.kind.as_deref(), Some("veth" | "netkit" | "vxcan")) {
        link.peer = link.parent.take();
    }
    Some(link)
}

fn decode_info(link: &mut Link, info: Attributes<'_>) {
    let mut port_of_bridge = false;
    for attribute in info {
        match attribute.kind {
            IFLA_INFO_KIND => link.kind = Some(attribute.text().into_owned()),
            IFLA_INFO_DATA if link.kind.as_deref() == Some("bridge") => {
                link.bridge = Some(decode_bridge(attribute.nested()));
            }
            IFLA_INFO_SLAVE_KIND => port_of_bridge = attribute.text() == "bridge",
            IFLA_INFO_SLAVE_DATA if port_of_bridge => link.port = Some(decode_port(attribute.nested())),
            _ => {}
        }
    }
}

fn decode_bridge(data: Attributes<'_>) -> BridgeOptions {
    let mut options = BridgeOptions::default();
    for attribute in data {
        match attribute.kind {
            IFLA_BR_VLAN_FILTERING => options.vlan_filtering = attribute.u8().map(|value| value != 0),
            IFLA_BR_VLAN_DEFAULT_PVID => options.default_pvid = attribute.u16(),
            _ => {}
        }
    }
    options
}

fn decode_port(data: Attributes<'_>) -> BridgePort {
    let mut port = BridgePort::default();
    for attribute in data {
        let value = attribute.u8().unwrap_or_default();
        match attribute.kind {
            IFLA_BRPORT_STATE => port.state = value.into(),
            IFLA_BRPORT_MODE => port.hairpin = value != 0,
            IFLA_BRPORT_ISOLATED => port.isolated = value != 0,
            _ => {}
        }
    }
    port
}
