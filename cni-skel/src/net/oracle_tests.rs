//! Compares what is encoded and decoded here with the crate netlink-packet-route.

use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::RouteNetlinkMessage::{
    self, DelLink, NewAddress, NewLink, NewNeighbour, NewRoute, SetLink,
};
use netlink_packet_route::address::AddressAttribute;
use netlink_packet_route::link::{
    AfSpecBridge, BridgeVlanInfo, BridgeVlanInfoFlags, InfoBridge, InfoBridgePort, InfoData, InfoKind,
    InfoPortData, InfoPortKind, InfoVeth, LinkAttribute, LinkFlags as Flags, LinkInfo, LinkMessage, State,
};
use netlink_packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourState};
use netlink_packet_route::route::{RouteAttribute, RouteHeader, RouteMetric, RouteType, RouteVia};
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::{Address, Bridge, BridgeVlan, LinkIndex, Neighbour, OperState, Route, Scope, Veth};
use crate::netlink::{Messages, Request};
use crate::types::MacAddr;

fn read_by_oracle(mut request: Request) -> (u16, RouteNetlinkMessage) {
    let bytes = request.finish(7).expect("it can be encoded");
    let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(bytes).expect("it can be decoded");
    assert_eq!(message.header.length as usize, bytes.len());
    assert_eq!(message.header.sequence_number, 7);
    match message.payload {
        NetlinkPayload::InnerMessage(inner) => (message.header.flags, inner),
        other => panic!("not a message of rtnetlink: {other:?}"),
    }
}

fn written_by_oracle(message: RouteNetlinkMessage) -> Vec<u8> {
    let mut message = NetlinkMessage::from(message);
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// Returns the value of the only attribute that matches the pattern.
macro_rules! one {
    ($attributes:expr, $pattern:pat => $value:expr) => {{
        let mut found = $attributes.iter().filter_map(|a| match a {
            $pattern => Some($value),
            _ => None,
        });
        let first = found.next();
        assert!(found.next().is_none(), "more than one in {:?}", $attributes);
        first
    }};
}

fn name() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9._-]{0,14}"
}

fn index() -> impl Strategy<Value = LinkIndex> {
    (1..u32::MAX).prop_map(|index| LinkIndex::new(index).expect("not 0"))
}

fn mac() -> impl Strategy<Value = MacAddr> {
    any::<[u8; 6]>().prop_map(|bytes| MacAddr::from_bytes(&bytes).expect("six bytes"))
}

fn network() -> impl Strategy<Value = IpNet> {
    prop_oneof![
        (any::<Ipv4Addr>(), 0..=32_u8).prop_map(|(ip, prefix)| (IpAddr::from(ip), prefix)),
        (any::<Ipv6Addr>(), 0..=128_u8).prop_map(|(ip, prefix)| (IpAddr::from(ip), prefix)),
    ]
    .prop_map(|(ip, prefix)| IpNet::new(ip, prefix).expect("the prefix fits"))
}

fn ip_of(family_of: IpNet) -> impl Strategy<Value = IpAddr> {
    any::<(Ipv4Addr, Ipv6Addr)>()
        .prop_map(move |(v4, v6)| if family_of.addr().is_ipv4() { v4.into() } else { v6.into() })
}

fn veth() -> impl Strategy<Value = Veth> {
    let end = || (name(), option::of(mac()), option::of(any::<u32>()));
    (end(), end(), any::<bool>(), option::of(index())).prop_map(|(here, there, up, master)| Veth {
        mac: here.1,
        mtu: here.2,
        up,
        master,
        peer_mac: there.1,
        peer_mtu: there.2,
        ..Veth::new(here.0, there.0)
    })
}

fn vlans() -> impl Strategy<Value = Vec<BridgeVlan>> {
    let one = (1..=4094_u16, 0..3_u16, any::<(bool, bool)>()).prop_map(|(first, more, (pvid, untagged))| {
        let last = (first + more).min(4094);
        BridgeVlan { first, last, pvid: pvid && first == last, untagged }
    });
    proptest::collection::vec(one, 1..5)
}

/// Returns the entries for VLANs: one, or the first and last of a range.
fn infos(vlan: &BridgeVlan) -> Vec<BridgeVlanInfo> {
    let mut flags = BridgeVlanInfoFlags::empty();
    flags.set(BridgeVlanInfoFlags::Pvid, vlan.pvid);
    flags.set(BridgeVlanInfoFlags::Untagged, vlan.untagged);
    let info = |vid, more| BridgeVlanInfo { flags: flags | more, vid };
    if vlan.first == vlan.last {
        return vec![info(vlan.first, BridgeVlanInfoFlags::empty())];
    }
    vec![info(vlan.first, BridgeVlanInfoFlags::RangeBegin), info(vlan.last, BridgeVlanInfoFlags::RangeEnd)]
}

fn route() -> impl Strategy<Value = Route> {
    (network(), any::<(u32, u8, u8)>()).prop_flat_map(|(dst, (table, scope, protocol))| {
        let numbers = || (option::of(any::<u32>()), option::of(any::<u32>()));
        (
            option::of(ip_of(dst)),
            option::of(ip_of(dst)),
            option::of(index()),
            numbers(),
            option::of(any::<u32>()),
        )
            .prop_map(move |(gateway, source, link, (mtu, advmss), priority)| Route {
                gateway,
                link,
                source,
                mtu,
                advmss,
                priority,
                table,
                scope: Some(scope.into()),
                protocol: protocol.into(),
                ..Route::new(dst.trunc())
            })
    })
}

/// Asserts that the oracle found a value, and that it is equal to ours.
fn same<T: Debug + PartialEq>(ours: &T, theirs: Option<T>) {
    assert_eq!(Some(ours), theirs.as_ref());
}

proptest! {
    #[test]
    fn a_veth_is_read_as_it_was_written(veth in veth(), fd in 3..i32::MAX) {
        let (flags, read) = read_by_oracle(super::veth::new_veth(&veth, fd.cast_unsigned()));
        prop_assert_eq!(flags, 0x1 | 0x4 | 0x200 | 0x400);
        let NewLink(link) = read else { panic!("{read:?}") };
        prop_assert_eq!(link.header.flags.contains(Flags::Up), veth.up);
        prop_assert_eq!(link.header.change_mask.contains(Flags::Up), veth.up);
        same(&veth.name, one!(link.attributes, LinkAttribute::IfName(name) => name.clone()));
        prop_assert_eq!(veth.mtu, one!(link.attributes, LinkAttribute::Mtu(mtu) => *mtu));
        prop_assert_eq!(veth.master.map(u32::from), one!(link.attributes, LinkAttribute::Controller(index) => *index));
        let mac = one!(link.attributes, LinkAttribute::Address(mac) => mac.clone());
        prop_assert_eq!(veth.mac.map(|mac| mac.as_bytes().to_vec()), mac);
        let info = one!(link.attributes, LinkAttribute::LinkInfo(info) => info).expect("it has a kind");
        same(&InfoKind::Veth, one!(info, LinkInfo::Kind(kind) => kind.clone()));
        let peer = one!(info, LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))) => peer).expect("it has a peer");
        same(&veth.peer_name, one!(peer.attributes, LinkAttribute::IfName(name) => name.clone()));
        prop_assert_eq!(veth.peer_mtu, one!(peer.attributes, LinkAttribute::Mtu(mtu) => *mtu));
        prop_assert_eq!(Some(fd), one!(peer.attributes, LinkAttribute::NetNsFd(fd) => *fd));
        let mac = one!(peer.attributes, LinkAttribute::Address(mac) => mac.clone());
        prop_assert_eq!(veth.peer_mac.map(|mac| mac.as_bytes().to_vec()), mac);
    }

    #[test]
    fn a_bridge_is_read_as_it_was_written(
        name in name(), mtu in option::of(any::<u32>()), mac in option::of(mac()), vlan_filtering in any::<bool>()
    ) {
        let bridge = Bridge { mtu, mac, vlan_filtering, ..Bridge::new(name) };
        let (_, read) = read_by_oracle(super::bridge::new_bridge(&bridge));
        let NewLink(link) = read else { panic!("{read:?}") };
        same(&bridge.name, one!(link.attributes, LinkAttribute::IfName(name) => name.clone()));
        prop_assert_eq!(bridge.mtu, one!(link.attributes, LinkAttribute::Mtu(mtu) => *mtu));
        let info = one!(link.attributes, LinkAttribute::LinkInfo(info) => info).expect("it has a kind");
        same(&InfoKind::Bridge, one!(info, LinkInfo::Kind(kind) => kind.clone()));
        let data = one!(info, LinkInfo::Data(InfoData::Bridge(data)) => data.clone());
        let wanted = vlan_filtering.then(|| vec![InfoBridge::VlanFiltering(true)]);
        prop_assert_eq!(data, wanted);
    }

    #[test]
    fn vlans_are_read_as_they_were_written(link in index(), vlans in vlans(), deletes in any::<bool>()) {
        let make = if deletes { super::bridge_vlan::delete } else { super::bridge_vlan::add };
        let (flags, read) = read_by_oracle(make(link, &vlans).1);
        prop_assert_eq!(flags, 0x1 | 0x4);
        let message = match read {
            SetLink(message) if !deletes => message,
            DelLink(message) if deletes => message,
            other => panic!("{other:?}"),
        };
        prop_assert_eq!((message.header.interface_family, message.header.index), (AddressFamily::Bridge, link.get()));
        let spec = one!(message.attributes, LinkAttribute::AfSpecBridge(spec) => spec.clone()).unwrap_or_default();
        let written: Vec<_> = vlans.iter().flat_map(infos).map(AfSpecBridge::VlanInfo).collect();
        prop_assert_eq!(&spec, &written);

        let mut message = LinkMessage::default();
        message.header.interface_family = AddressFamily::Bridge;
        message.header.index = link.get();
        message.attributes = vec![LinkAttribute::IfName("x".into()), LinkAttribute::AfSpecBridge(written)];
        let bytes = written_by_oracle(NewLink(message));
        let read = super::bridge_vlan::decode(Messages::new(&bytes).next().expect("one message"));
        prop_assert_eq!(read, Some((link, vlans)));
    }

    #[test]
    fn a_change_is_read_as_it_was_written(link in index(), master in option::of(index()), alias in "[^\x00]{0,60}") {
        let (_, read) = read_by_oracle(super::link_change::master_request(link, master));
        let SetLink(message) = read else { panic!("{read:?}") };
        prop_assert_eq!(message.header.index, link.get());
        let read = one!(message.attributes, LinkAttribute::Controller(index) => *index);
        prop_assert_eq!(read, Some(master.map_or(0, u32::from)));

        let (_, read) = read_by_oracle(super::link_change::alias_request(link, &alias));
        let SetLink(message) = read else { panic!("{read:?}") };
        same(&alias, one!(message.attributes, LinkAttribute::IfAlias(alias) => alias.clone()));
    }

    #[test]
    fn an_address_is_read_as_it_was_written(link in index(), net in network(), no_dad in any::<bool>()) {
        let address = Address::new(link, net);
        let address = if no_dad { address.no_dad() } else { address };
        let (flags, read) = read_by_oracle(super::address::add(&address).1);
        prop_assert_eq!(flags, 0x1 | 0x4 | 0x200 | 0x400);
        let NewAddress(message) = read else { panic!("{read:?}") };
        prop_assert_eq!((message.header.index, message.header.prefix_len), (link.get(), net.prefix_len()));
        same(&net.addr(), one!(message.attributes, AddressAttribute::Local(ip) => *ip));
        same(&net.addr(), one!(message.attributes, AddressAttribute::Address(ip) => *ip));
        let broadcast = one!(message.attributes, AddressAttribute::Broadcast(ip) => *ip);
        prop_assert_eq!(address.broadcast, broadcast);
        let flags = one!(message.attributes, AddressAttribute::Flags(flags) => flags.bits()).unwrap_or(0);
        prop_assert_eq!(flags, if no_dad && net.addr().is_ipv6() { 2 } else { 0 });

        let bytes = written_by_oracle(NewAddress(message));
        let read = super::address::decode(Messages::new(&bytes).next().expect("one message"));
        prop_assert_eq!(read, Some(address));
    }

    #[test]
    fn a_route_is_read_as_it_was_written(route in route()) {
        let (flags, read) = read_by_oracle(super::route::add(&route).1);
        prop_assert_eq!(flags, 0x1 | 0x4 | 0x400);
        let NewRoute(message) = read else { panic!("{read:?}") };
        let header = &message.header;
        prop_assert_eq!(header.destination_prefix_length, route.dst.prefix_len());
        prop_assert_eq!((Some(u8::from(header.scope).into()), u8::from(header.protocol).into()), (route.scope, route.protocol));
        prop_assert_eq!(header.kind, RouteType::Unicast);
        prop_assert_eq!(header.table, u8::try_from(route.table).unwrap_or(0));
        let attributes = &message.attributes;
        prop_assert_eq!(one!(attributes, RouteAttribute::Table(table) => *table), Some(route.table));
        prop_assert_eq!(one!(attributes, RouteAttribute::Oif(link) => *link), route.link.map(u32::from));
        prop_assert_eq!(one!(attributes, RouteAttribute::Priority(priority) => *priority), route.priority);
        prop_assert_eq!(one!(attributes, RouteAttribute::Gateway(ip) => ip.clone()), route.gateway.map(Into::into));
        prop_assert_eq!(one!(attributes, RouteAttribute::PrefSource(ip) => ip.clone()), route.source.map(Into::into));
        let dst = Some(route.dst.addr()).filter(|_| route.dst.prefix_len() > 0);
        prop_assert_eq!(one!(attributes, RouteAttribute::Destination(ip) => ip.clone()), dst.map(Into::into));
        let metrics = one!(attributes, RouteAttribute::Metrics(metrics) => metrics.clone()).unwrap_or_default();
        prop_assert_eq!(one!(metrics, RouteMetric::Mtu(mtu) => *mtu), route.mtu);
        prop_assert_eq!(one!(metrics, RouteMetric::Advmss(advmss) => *advmss), route.advmss);

        let bytes = written_by_oracle(NewRoute(message));
        let read = super::route::decode(Messages::new(&bytes).next().expect("one message"));
        prop_assert_eq!(read, Some(vec![route]));
    }

    #[test]
    fn a_neighbour_is_read_as_it_was_written(link in index(), net in network(), mac in mac()) {
        let neighbour = Neighbour::new(link, net.addr(), mac);
        let (_, read) = read_by_oracle(super::neighbour::add(&neighbour));
        let NewNeighbour(message) = read else { panic!("{read:?}") };
        prop_assert_eq!((message.header.ifindex, message.header.state), (link.get(), NeighbourState::Permanent));
        let destination = match net.addr() {
            IpAddr::V4(ip) => NeighbourAddress::Inet(ip),
            IpAddr::V6(ip) => NeighbourAddress::Inet6(ip),
        };
        same(&destination, one!(message.attributes, NeighbourAttribute::Destination(ip) => ip.clone()));
        let read = one!(message.attributes, NeighbourAttribute::LinkLayerAddress(mac) => mac.clone());
        prop_assert_eq!(read, neighbour.mac.as_ref().map(|mac| mac.as_bytes().to_vec()));

        let bytes = written_by_oracle(NewNeighbour(message));
        let read = super::neighbour::decode(Messages::new(&bytes).next().expect("one message"));
        prop_assert_eq!(read, Some(neighbour));
    }

    #[test]
    fn a_link_is_read_as_the_oracle_writes_it(
        index in index(), name in name(), mac in any::<[u8; 6]>(), mtu in any::<u32>(), alias in "[a-z:]{1,40}",
        master in index(), peer in index(), is_veth in any::<bool>(), id in any::<i32>(), hairpin in any::<bool>(), isolated in any::<bool>(),
    ) {
        let mut message = LinkMessage::default();
        message.header.index = index.get();
        message.header.flags = Flags::Up | Flags::LowerUp;
        message.attributes = vec![
            LinkAttribute::IfName(name.clone()),
            LinkAttribute::Mtu(mtu),
            LinkAttribute::Address(mac.to_vec()),
            LinkAttribute::TxQueueLen(1000),
            LinkAttribute::OperState(State::Up),
            LinkAttribute::IfAlias(alias.clone()),
            LinkAttribute::Controller(master.get()),
            LinkAttribute::Link(peer.get()),
            LinkAttribute::LinkNetNsId(id),
            LinkAttribute::Promiscuity(3),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(if is_veth { InfoKind::Veth } else { InfoKind::MacVlan }),
                LinkInfo::PortKind(InfoPortKind::Bridge),
                LinkInfo::PortData(InfoPortData::BridgePort(vec![
                    InfoBridgePort::HairpinMode(hairpin),
                    InfoBridgePort::Isolated(isolated),
                ])),
            ]),
        ];
        let bytes = written_by_oracle(NewLink(message));
        let link = super::link::decode(Messages::new(&bytes).next().expect("one message")).expect("it is a link");
        prop_assert_eq!((link.index, link.name, link.mtu), (index, name, mtu));
        prop_assert_eq!(link.mac.map(|mac| mac.as_bytes().to_vec()), Some(mac.to_vec()));
        prop_assert_eq!((link.alias, link.master), (Some(alias), Some(master)));
        let expected = if is_veth { (Some(peer), None) } else { (None, Some(peer)) };
        prop_assert_eq!((link.peer, link.parent), expected);
        prop_assert_eq!((link.link_netns_id, link.promiscuity), (Some(id), 3));
        prop_assert_eq!((link.oper_state, link.kind.as_deref()), (OperState::Up, Some(if is_veth { "veth" } else { "macvlan" })));
        prop_assert!(link.flags.is_up() && link.flags.is_lower_up() && !link.flags.is_loopback());
        let port = link.port.expect("it is a port");
        prop_assert_eq!((port.hairpin, port.isolated), (hairpin, isolated));
    }

    #[test]
    fn a_bridge_is_read_as_the_oracle_writes_it(filters in any::<bool>(), pvid in any::<u16>()) {
        let mut message = LinkMessage::default();
        message.header.index = 1;
        message.attributes = vec![
            LinkAttribute::IfName("br0".into()),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Bridge),
                LinkInfo::Data(InfoData::Bridge(vec![
                    InfoBridge::HelloTime(2), InfoBridge::VlanFiltering(filters), InfoBridge::VlanDefaultPvid(pvid),
                ])),
            ]),
        ];
        let bytes = written_by_oracle(NewLink(message));
        let link = super::link::decode(Messages::new(&bytes).next().expect("one message")).expect("it is a link");
        let options = link.bridge.expect("it is a bridge");
        prop_assert_eq!((options.vlan_filtering, options.default_pvid), (Some(filters), Some(pvid)));
    }

    #[test]
    fn an_ipv6_gateway_of_an_ipv4_route_is_read_as_it_was_written(gateway in any::<Ipv6Addr>(), dst in Just("10.0.0.0/8")) {
        let route = Route::new(dst.parse().unwrap()).gateway(gateway.into()).scope(Scope::UNIVERSE);
        let (_, read) = read_by_oracle(super::route::add(&route).1);
        let NewRoute(message) = read else { panic!("{read:?}") };
        same(&RouteVia::Inet6(gateway), one!(message.attributes, RouteAttribute::Via(via) => via.clone()));
        prop_assert_eq!(RouteHeader::RT_TABLE_MAIN, message.header.table);
        let bytes = written_by_oracle(NewRoute(message));
        let read = super::route::decode(Messages::new(&bytes).next().expect("one message"));
        prop_assert_eq!(read, Some(vec![route]));
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(kind in 16..36_u16, payload in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = u32::try_from(16 + payload.len()).unwrap().to_ne_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&[0; 10]);
        bytes.extend_from_slice(&payload);
        for message in Messages::new(&bytes) {
            let _ = super::link::decode(message);
            let _ = super::address::decode(message);
            let _ = super::route::decode(message);
            let _ = super::neighbour::decode(message);
            let _ = super::routing_rule::decode(message);
            let _ = super::bridge_vlan::decode(message);
        }
    }
}
