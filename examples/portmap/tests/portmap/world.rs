//! A host with a bridge, a container on it, a machine outside, and calls of the plugin.
#![allow(dead_code, reason = "each test target uses its part")]

use std::collections::BTreeSet;
use std::time::Duration;

use cni_skel::Sysctl;
use cni_skel::net::{Address, Bridge, LinkIndex, Net, Route, Veth};
use cni_skel::nft::{Chain, Element, Family, Field, Nft, Rule, Table, Value};
use cni_testing::types::Command;
use cni_testing::{Call, Snapshot, TestNetns, json};
use portmap::Portmap;
use serde_json::Value as Json;

/// How long the kernel may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The container's addresses, and those of the host towards it and outside.
pub(crate) const CONTAINER: [&str; 2] = ["10.1.0.2", "fd00:1::2"];
pub(crate) const HOST_OUTSIDE: [&str; 2] = ["192.0.2.1", "2001:db8::1"];
pub(crate) const OUTSIDE: [&str; 2] = ["192.0.2.2", "2001:db8::2"];

/// The host alone, and what is connected to it.
pub(crate) struct World {
    pub(crate) host: TestNetns,
    pub(crate) container: TestNetns,
    pub(crate) outside: TestNetns,
}

impl World {
    /// Nothing is connected: for tests that look at rules only.
    pub(crate) fn bare() -> Self {
        let world = Self { host: TestNetns::new(), container: TestNetns::new(), outside: TestNetns::new() };
        let net = world.host.net().unwrap();
        net.set_up(net.link("lo").unwrap().index).unwrap();
        world
    }

    /// The container is on a bridge of the host, and the machine outside is the host's neighbour.
    pub(crate) fn connected() -> Self {
        let world = Self::bare();
        [&world.host, &world.outside].into_iter().for_each(be_quick);
        let host = world.host.net().unwrap();
        let bridge = host.add_bridge(&Bridge::new("br0")).unwrap().index;
        host.set_up(bridge).unwrap();
        give(&host, bridge, ["10.1.0.1/24", "fd00:1::1/64"]);
        world.attach(&world.container, "c1", ["10.1.0.2/24", "fd00:1::2/64"]);
        let up = host.add_veth(&Veth::new("up", "eth0").up(), world.outside.netns()).unwrap();
        give(&host, up.host.index, ["192.0.2.1/24", "2001:db8::1/64"]);
        ready(&world.outside, ["192.0.2.2/24", "2001:db8::2/64"], HOST_OUTSIDE);
        host.wait_until_up(up.host.index, PATIENCE).unwrap();
        let forward = || {
            assert!(Sysctl::at(&["ipv4", "ip_forward"]).unwrap().write("1").unwrap());
            assert!(Sysctl::ipv6("all", "forwarding").unwrap().write("1").unwrap());
        };
        world.host.run(forward).unwrap();
        world
    }

    /// Puts a container on the bridge.
    pub(crate) fn attach(&self, container: &TestNetns, name: &str, addresses: [&str; 2]) {
        be_quick(container);
        let host = self.host.net().unwrap();
        let bridge = host.link("br0").unwrap().index;
        let veth = Veth::new(name, "eth0").master(bridge).hairpin(true).up();
        let pair = host.add_veth(&veth, container.netns()).unwrap();
        ready(container, addresses, ["10.1.0.1", "fd00:1::1"]);
        // A port carries nothing before.
        for link in [pair.host.index, bridge] {
            host.wait_until_up(link, PATIENCE).unwrap();
        }
    }

    /// A call for a container's eth0 with the addresses of `container`.
    pub(crate) fn call(&self, command: Command, id: &str, config: &Json) -> Call<'_, &'static Portmap> {
        let call = Call::new(command, &Portmap).host(&self.host).config(config);
        match command {
            Command::Add | Command::Del | Command::Check => call.container_id(id).netns(&self.container),
            _ => call,
        }
    }

    #[track_caller]
    pub(crate) fn add(&self, id: &str, config: &Json) {
        let outcome = self.call(Command::Add, id, config).run();
        assert_eq!(outcome.result().ips.len(), config["prevResult"]["ips"].as_array().unwrap().len());
    }

    #[track_caller]
    pub(crate) fn del(&self, id: &str, config: &Json) {
        self.call(Command::Del, id, config).run().silent_success();
    }

    #[track_caller]
    pub(crate) fn check(&self, id: &str, config: &Json) {
        self.call(Command::Check, id, config).run().silent_success();
    }

    pub(crate) fn nft(&self) -> Nft {
        self.host.run(Nft::open).unwrap().unwrap()
    }

    /// What there is of nftables, a line each, in no order.
    #[track_caller]
    pub(crate) fn state(&self) -> BTreeSet<String> {
        let all = Snapshot::of_netns(self.host.netns()).unwrap();
        all.lines().filter(|line| line.starts_with("nftables: ")).map(str::to_owned).collect()
    }

    /// All rules and elements that are about an attachment: those with a comment.
    #[track_caller]
    pub(crate) fn of_containers(&self) -> Vec<String> {
        let rules = self.rules().into_iter().filter(|rule| rule.as_comment().is_some());
        let elements = self.elements().into_iter().filter(|element| element.comment.is_some());
        rules.map(|rule| rule.to_string()).chain(elements.map(|element| format!("{element:?}"))).collect()
    }

    /// The rules of all chains.
    #[track_caller]
    pub(crate) fn rules(&self) -> Vec<Rule> {
        let nft = self.nft();
        let tables = Family::ALL.iter().flat_map(|&family| nft.tables(family).unwrap());
        let chains = tables.flat_map(|table| nft.chains(&table).unwrap());
        chains.flat_map(|chain| nft.rules(&chain).unwrap()).collect()
    }

    /// The elements of all sets and maps.
    #[track_caller]
    pub(crate) fn elements(&self) -> Vec<Element> {
        let nft = self.nft();
        let tables = Family::ALL.iter().flat_map(|&family| nft.tables(family).unwrap());
        let sets = tables.flat_map(|table| nft.sets(&table).unwrap());
        sets.flat_map(|set| nft.elements(&set).unwrap()).collect()
    }

    /// Whether there is such a rule, with this comment.
    #[track_caller]
    pub(crate) fn has(&self, rule: &Rule) -> bool {
        let is_same = |found: &Rule| found.does_the_same(rule) && found.as_comment() == rule.as_comment();
        self.rules().iter().any(is_same)
    }

    /// Whether a rule or an element is about a port of the host.
    #[track_caller]
    pub(crate) fn maps(&self, port: u16) -> bool {
        let port = Value::port(port);
        self.rules().iter().any(|rule| rule.required(Field::Dport).as_ref() == Some(&port))
            || self.elements().iter().any(|element| element.key.contains(&port))
    }
}

/// A configuration with mappings, and the result of a plugin before.
pub(crate) fn config(keys: Json, mappings: Json) -> Json {
    let mut config = json!({
        "cniVersion": "1.1.0", "name": "lan", "type": "portmap", "backend": "nftables",
        "runtimeConfig": {"portMappings": mappings},
        "prevResult": result(&["10.1.0.2/24", "fd00:1::2/64"]),
    });
    for (key, value) in keys.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

pub(crate) fn result(addresses: &[&str]) -> Json {
    let ips: Vec<_> = addresses.iter().map(|address| json!({"address": address, "interface": 1})).collect();
    json!({
        "cniVersion": "1.1.0", "ips": ips,
        "interfaces": [{"name": "c1"}, {"name": "eth0", "sandbox": "/run/netns/c1"}],
    })
}

/// The chain with the ports of a family.
pub(crate) fn hostports(family: Family) -> Chain {
    Chain::new(&Table::new(family, "cni_hostport"), "hostports")
}

/// A mapping of a port to another.
pub(crate) fn tcp(host_port: u16, container_port: u16) -> Json {
    json!({"hostPort": host_port, "containerPort": container_port, "protocol": "tcp"})
}

/// The configuration without a key, which may be one of an object in it.
pub(crate) fn without(config: &Json, keys: &[&str]) -> Json {
    let mut config = config.clone();
    for key in keys {
        config.as_object_mut().unwrap().remove(*key).unwrap();
    }
    config
}

fn give(net: &Net, link: LinkIndex, addresses: [&str; 2]) {
    for address in addresses {
        net.add_address(&Address::new(link, address.parse().unwrap()).no_dad()).unwrap();
    }
}

/// Has addresses usable at once: nobody else can have them.
fn be_quick(netns: &TestNetns) {
    let write = || Sysctl::ipv6("default", "accept_dad").unwrap().write("0").unwrap();
    assert!(netns.run(write).unwrap());
}

fn ready(netns: &TestNetns, addresses: [&str; 2], gateways: [&str; 2]) {
    let net = netns.net().unwrap();
    let eth0 = net.link("eth0").unwrap().index;
    give(&net, eth0, addresses);
    net.set_up(eth0).unwrap();
    net.wait_until_up(eth0, PATIENCE).unwrap();
    net.set_up(net.link("lo").unwrap().index).unwrap();
    for (dst, gateway) in ["0.0.0.0/0", "::/0"].iter().zip(gateways) {
        net.add_route(&Route::new(dst.parse().unwrap()).gateway(gateway.parse().unwrap()).link(eth0))
            .unwrap();
    }
}
