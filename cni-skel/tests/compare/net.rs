//! Links, addresses and routes, as iproute2 shows them, and what it makes.

use std::process::Command;

use cni_skel::Netns;
use cni_skel::net::{Address, Bridge, LinkIndex, Neighbour, Net, Route, Veth};
use cni_skel::types::MacAddr;
use ipnet::IpNet;
use serde_json::Value;

use crate::started;
use crate::support::network;

/// Runs iproute2 inside a namespace and returns what it prints.
#[track_caller]
fn ip(netns: &Netns, args: &str) -> Value {
    let words = args.split_whitespace();
    let run = || started("ip", Command::new("ip").arg("-j").arg("-d").args(words).output());
    let output = netns.run(run).expect("enter the namespace");
    assert!(output.status.success(), "ip {args}: {}", String::from_utf8_lossy(&output.stderr));
    if output.stdout.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&output.stdout).expect("ip -j prints JSON")
    }
}

fn cidr(text: &str) -> IpNet {
    text.parse().expect("a literal")
}

fn mac(last: u8) -> MacAddr {
    MacAddr::from_bytes(&[0x02, 0, 0, 0, 0, last]).expect("six bytes")
}

/// A bridge that is up with addresses of both families.
fn ready(net: &Net) -> LinkIndex {
    let index = net.add_bridge(&Bridge::new("br0")).expect("the kernel takes it").index;
    net.set_up(index).expect("the kernel takes it");
    net.add_address(&Address::new(index, cidr("10.1.0.2/24"))).expect("the kernel takes it");
    net.add_address(&Address::new(index, cidr("fd00:1::2/64")).no_dad()).expect("the kernel takes it");
    index
}

#[test]
fn it_shows_our_addresses() {
    let (netns, net) = network();
    let index = net.add_bridge(&Bridge::new("br0")).unwrap().index;
    for address in ["10.1.2.3/24", "10.9.0.1/31", "fd00:1::3/64"] {
        net.add_address(&Address::new(index, cidr(address)).no_dad()).unwrap();
    }
    let seen = ip(&netns, "addr show dev br0");
    let seen = seen[0]["addr_info"].as_array().unwrap();
    assert_eq!(seen[0]["local"], "10.1.2.3");
    assert_eq!(seen[0]["broadcast"], "10.1.2.255");
    assert_eq!(seen[1].get("broadcast"), None);
    assert_eq!(seen[2]["local"], "fd00:1::3");
    assert_eq!(seen[2]["nodad"], true);
}

#[test]
fn it_shows_our_neighbours() {
    let (netns, net) = network();
    let index = ready(&net);
    for address in ["10.1.0.9", "fd00::9"] {
        net.add_neighbour(&Neighbour::new(index, address.parse().unwrap(), mac(5))).unwrap();
        let seen = ip(&netns, &format!("neigh show {address}"));
        assert_eq!(
            (&seen[0]["lladdr"], &seen[0]["state"][0]),
            (&"02:00:00:00:00:05".into(), &"PERMANENT".into())
        );
    }
}

#[test]
fn it_shows_our_veth() {
    let (host_ns, host) = network();
    let (inside_ns, _inside) = network();
    let bridge = ready(&host);
    let veth = Veth::new("veth1234", "eth0").mtu(1400).mac(mac(1)).peer_mac(mac(2)).up();
    let veth = veth.master(bridge).alias("cni:net:id:eth0").hairpin(true).isolated(true);
    let _pair = host.add_veth(&veth, &inside_ns).unwrap();
    let seen = &ip(&host_ns, "link show dev veth1234")[0];
    assert_eq!(seen["ifalias"], "cni:net:id:eth0");
    assert_eq!(seen["master"], "br0");
    assert_eq!(seen["linkinfo"]["info_kind"], "veth");
    assert_eq!(seen["linkinfo"]["info_slave_data"]["hairpin"], true);
    assert_eq!(seen["linkinfo"]["info_slave_data"]["isolated"], true);
    assert_eq!(seen["mtu"], 1400);
    assert_eq!(ip(&inside_ns, "link show dev eth0")[0]["address"], "02:00:00:00:00:02");
}

#[test]
fn it_shows_our_changes_of_a_link() {
    let (netns, net) = network();
    let index = net.add_bridge(&Bridge::new("br0")).unwrap().index;
    net.set_mtu(index, 1300).unwrap();
    net.set_alias(index, "hello").unwrap();
    net.set_promisc(index, true).unwrap();
    net.rename(index, "br1").unwrap();
    let seen = &ip(&netns, "link show dev br1")[0];
    assert_eq!(seen["linkinfo"]["info_kind"], "bridge");
    assert_eq!(
        (&seen["mtu"], &seen["ifalias"], &seen["promiscuity"]),
        (&1300.into(), &"hello".into(), &1.into())
    );
}

#[test]
fn both_list_the_same_links() {
    let (netns, net) = network();
    for n in 0..80 {
        net.add_bridge(&Bridge::new(format!("br{n}"))).unwrap();
    }
    let links = net.links().unwrap();
    let seen = ip(&netns, "link show");
    let seen: Vec<_> = seen.as_array().unwrap().iter().map(|link| link["ifname"].as_str().unwrap()).collect();
    assert_eq!(links.iter().map(|link| link.name.as_str()).collect::<Vec<_>>(), seen);
}

#[test]
fn it_shows_our_routes() {
    let (netns, net) = network();
    let link = ready(&net);
    for (family, dst, gateway, source) in
        [("-4", "10.7.0.0/16", "10.1.0.1", "10.1.0.2"), ("-6", "fd00:7::/48", "fd00:1::1", "fd00:1::2")]
    {
        let route = Route::new(cidr(dst)).gateway(gateway.parse().unwrap()).link(link);
        let route = route.source(source.parse().unwrap()).mtu(1300).advmss(1200).priority(77).table(1000);
        net.add_route(&route).unwrap();
        let seen = &ip(&netns, &format!("{family} route show table 1000"))[0];
        assert_eq!((&seen["dst"], &seen["gateway"]), (&dst.into(), &gateway.into()));
        assert_eq!((&seen["metric"], &seen["prefsrc"]), (&77.into(), &source.into()));
        assert_eq!((&seen["metrics"][0]["mtu"], &seen["metrics"][0]["advmss"]), (&1300.into(), &1200.into()));
    }
}

#[test]
fn each_next_hop_of_its_route_is_listed() {
    let (netns, net) = network();
    ready(&net);
    ip(&netns, "route add 10.9.0.0/16 nexthop via 10.1.0.5 nexthop via 10.1.0.6");
    let routes = net.routes(Some(254)).unwrap();
    let hops = routes.iter().filter(|route| route.dst == cidr("10.9.0.0/16"));
    let hops: Vec<_> = hops.map(|route| route.gateway.unwrap().to_string()).collect();
    assert_eq!(hops, ["10.1.0.5", "10.1.0.6"]);
}

#[test]
fn its_rules_are_listed() {
    let (netns, net) = network();
    ip(&netns, "rule add from 10.1.0.0/24 to 10.2.0.0/16 iif lo fwmark 5 table 1000 priority 99");
    let rules = net.routing_rules().unwrap();
    let rule = rules.iter().find(|rule| rule.priority == 99).expect("it is listed");
    assert_eq!((rule.src, rule.dst), (cidr("10.1.0.0/24"), cidr("10.2.0.0/16")));
    assert_eq!((rule.iif.as_deref(), rule.mark, rule.table), (Some("lo"), Some(5), 1000));
    let seen = ip(&netns, "rule show").as_array().unwrap().len()
        + ip(&netns, "-6 rule show").as_array().unwrap().len();
    assert_eq!(rules.len(), seen);
}
