//! Packets: who reaches whom, and who looks like whom.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use cni_skel::nft::{Base, Chain, ChainType, Family, FlowFilter, Hook, Nft, Rule, Table};
use cni_testing::types::{Command, Protocol};
use cni_testing::{Iptables, TestNetns, json};
use serde_json::Value;

use crate::world::{CONTAINER, HOST_OUTSIDE, OUTSIDE, World, config, result, tcp};

/// How long what happens may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// All ways to map a port.
fn ways() -> [Value; 3] {
    [json!({}), json!({"layout": "maps"}), json!({"backend": "iptables"})]
}

fn addresses(ips: [&str; 2], port: u16) -> [SocketAddr; 2] {
    ips.map(|ip| SocketAddr::new(ip.parse().unwrap(), port))
}

fn listen(at: &TestNetns, to: SocketAddr) -> TcpListener {
    let listener = at.run(|| TcpListener::bind(to).unwrap()).unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

/// Connects, and tells whom the listener saw; `None` where nobody listens.
#[track_caller]
fn seen(from: &TestNetns, to: SocketAddr, listener: &TcpListener) -> Option<IpAddr> {
    let mut client = match from.run(|| TcpStream::connect_timeout(&to, PATIENCE)).unwrap() {
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => return None,
        connected => connected.unwrap(),
    };
    let deadline = Instant::now() + PATIENCE;
    let (mut server, peer) = loop {
        match listener.accept() {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock && Instant::now() < deadline => {
                thread::yield_now();
            }
            accepted => break accepted.expect("the connection came to this listener"),
        }
    };
    server.write_all(b"x").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.read_exact(&mut [0]).expect("an answer comes back");
    Some(peer.ip())
}

fn ip(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

#[test]
fn a_port_is_reached_from_outside_and_from_the_host_and_from_the_container_itself() {
    for way in ways() {
        let world = World::connected();
        world.add("c1", &config(way.clone(), json!([tcp(8080, 80)])));
        let [v4, v6] = addresses(CONTAINER, 80).map(|to| listen(&world.container, to));
        let [host4, host6] = addresses(HOST_OUTSIDE, 8080);
        // The container sees who it is.
        assert_eq!(seen(&world.outside, host4, &v4), ip(OUTSIDE[0]), "{way}");
        assert_eq!(seen(&world.outside, host6, &v6), ip(OUTSIDE[1]), "{way}");
        assert_eq!(seen(&world.host, host4, &v4), ip(HOST_OUTSIDE[0]), "{way}");
        assert_eq!(seen(&world.host, host6, &v6), ip(HOST_OUTSIDE[1]), "{way}");
        // It could not answer these.
        let localhost = SocketAddr::from(([127, 0, 0, 1], 8080));
        assert_eq!(seen(&world.host, localhost, &v4), ip("10.1.0.1"), "{way}");
        assert_eq!(seen(&world.container, host4, &v4), ip("10.1.0.1"), "{way}");
        assert_eq!(seen(&world.container, host6, &v6), ip("fd00:1::1"), "{way}");
        world.del("c1", &config(way.clone(), json!([tcp(8080, 80)])));
        assert_eq!(seen(&world.outside, host4, &v4), None, "{way}");
    }
}

#[test]
fn with_masq_all_all_that_comes_by_the_port_has_the_hosts_address() {
    for mut way in ways() {
        way["masqAll"] = json!(true);
        let world = World::connected();
        world.add("c1", &config(way.clone(), json!([tcp(8080, 80)])));
        let [v4, v6] = addresses(CONTAINER, 80).map(|to| listen(&world.container, to));
        let [host4, host6] = addresses(HOST_OUTSIDE, 8080);
        assert_eq!(seen(&world.outside, host4, &v4), ip("10.1.0.1"), "{way}");
        assert_eq!(seen(&world.outside, host6, &v6), ip("fd00:1::1"), "{way}");
        assert_eq!(seen(&world.container, host4, &v4), ip("10.1.0.1"), "{way}");
        // A neighbour too, which otherwise would get an answer from somebody that it did not ask.
        let neighbour = TestNetns::new();
        world.attach(&neighbour, "c2", ["10.1.0.3/24", "fd00:1::3/64"]);
        assert_eq!(seen(&neighbour, host4, &v4), ip("10.1.0.1"), "{way}");
    }
}

#[test]
fn without_snat_the_loopback_addresses_are_not_routed() {
    for mut way in ways() {
        way["snat"] = json!(false);
        let world = World::connected();
        world.add("c1", &config(way.clone(), json!([tcp(8080, 80)])));
        let v4 = listen(&world.container, addresses(CONTAINER, 80)[0]);
        assert_eq!(seen(&world.outside, addresses(HOST_OUTSIDE, 8080)[0], &v4), ip(OUTSIDE[0]), "{way}");
        let route_localnet = world.host.output("cat", &["/proc/sys/net/ipv4/conf/br0/route_localnet"]);
        assert_eq!(route_localnet, "0\n", "{way}");
    }
}

#[test]
fn what_is_forwarded_to_the_same_port_elsewhere_goes_there() {
    // CVE-2025-67499.
    for way in ways() {
        let world = World::connected();
        world.add("c1", &config(way.clone(), json!([tcp(8080, 80)])));
        let _container = addresses(CONTAINER, 80).map(|to| listen(&world.container, to));
        let neighbour = TestNetns::new();
        world.attach(&neighbour, "c2", ["10.1.0.3/24", "fd00:1::3/64"]);
        for to in addresses(OUTSIDE, 8080) {
            let elsewhere = listen(&world.outside, to);
            for from in [&world.container, &neighbour, &world.host] {
                assert!(seen(from, to, &elsewhere).is_some(), "{way} {to}");
            }
        }
        // Nor is it reached by the container's own address.
        let own = addresses(CONTAINER, 8080).map(|to| (to, listen(&world.container, to)));
        for (to, listener) in own {
            assert!(seen(&world.outside, to, &listener).is_some(), "{way} {to}");
        }
    }
}

#[test]
fn only_the_hosts_address_that_is_meant_leads_to_the_container() {
    for way in ways() {
        let world = World::connected();
        let at = |host_ip: &str, port: u16| json!({"hostPort": port, "containerPort": 80, "hostIP": host_ip});
        let mappings = json!([
            at("192.0.2.1", 8080),
            at("127.0.0.1", 8081),
            at("2001:db8::1", 8082),
            at("0.0.0.0", 8083),
            at("::", 8084),
        ]);
        world.add("c1", &config(way.clone(), mappings.clone()));
        world.check("c1", &config(way.clone(), mappings));
        let [v4, v6] = addresses(CONTAINER, 80).map(|to| listen(&world.container, to));
        let outside = |port: u16| seen(&world.outside, addresses(HOST_OUTSIDE, port)[0], &v4).is_some();
        let outside6 = |port: u16| seen(&world.outside, addresses(HOST_OUTSIDE, port)[1], &v6).is_some();
        let local = |ip: [u8; 4], port: u16| seen(&world.host, SocketAddr::from((ip, port)), &v4).is_some();
        assert_eq!([8080, 8081, 8082, 8083, 8084].map(outside), [true, false, false, true, false], "{way}");
        assert_eq!([8080, 8081, 8082, 8083, 8084].map(outside6), [false, false, true, false, true], "{way}");
        assert_eq!([8080, 8081, 8083].map(|port| local([127, 0, 0, 1], port)), [false, true, true], "{way}");
        assert_eq!([8080, 8081, 8083].map(|port| local([10, 1, 0, 1], port)), [false, false, true], "{way}");
    }
}

#[test]
fn a_port_that_others_have_rules_for_stays_theirs() {
    // CVE-2019-9946.
    for way in ways() {
        let world = World::connected();
        let other = TestNetns::new();
        world.attach(&other, "c2", ["10.1.0.3/24", "fd00:1::3/64"]);
        let theirs = listen(&other, "10.1.0.3:80".parse().unwrap());
        let [v4, _] = addresses(CONTAINER, 80).map(|to| listen(&world.container, to));
        let nft = world.host.run(Nft::open).unwrap().unwrap();
        // For iptables they are in the chain that everybody shares.
        let is_iptables = way.get("backend").is_some();
        let (table, name) = if is_iptables { ("nat", "PREROUTING") } else { ("theirs", "prerouting") };
        let table = Table::new(Family::Ip, table);
        let base = Base::new(ChainType::Nat, Hook::Prerouting, Base::DSTNAT);
        let chain = Chain::base(&table, name, base);
        let rule = Rule::new(&chain).dport(Protocol::Tcp, 8080).dnat_to_port("10.1.0.3:80".parse().unwrap());
        nft.batch().add_table(&table).add_chain(&chain).add_rule(&rule).send().unwrap();
        let programs = Iptables::without_programs();
        let config = config(way.clone(), json!([tcp(8080, 80), tcp(8081, 80)]));
        world.call(Command::Add, "c1", &config).iptables(&programs).run().result();
        let host = addresses(HOST_OUTSIDE, 8080)[0];
        assert_eq!(seen(&world.outside, host, &theirs), ip(OUTSIDE[0]), "{way}");
        assert_eq!(seen(&world.outside, addresses(HOST_OUTSIDE, 8081)[0], &v4), ip(OUTSIDE[0]), "{way}");
        if !is_iptables {
            // Also if they come later.
            nft.batch().delete_table(&table).send().unwrap();
            assert_eq!(seen(&world.outside, host, &v4), ip(OUTSIDE[0]), "{way}");
            nft.batch().add_table(&table).add_chain(&chain).add_rule(&rule).send().unwrap();
            assert_eq!(seen(&world.outside, host, &theirs), ip(OUTSIDE[0]), "{way}");
        }
    }
}

/// Sends, and gives what the receiver sees as the sender; and answers.
#[track_caller]
fn exchange(sender: &UdpSocket, receiver: &UdpSocket) -> SocketAddr {
    sender.send(b"x").unwrap();
    let (_, from) = receiver.recv_from(&mut [0; 8]).expect("it comes to the receiver");
    receiver.send_to(b"y", from).unwrap();
    assert_eq!(sender.recv(&mut [0; 8]).expect("an answer comes back"), 1);
    from
}

fn udp(at: &TestNetns, address: SocketAddr) -> UdpSocket {
    let socket = at.run(|| UdpSocket::bind(address).unwrap()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// A socket that sends to one address, always from the same port.
fn sender(at: &TestNetns, to: SocketAddr) -> UdpSocket {
    let any: IpAddr = if to.is_ipv4() { [0; 4].into() } else { [0_u16; 8].into() };
    let socket = udp(at, SocketAddr::new(any, 0));
    at.run(|| socket.connect(to).unwrap()).unwrap();
    socket
}

#[test]
fn flows_over_udp_follow_the_port_from_one_container_to_the_next() {
    for way in ways() {
        let world = World::connected();
        let next = TestNetns::new();
        world.attach(&next, "c2", ["10.1.0.3/24", "fd00:1::3/64"]);
        let mapping = json!([{"hostPort": 5000, "containerPort": 53, "protocol": "udp"}]);
        let first = config(way.clone(), mapping.clone());
        let mut second = config(way.clone(), mapping);
        second["prevResult"] = result(&["10.1.0.3/24", "fd00:1::3/64"]);
        // The kernel keeps track of flows from the first rule on.
        world.add("other", &config(way.clone(), json!([tcp(9090, 90)])));
        let neighbours = sender(&world.container, addresses(OUTSIDE, 5000)[0]);
        let elsewhere = udp(&world.outside, addresses(OUTSIDE, 5000)[0]);
        let _ = exchange(&neighbours, &elsewhere);
        let nft = world.host.run(Nft::open).unwrap().unwrap();
        for family in [0, 1] {
            let to = addresses(HOST_OUTSIDE, 5000)[family];
            let client = sender(&world.outside, to);
            // Before the port is mapped it is the host's.
            let host = udp(&world.host, to);
            let _ = exchange(&client, &host);
            world.add("c1", &first);
            let container = udp(&world.container, addresses(CONTAINER, 53)[family]);
            assert_eq!(exchange(&client, &container).ip(), addresses(OUTSIDE, 1)[family].ip(), "{way}");
            world.del("c1", &first);
            let _ = exchange(&client, &host);
            world.add("c1", &first);
            let _ = exchange(&client, &container);
            // The next one is there before the last one has gone, as it happens.
            let filter = if family == 0 { FlowFilter::ipv4 } else { FlowFilter::ipv6 }(Protocol::Udp);
            let filter = filter.original_dport(5000).reply_sport(53);
            assert_eq!(nft.flows(&filter).unwrap().len(), 1, "{way}");
            world.del("c1", &first);
            assert_eq!(nft.flows(&filter).unwrap(), [], "{way}");
            world.add("c2", &second);
            let container = udp(&next, addresses(["10.1.0.3", "fd00:1::3"], 53)[family]);
            let _ = exchange(&client, &container);
            world.del("c2", &second);
        }
        // That of a container to the same port elsewhere was let be.
        let filter = FlowFilter::ipv4(Protocol::Udp).original_dst(addresses(OUTSIDE, 1)[0].ip());
        assert_eq!(nft.flows(&filter.original_dport(5000)).unwrap().len(), 1, "{way}");
    }
}

#[test]
fn a_rule_for_sctp_is_there_even_if_the_kernel_has_no_sockets_for_it() {
    for way in ways() {
        let world = World::bare();
        let mapping = json!([{"hostPort": 9, "containerPort": 10, "protocol": "sctp"}]);
        world.add("c1", &config(way.clone(), mapping.clone()));
        world.check("c1", &config(way.clone(), mapping.clone()));
        world.del("c1", &config(way, mapping));
        assert_eq!(world.of_containers(), [""; 0]);
    }
}
