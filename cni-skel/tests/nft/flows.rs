//! Flows that the kernel keeps track of.

use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use cni_skel::Netns;
use cni_skel::nft::{Base, Chain, ChainType, Family, FlowFilter, Hook, Nft, Rule, Table};
use cni_skel::types::Protocol;

use crate::ruleset;

/// A namespace where port 5000 of the loopback address leads to a socket on another port.
fn forwarding(address: IpAddr) -> (Netns, Nft, UdpSocket) {
    let (netns, nft) = ruleset();
    let net = netns.net().expect("open the network");
    let lo = net.link("lo").expect("find lo").index;
    net.set_up(lo).expect("set lo up");
    let receiver = netns.run(|| UdpSocket::bind((address, 0)).expect("bind")).expect("enter the namespace");
    receiver.set_read_timeout(Some(Duration::from_secs(5))).expect("not zero");
    let table = Table::new(Family::Inet, "t");
    let base = Base::new(ChainType::Nat, Hook::Output, Base::DSTNAT);
    let chain = Chain::base(&table, "c", base);
    let to = receiver.local_addr().expect("it is bound");
    let rule = Rule::new(&chain).to_this_machine().dport(Protocol::Udp, 5000).dnat_to_port(to);
    nft.batch().add_table(&table).add_chain(&chain).add_rule(&rule).send().expect("add the rule");
    (netns, nft, receiver)
}

fn send(netns: &Netns, address: IpAddr, port: u16) -> UdpSocket {
    let socket = netns.run(|| UdpSocket::bind((address, 0)).expect("bind")).expect("enter the namespace");
    socket.send_to(b"x", (address, port)).expect("send");
    socket
}

#[test]
fn flows_are_found_by_where_they_came_and_forgotten() {
    for (address, filter) in [
        (IpAddr::from([127, 0, 0, 1]), FlowFilter::ipv4 as fn(Protocol) -> FlowFilter),
        ("::1".parse().expect("a literal"), FlowFilter::ipv6),
    ] {
        let (netns, nft, receiver) = forwarding(address);
        let senders: Vec<_> = (0..70).map(|_| send(&netns, address, 5000)).collect();
        let _other = send(&netns, address, 5001);
        let _first = receiver.recv_from(&mut [0; 8]).expect("the rule sends it here");

        let port = receiver.local_addr().unwrap().port();
        let flows = nft.flows(&filter(Protocol::Udp).original_dport(5000)).unwrap();
        assert_eq!(flows.len(), 70);
        let flow = &flows[0];
        assert_eq!((flow.original.dst, flow.original.dport), (address, 5000));
        assert_eq!((flow.reply.src, flow.reply.sport), (address, port));
        assert!(senders.iter().any(|s| s.local_addr().unwrap().port() == flow.original.sport));

        assert_eq!(nft.flows(&filter(Protocol::Udp)).unwrap().len(), 71);
        assert_eq!(nft.flows(&filter(Protocol::Tcp)).unwrap(), []);
        let elsewhere = filter(Protocol::Udp).original_dport(5000).reply_sport(port ^ 1);
        assert_eq!(nft.delete_flows(&elsewhere).unwrap(), 0);
        let ours = filter(Protocol::Udp).original_dst(address).original_dport(5000).reply_src(address);
        assert_eq!(nft.delete_flows(&ours.reply_sport(port)).unwrap(), 70);
        let left = nft.flows(&filter(Protocol::Udp)).unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].original.dport, 5001);
    }
}
