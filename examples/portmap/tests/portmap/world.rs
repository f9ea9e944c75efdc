//! A host with a bridge, a container on it, a machine outside, and calls of the plugin.

use std::collections::BTreeSet;
use std::time::Duration;

use cni_skel::Sysctl;
use cni_skel::net::{Address, Bridge, LinkIndex, Net, Route, Veth};
use cni_testing::types::Command;
use cni_testing::{Call, TestNetns, json};
use portmap::Portmap;
use serde_json::Value;

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
    pub(crate) fn call(&self, command: Command, id: &str, config: &Value) -> Call<'_, &'static Portmap> {
        let call = Call::new(command, &Portmap).host(&self.host).config(config);
        match command {
            Command::Add | Command::Del | Command::Check => call.container_id(id).netns(&self.container),
            _ => call,
        }
    }

    #[track_caller]
    pub(crate) fn add(&self, id: &str, config: &Value) {
        let outcome = self.call(Command::Add, id, config).run();
        assert_eq!(outcome.result().ips.len(), config["prevResult"]["ips"].as_array().unwrap().len());
    }

    #[track_caller]
    pub(crate) fn del(&self, id: &str, config: &Value) {
        let _ = self.call(Command::Del, id, config).run().silent_success();
    }

    #[track_caller]
    pub(crate) fn check(&self, id: &str, config: &Value) {
        let _ = self.call(Command::Check, id, config).run().silent_success();
    }

    /// The ruleset as a set of lines: elements of a map are listed in no certain order.
    #[track_caller]
    pub(crate) fn state(&self) -> BTreeSet<String> {
        let lines = self.host.ruleset().into_iter();
        lines
            .map(|line| line.trim_start_matches("elements = {").trim_matches([' ', ',', '}']).to_owned())
            .collect()
    }

    /// The lines of the ruleset that are about an attachment.
    #[track_caller]
    pub(crate) fn of_containers(&self) -> Vec<String> {
        let is_about = |line: &String| line.contains("comment \"") && !line.starts_with("comment");
        self.host.ruleset().into_iter().filter(is_about).collect()
    }
}

/// A configuration with mappings, and the result of a plugin before.
pub(crate) fn config(keys: Value, mappings: Value) -> Value {
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

pub(crate) fn result(addresses: &[&str]) -> Value {
    let ips: Vec<_> = addresses.iter().map(|address| json!({"address": address, "interface": 1})).collect();
    json!({
        "cniVersion": "1.1.0", "ips": ips,
        "interfaces": [{"name": "c1"}, {"name": "eth0", "sandbox": "/run/netns/c1"}],
    })
}

/// A mapping of a port to another.
pub(crate) fn tcp(host_port: u16, container_port: u16) -> Value {
    json!({"hostPort": host_port, "containerPort": container_port, "protocol": "tcp"})
}

/// The configuration without a key, which may be one of an object in it.
pub(crate) fn without(config: &Value, keys: &[&str]) -> Value {
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
