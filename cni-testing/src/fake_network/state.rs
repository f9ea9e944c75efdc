//! The state of a fake network: namespaces, links, addresses, routes and neighbours.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use ipnet::IpNet;

use super::message::Refusal;
use super::numbers::{EBUSY, EINVAL};

/// The index of the loopback interface.
const LO: u32 = 1;

/// All namespaces, by ID.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) namespaces: BTreeMap<u32, Namespace>,
    macs: u32,
}

/// A namespace.
#[derive(Debug)]
pub(super) struct Namespace {
    pub(super) path: PathBuf,
    pub(super) links: BTreeMap<u32, Link>,
    last_index: u32,
    pub(super) routes: Vec<Route>,
    pub(super) neighbours: Vec<Neighbour>,
    /// Sysctls that were written, by their path.
    pub(super) sysctls: BTreeMap<PathBuf, String>,
    /// The other namespaces that this one has an ID for. The ID is the position in this list.
    pub(super) known: Vec<Option<u32>>,
}

/// A link.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) mac: [u8; 6],
    /// Whether it was set. Otherwise the address of a bridge follows its ports.
    pub(super) mac_is_chosen: bool,
    pub(super) mtu: u32,
    pub(super) mtu_is_chosen: bool,
    pub(super) is_up: bool,
    pub(super) is_promisc: bool,
    pub(super) master: Option<u32>,
    pub(super) alias: String,
    pub(super) hairpin: bool,
    pub(super) isolated: bool,
    pub(super) addresses: Vec<Address>,
    /// Whether a bridge has had a port. Until then the kernel reports its carrier as on.
    pub(super) had_ports: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Loopback,
    Bridge,
    Veth { peer_netns: u32, peer: u32 },
}

#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) net: IpNet,
    pub(super) broadcast: Option<Ipv4Addr>,
    pub(super) scope: u8,
    pub(super) flags: u32,
    /// The primary address of its network, which is the preferred source of its routes.
    pub(super) source: IpAddr,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) dst: IpNet,
    pub(super) gateway: Option<IpAddr>,
    pub(super) link: u32,
    pub(super) source: Option<IpAddr>,
    pub(super) priority: Option<u32>,
    pub(super) table: u32,
    pub(super) scope: u8,
    pub(super) protocol: u8,
    pub(super) kind: u8,
    pub(super) mtu: Option<u32>,
    pub(super) advmss: Option<u32>,
}

#[derive(Clone, Debug)]
pub(super) struct Neighbour {
    pub(super) link: u32,
    pub(super) address: IpAddr,
    pub(super) mac: Vec<u8>,
    pub(super) state: u16,
}

impl Namespace {
    pub(super) fn new(path: PathBuf) -> Self {
        let mut namespace = Self {
            path,
            links: BTreeMap::new(),
            last_index: 0,
            routes: Vec::new(),
            neighbours: Vec::new(),
            sysctls: BTreeMap::new(),
            known: Vec::new(),
        };
        let mut lo = Link::new("lo".to_owned(), Kind::Loopback, [0; 6]);
        lo.mtu = 65_536;
        let index = namespace.next_index();
        namespace.links.insert(index, lo);
        namespace
    }

    pub(super) fn next_index(&mut self) -> u32 {
        self.last_index += 1;
        // Another link may have been given this index.
        while self.links.contains_key(&self.last_index) {
            self.last_index += 1;
        }
        self.last_index
    }

    /// The index for a new link: the requested one if it is free, or the next one.
    pub(super) fn reserve_index(&mut self, wanted: u32) -> Result<u32, Refusal> {
        match wanted {
            0 => Ok(self.next_index()),
            wanted if wanted.cast_signed() < 0 => Err(Refusal::errno(EINVAL)),
            wanted if self.links.contains_key(&wanted) => Err(Refusal::errno(EBUSY)),
            wanted => Ok(wanted),
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<u32> {
        self.links.iter().find(|(_, link)| link.name == name).map(|(index, _)| *index)
    }

    pub(super) fn ports(&self, bridge: u32) -> impl Iterator<Item = (u32, &Link)> {
        self.links
            .iter()
            .filter(move |(_, link)| link.master == Some(bridge))
            .map(|(index, link)| (*index, link))
    }

    /// Updates the address and MTU of a bridge from its ports.
    pub(super) fn recalculate(&mut self, bridge: u32) {
        let mac = self.ports(bridge).map(|(_, port)| port.mac).min().unwrap_or_default();
        let mtu = self.ports(bridge).map(|(_, port)| port.mtu).min().unwrap_or(1500);
        let Some(bridge) = self.links.get_mut(&bridge).filter(|link| link.kind == Kind::Bridge) else {
            return;
        };
        if !bridge.mac_is_chosen {
            bridge.mac = mac;
        }
        if !bridge.mtu_is_chosen {
            bridge.mtu = mtu;
        }
    }

    /// The ID by which this namespace knows another: the smallest free one, as in the kernel.
    pub(super) fn number_of(&mut self, other: u32) -> usize {
        let place = self.known.iter().position(|known| *known == Some(other));
        place.unwrap_or_else(|| {
            let free = self.known.iter().position(Option::is_none).unwrap_or(self.known.len());
            if free == self.known.len() {
                self.known.push(None);
            }
            self.known[free] = Some(other);
            free
        })
    }

    /// Removes a link, with its addresses, routes and neighbours.
    fn forget(&mut self, index: u32) {
        let Some(link) = self.links.remove(&index) else { return };
        self.routes.retain(|route| route.link != index);
        self.neighbours.retain(|neighbour| neighbour.link != index);
        for family in ["ipv4", "ipv6"] {
            let folder = PathBuf::from(format!("/proc/sys/net/{family}/conf/{}", link.name));
            self.sysctls.retain(|path, _| !path.starts_with(&folder));
        }
        for port in self.links.values_mut().filter(|port| port.master == Some(index)) {
            port.leave();
        }
        if let Some(master) = link.master {
            self.recalculate(master);
        }
    }
}

impl Link {
    pub(super) fn new(name: String, kind: Kind, mac: [u8; 6]) -> Self {
        Self {
            name,
            kind,
            mac,
            mac_is_chosen: false,
            mtu: 1500,
            mtu_is_chosen: false,
            is_up: false,
            is_promisc: false,
            master: None,
            alias: String::new(),
            hairpin: false,
            isolated: false,
            addresses: Vec::new(),
            had_ports: false,
        }
    }

    /// Removes a link from its bridge, and resets its port settings.
    pub(super) fn leave(&mut self) {
        self.master = None;
        self.hairpin = false;
        self.isolated = false;
    }
}

impl State {
    pub(super) fn new_mac(&mut self) -> [u8; 6] {
        self.macs += 1;
        let [a, b, c, d] = self.macs.to_be_bytes();
        [0x02, 0xfa, a, b, c, d]
    }

    pub(super) fn link(&self, netns: u32, index: u32) -> Option<&Link> {
        self.namespaces.get(&netns)?.links.get(&index)
    }

    /// Whether a link has a carrier: a veth if its peer is up, a bridge if one of its ports has one.
    pub(super) fn has_carrier(&self, netns: u32, index: u32) -> bool {
        let Some(link) = self.link(netns, index) else { return false };
        match link.kind {
            Kind::Loopback => true,
            Kind::Veth { peer_netns, peer } => {
                link.is_up && self.link(peer_netns, peer).is_some_and(|peer| peer.is_up)
            }
            Kind::Bridge if !link.had_ports => true,
            Kind::Bridge => {
                self.namespaces[&netns].ports(index).any(|(port, _)| self.has_carrier(netns, port))
            }
        }
    }

    /// Deletes a link. Deletes the peer of a veth too.
    pub(super) fn delete(&mut self, netns: u32, index: u32) {
        let kind = self.link(netns, index).map(|link| link.kind);
        if let Some(namespace) = self.namespaces.get_mut(&netns) {
            namespace.forget(index);
        }
        if let Some(Kind::Veth { peer_netns, peer }) = kind
            && let Some(namespace) = self.namespaces.get_mut(&peer_netns)
        {
            namespace.forget(peer);
        }
    }

    /// Removes a namespace, with its links and their peers.
    pub(super) fn remove(&mut self, netns: u32) {
        let links: Vec<_> = self
            .namespaces
            .get(&netns)
            .map(|namespace| namespace.links.keys().copied().collect())
            .unwrap_or_default();
        for index in links.into_iter().filter(|index| *index != LO) {
            self.delete(netns, index);
        }
        self.namespaces.remove(&netns);
        for namespace in self.namespaces.values_mut() {
            for known in namespace.known.iter_mut().filter(|known| **known == Some(netns)) {
                *known = None;
            }
        }
    }
}
