//! Links: listing, changing and deleting. `new_links` makes them.

use super::message::{Attribute, Attributes, Payload, Refusal, Reply, Request, flag, u32_at};
use super::numbers::{
    AF_BRIDGE, ARPHRD_ETHER, ARPHRD_LOOPBACK, EADDRNOTAVAIL, EEXIST, EINVAL, ENODEV, EOPNOTSUPP, ERANGE,
    IFF_BROADCAST, IFF_LOOPBACK, IFF_LOWER_UP, IFF_MULTICAST, IFF_PROMISC, IFF_RUNNING, IFF_UP, IFLA_ADDRESS,
    IFLA_ALT_IFNAME, IFLA_BR_VLAN_FILTERING, IFLA_BRPORT_ISOLATED, IFLA_BRPORT_MODE, IFLA_BRPORT_STATE,
    IFLA_CARRIER_CHANGES, IFLA_IFALIAS, IFLA_IFNAME, IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_INFO_SLAVE_DATA,
    IFLA_INFO_SLAVE_KIND, IFLA_LINK, IFLA_LINK_NETNSID, IFLA_LINKINFO, IFLA_MASTER, IFLA_MTU, IFLA_OPERSTATE,
    IFLA_PROMISCUITY, IFLA_PROTINFO, LINK_HEADER, RTM_NEWLINK,
};
use super::state::{Kind, Link, State};

/// The maximum length of an alias.
const ALIAS_MAX: usize = 255;
/// The maximum MTU of a link that has one.
const MTU_MAX: u32 = 65_535;
const MTU_MIN: u32 = 68;
/// `BR_STATE_FORWARDING`.
const FORWARDING: u8 = 3;

/// States of RFC 2863.
const UNKNOWN: u8 = 0;
const DOWN: u8 = 2;
const LOWER_LAYER_DOWN: u8 = 3;
const UP: u8 = 6;

impl State {
    pub(super) fn dump_links(&mut self, netns: u32) -> Vec<Reply> {
        let indexes: Vec<_> = self.namespaces[&netns].links.keys().copied().collect();
        indexes.into_iter().filter_map(|index| self.describe(netns, index)).collect()
    }

    pub(super) fn get_link(&mut self, netns: u32, request: &Request<'_>) -> Result<Vec<Reply>, Refusal> {
        let index = self.named(netns, request)?;
        Ok(self.describe(netns, index).into_iter().collect())
    }

    pub(super) fn delete_link(&mut self, netns: u32, request: &Request<'_>) -> Result<(), Refusal> {
        let index = self.named(netns, request)?;
        if self.link(netns, index).is_some_and(|link| link.kind == Kind::Loopback) {
            return Err(Refusal::errno(EOPNOTSUPP));
        }
        self.delete(netns, index);
        Ok(())
    }

    /// The link that a request is about.
    fn named(&self, netns: u32, request: &Request<'_>) -> Result<u32, Refusal> {
        let header = request.header(LINK_HEADER)?;
        let namespace = &self.namespaces[&netns];
        let missing = Refusal::errno(ENODEV);
        match u32_at(header, 4).unwrap_or_default() {
            0 => {
                let attributes = request.attributes(LINK_HEADER);
                let name = attributes.text(IFLA_IFNAME).or_else(|| attributes.text(IFLA_ALT_IFNAME));
                let name = name.ok_or(Refusal::errno(EINVAL))?;
                namespace.find(&name).ok_or(missing)
            }
            index if namespace.links.contains_key(&index) => Ok(index),
            _ => Err(missing),
        }
    }

    pub(super) fn set_link(&mut self, netns: u32, request: &Request<'_>) -> Result<(), Refusal> {
        let header = request.header(LINK_HEADER)?;
        let attributes = request.attributes(LINK_HEADER);
        if i32::from(header[0]) == AF_BRIDGE {
            return self.set_port(netns, u32_at(header, 4).unwrap_or_default(), &attributes);
        }
        if let Some(alias) = attributes.get(IFLA_IFALIAS)
            && alias.payload.len() > ALIAS_MAX
        {
            return Err(Refusal::new(ERANGE, "Attribute failed policy validation").about(alias));
        }
        let index = self.named(netns, request)?;
        if attributes.get(IFLA_ADDRESS).is_some_and(|mac| mac.payload.len() < 6) {
            return Err(Refusal::errno(EINVAL));
        }
        if let Some(mac) = attributes.get(IFLA_ADDRESS) {
            self.set_mac(netns, index, mac)?;
        }
        if let Some(mtu) = attributes.u32(IFLA_MTU) {
            self.set_mtu(netns, index, mtu)?;
        }
        if let Some(name) = attributes.text(IFLA_IFNAME) {
            self.rename(netns, index, name)?;
        }
        if let Some(alias) = attributes.text(IFLA_IFALIAS) {
            self.change(netns, index, |link| link.alias = alias);
        }
        if let Some(master) = attributes.u32(IFLA_MASTER) {
            self.set_master(netns, index, master)?;
        }
        let (flags, change) = (u32_at(header, 8).unwrap_or_default(), u32_at(header, 12).unwrap_or_default());
        let asked = |bit: i32| (change & bits(bit) != 0).then_some(flags & bits(bit) != 0);
        if let Some(on) = asked(IFF_PROMISC) {
            self.change(netns, index, |link| link.is_promisc = on);
        }
        if let Some(on) = asked(IFF_UP) {
            self.set_up(netns, index, on);
        }
        Ok(())
    }

    pub(super) fn change(&mut self, netns: u32, index: u32, step: impl FnOnce(&mut Link)) {
        if let Some(link) =
            self.namespaces.get_mut(&netns).and_then(|namespace| namespace.links.get_mut(&index))
        {
            step(link);
        }
    }

    fn set_mac(&mut self, netns: u32, index: u32, mac: Attribute<'_>) -> Result<(), Refusal> {
        let mac = valid_mac(mac)?;
        self.change(netns, index, |link| {
            link.mac = mac;
            link.mac_is_chosen = true;
        });
        self.recalculate_master(netns, index);
        Ok(())
    }

    fn set_mtu(&mut self, netns: u32, index: u32, mtu: u32) -> Result<(), Refusal> {
        if self.link(netns, index).is_some_and(|link| link.kind != Kind::Loopback) {
            valid_mtu(mtu)?;
        }
        self.change(netns, index, |link| {
            link.mtu = mtu;
            link.mtu_is_chosen = true;
        });
        self.recalculate_master(netns, index);
        Ok(())
    }

    fn recalculate_master(&mut self, netns: u32, index: u32) {
        let master = self.link(netns, index).and_then(|link| link.master);
        if let (Some(master), Some(namespace)) = (master, self.namespaces.get_mut(&netns)) {
            namespace.recalculate(master);
        }
    }

    fn rename(&mut self, netns: u32, index: u32, name: String) -> Result<(), Refusal> {
        let Some(namespace) = self.namespaces.get_mut(&netns) else { return Ok(()) };
        match namespace.find(&name) {
            Some(other) if other == index => return Ok(()),
            Some(_) => return Err(Refusal::errno(EEXIST)),
            None => {}
        }
        let Some(link) = namespace.links.get_mut(&index) else { return Ok(()) };
        let old = std::mem::replace(&mut link.name, name.clone());
        // The sysctls of the link are renamed too.
        for family in ["ipv4", "ipv6"] {
            let folder = |name: &str| format!("/proc/sys/net/{family}/conf/{name}/");
            let settings: Vec<_> =
                namespace.sysctls.keys().filter(|path| path.starts_with(folder(&old))).cloned().collect();
            for path in settings {
                let key = path.file_name().map(|key| key.to_string_lossy().into_owned()).unwrap_or_default();
                if let Some(value) = namespace.sysctls.remove(&path) {
                    namespace.sysctls.insert((folder(&name) + &key).into(), value);
                }
            }
        }
        Ok(())
    }

    /// Attaches a link to a bridge, or to none. The link leaves its old bridge even if the new one refuses it.
    pub(super) fn set_master(&mut self, netns: u32, index: u32, master: u32) -> Result<(), Refusal> {
        let link = self.link(netns, index).ok_or(Refusal::errno(ENODEV))?;
        let (kind, old) = (link.kind, link.master);
        if old == Some(master) {
            return Ok(());
        }
        self.change(netns, index, Link::leave);
        let Some(namespace) = self.namespaces.get_mut(&netns) else { return Ok(()) };
        if let Some(old) = old {
            namespace.recalculate(old);
        }
        if master == 0 {
            return Ok(());
        }
        let Some(new) = namespace.links.get(&master) else { return Err(Refusal::errno(EINVAL)) };
        if new.kind != Kind::Bridge {
            return Err(Refusal::errno(EOPNOTSUPP));
        }
        match kind {
            Kind::Loopback => return Err(Refusal::errno(EINVAL)),
            Kind::Bridge => {
                return Err(Refusal::new(nix::libc::ELOOP, "Can not enslave a bridge to a bridge"));
            }
            Kind::Veth { .. } => {}
        }
        if let Some(link) = namespace.links.get_mut(&index) {
            link.master = Some(master);
        }
        if let Some(bridge) = namespace.links.get_mut(&master) {
            bridge.had_ports = true;
        }
        namespace.recalculate(master);
        Ok(())
    }

    fn set_port(&mut self, netns: u32, index: u32, attributes: &Attributes<'_>) -> Result<(), Refusal> {
        let link = self.link(netns, index).ok_or(Refusal::new(ENODEV, "unknown ifindex"))?;
        if link.master.is_none() {
            return Err(Refusal::errno(EOPNOTSUPP));
        }
        let settings = attributes.nested(IFLA_PROTINFO).unwrap_or_default();
        let setting =
            |kind| settings.get(kind).and_then(|value| value.payload.first().map(|value| *value != 0));
        let (hairpin, isolated) = (setting(IFLA_BRPORT_MODE), setting(IFLA_BRPORT_ISOLATED));
        self.change(netns, index, |link| {
            link.hairpin = hairpin.unwrap_or(link.hairpin);
            link.isolated = isolated.unwrap_or(link.isolated);
        });
        Ok(())
    }

    fn oper_state(&self, netns: u32, index: u32, has_carrier: bool) -> u8 {
        let Some(link) = self.link(netns, index) else { return DOWN };
        match link.kind {
            _ if !link.is_up => DOWN,
            Kind::Loopback => UNKNOWN,
            Kind::Bridge if !link.had_ports => UNKNOWN,
            _ if has_carrier => UP,
            // The kernel looks up the peer's index in the link's own namespace, where it may be another link.
            Kind::Veth { peer, .. } if peer != index && self.link(netns, peer).is_some() => {
                if self.has_carrier(netns, peer) { DOWN } else { LOWER_LAYER_DOWN }
            }
            _ => DOWN,
        }
    }

    fn describe(&mut self, netns: u32, index: u32) -> Option<Reply> {
        let peer_number = match self.link(netns, index)?.kind {
            Kind::Veth { peer_netns, .. } if peer_netns != netns => {
                Some(self.namespaces.get_mut(&netns)?.number_of(peer_netns))
            }
            _ => None,
        };
        let link = self.link(netns, index)?;
        let has_carrier = self.has_carrier(netns, index);
        let state = self.oper_state(netns, index, has_carrier);
        let mut header = [0; LINK_HEADER];
        let arphrd: u16 = if link.kind == Kind::Loopback { ARPHRD_LOOPBACK } else { ARPHRD_ETHER };
        header[2..4].copy_from_slice(&arphrd.to_ne_bytes());
        header[4..8].copy_from_slice(&index.to_ne_bytes());
        header[8..12].copy_from_slice(&flags(link, state, has_carrier).to_ne_bytes());
        let mut payload = Payload::new(&header);
        payload.text(IFLA_IFNAME, &link.name).u32(IFLA_MTU, link.mtu).bytes(IFLA_ADDRESS, &link.mac);
        payload.bytes(IFLA_OPERSTATE, &[state]);
        let reports_carrier = match link.kind {
            Kind::Loopback => false,
            Kind::Bridge => link.had_ports || link.mac_is_chosen,
            Kind::Veth { .. } => true,
        };
        payload.u32(IFLA_CARRIER_CHANGES, reports_carrier.into());
        payload.u32(IFLA_PROMISCUITY, u32::from(link.is_promisc) + u32::from(link.master.is_some()));
        if let Some(master) = link.master {
            payload.u32(IFLA_MASTER, master);
        }
        if !link.alias.is_empty() {
            payload.text(IFLA_IFALIAS, &link.alias);
        }
        if let Kind::Veth { peer, .. } = link.kind {
            payload.u32(IFLA_LINK, peer);
        }
        if let Some(number) = peer_number {
            payload.u32(IFLA_LINK_NETNSID, u32::try_from(number).unwrap_or(u32::MAX));
        }
        let kind = match link.kind {
            Kind::Loopback => None,
            Kind::Bridge => Some("bridge"),
            Kind::Veth { .. } => Some("veth"),
        };
        if let Some(kind) = kind {
            payload.nest(IFLA_LINKINFO, |info| {
                info.text(IFLA_INFO_KIND, kind);
                if matches!(link.kind, Kind::Bridge) {
                    // The error of a kernel without VLAN filtering.
                    info.nest(IFLA_INFO_DATA, |data| {
                        data.bytes(IFLA_BR_VLAN_FILTERING, &[0]);
                    });
                }
                if let Some(master) = link.master {
                    let forwards = has_carrier && self.link(netns, master).is_some_and(|master| master.is_up);
                    info.text(IFLA_INFO_SLAVE_KIND, "bridge").nest(IFLA_INFO_SLAVE_DATA, |port| {
                        port.bytes(IFLA_BRPORT_STATE, &[if forwards { FORWARDING } else { 0 }]);
                        port.bytes(IFLA_BRPORT_MODE, &[link.hairpin.into()]);
                        port.bytes(IFLA_BRPORT_ISOLATED, &[link.isolated.into()]);
                    });
                }
            });
        }
        Some(Reply { kind: RTM_NEWLINK, payload })
    }
}

fn flags(link: &Link, state: u8, has_carrier: bool) -> u32 {
    let mut flags = match link.kind {
        Kind::Loopback => IFF_LOOPBACK,
        _ => IFF_BROADCAST | IFF_MULTICAST,
    };
    if link.is_promisc {
        flags |= IFF_PROMISC;
    }
    if link.is_up {
        flags |= IFF_UP;
        if has_carrier {
            flags |= IFF_LOWER_UP;
        }
        if matches!(state, UP | UNKNOWN) {
            flags |= IFF_RUNNING;
        }
    }
    bits(flags)
}

/// Flags as messages have them.
fn bits(flags: i32) -> u32 {
    flags.cast_unsigned()
}

pub(super) fn valid_mac(mac: Attribute<'_>) -> Result<[u8; 6], Refusal> {
    let mac = *mac.payload.first_chunk::<6>().ok_or(Refusal::errno(EINVAL))?;
    if mac[0] & 1 != 0 || mac == [0; 6] {
        return Err(Refusal::errno(EADDRNOTAVAIL));
    }
    Ok(mac)
}

pub(super) fn valid_mtu(mtu: u32) -> Result<(), Refusal> {
    match mtu {
        ..MTU_MIN => Err(Refusal::new(EINVAL, "mtu less than device minimum")),
        MTU_MIN..=MTU_MAX => Ok(()),
        _ => Err(Refusal::new(EINVAL, "mtu greater than device maximum")),
    }
}

/// Whether a request fails if its object exists.
pub(super) fn is_exclusive(request: &Request<'_>) -> bool {
    request.flags & flag(super::numbers::NLM_F_EXCL) != 0
}
