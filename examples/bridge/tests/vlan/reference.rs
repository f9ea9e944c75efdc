//! The reference plugin of Debian's package and this one on the same node.

use std::collections::BTreeSet;

use cni_testing::types::{AddResult, Command};
use cni_testing::{Binary, Call, TestNetns, json, reference_plugin};
use serde_json::Value;

use crate::witness::{run, vlans};
use crate::world::{World, addresses, with_prev_result};

/// What both know. The reference plugin of that version always stays in the default VLAN.
fn config(world: &World) -> Value {
    let ipam =
        json!({"type": "host-local", "dataDir": world.state(), "ranges": [[{"subnet": "10.1.0.0/24"}]]});
    world.config_with(json!({"cniVersion": "1.0.0", "vlan": 100, "preserveDefaultVlan": true, "ipam": ipam}))
}

fn reference<'a>(
    world: &'a World,
    command: Command,
    id: &str,
    container: &'a TestNetns,
    config: &Value,
) -> Call<'a, Binary> {
    let program = reference_plugin("bridge");
    let call = Call::new(command, Binary::at(&program)).host(&world.host).config(config);
    call.plugin_path(program.parent().unwrap()).container_id(id).netns(container)
}

/// The host's links with their VLANs and addresses, without what is left to chance.
fn objects(world: &World) -> BTreeSet<String> {
    let net = world.net();
    let links = net.links().unwrap();
    let bridge = net.link("br0").unwrap();
    let described = links.iter().filter(|link| !link.flags.is_loopback()).map(|link| {
        let name = if link.name.starts_with("veth") { "a port" } else { &link.name };
        let peer = links.iter().find(|peer| Some(peer.index) == link.peer && link.link_netns_id.is_none());
        let seen: Value =
            serde_json::from_str(&run(&world.host, &format!("ip -j -d link show dev {}", link.name))).unwrap();
        let info = &seen[0]["linkinfo"];
        let (filters, port) = (&info["info_data"]["vlan_filtering"], &info["info_slave_data"]);
        format!(
            "{name} {:?} up {} on bridge {} peer {} addresses {:?} VLANs {:?} filters {filters} hairpin {} isolated {}",
            link.kind,
            link.flags.is_up(),
            link.master == Some(bridge.index),
            peer.map_or("elsewhere", |peer| if peer.name.starts_with("veth") { "a port" } else { &peer.name }),
            addresses(&net, link.index),
            vlans(&world.host, &link.name),
            port["hairpin"],
            port["isolated"],
        )
    });
    described.collect()
}

/// The result without hardware addresses and names by chance.
fn shape(result: &AddResult) -> Vec<String> {
    let interfaces = result.interfaces.iter().map(|interface| {
        let name = if interface.name.starts_with("veth") { "a port" } else { &interface.name };
        format!("{name} {}", interface.sandbox.is_some())
    });
    let ips = result.ips.iter().map(|ip| format!("{} {:?} {:?}", ip.address, ip.gateway, ip.interface));
    interfaces.chain(ips).collect()
}

#[test]
fn both_make_the_same_objects_and_the_same_result() {
    let (ours, theirs, container, other) = (World::new(), World::new(), TestNetns::new(), TestNetns::new());
    let our_result = ours.add("c1", &container, &config(&ours));
    let their_result = reference(&theirs, Command::Add, "c1", &other, &config(&theirs)).run().result();
    assert_eq!(objects(&ours), objects(&theirs));
    assert_eq!(shape(&our_result), shape(&their_result));
}

#[test]
fn each_cleans_and_checks_what_the_other_made_and_uses_its_gateway() {
    let world = World::new();
    let (one, two) = (TestNetns::new(), TestNetns::new());
    let config = config(&world);
    let theirs = reference(&world, Command::Add, "c1", &one, &config).run().result();
    let gateway = world.net().link("br0.100").unwrap();
    let ours = world.add("c2", &two, &config);
    assert_eq!(ours.interfaces[3].mac, gateway.mac.map(|mac| mac.to_string()));

    let checked = with_prev_result(&config, &theirs);
    world.call(Command::Check, "c1", &one, &checked).run().silent_success();
    let mut checked = with_prev_result(&config, &ours);
    checked["prevResult"]["cniVersion"] = json!("1.0.0");
    reference(&world, Command::Check, "c2", &two, &checked).run().success();

    world.del("c1", &one, &config);
    reference(&world, Command::Del, "c2", &two, &config).run().success();
    let net = world.net();
    let left: Vec<_> = net.links().unwrap().into_iter().filter(|link| link.link_netns_id.is_some()).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(
        !world.snapshot().to_string().contains("10.1.0.2") && net.find_link("br0.100").unwrap().is_some()
    );
}
