//! The gateway of a VLAN.

use std::collections::BTreeSet;
use std::fs;

use cni_skel::net::{BridgeVlan, Veth};
use cni_testing::types::{Command, ErrorCode};
use cni_testing::{DelegateReply, TestNetns, json};

use crate::witness::{reaches, run, vlans};
use crate::world::{World, addresses, inside, with_prev_result};

#[test]
fn a_vlan_has_a_gateway_of_its_own_which_its_containers_share_and_reach() {
    let world = World::new();
    let (one, two, other) = (TestNetns::new(), TestNetns::new(), TestNetns::new());
    let config = world.config_with(json!({"vlan": 100}));
    let result = world.add("c1", &one, &config);
    let net = world.net();
    let (bridge, gateway) = (net.link("br0").unwrap(), net.link("br0.100").unwrap());
    assert!(gateway.flags.is_up());
    assert_eq!(addresses(&net, gateway.index), ["10.1.0.1/24", "fd00:1::1/64"]);
    assert!(addresses(&net, bridge.index).is_empty());
    let told = &result.interfaces[3];
    assert_eq!((told.name.as_str(), told.sandbox.as_deref()), ("br0.100", None));
    assert_eq!(told.mac, gateway.mac.as_ref().map(ToString::to_string));
    assert!(result.ips.iter().all(|ip| ip.interface == Some(2)));
    let port = net.link_by_index(gateway.peer.unwrap()).unwrap();
    assert_eq!(port.master, Some(bridge.index));
    assert_eq!(vlans(&world.host, &port.name), BTreeSet::from(["100 PVID Egress Untagged".to_owned()]));
    assert!(reaches(&one, "10.1.0.1") && reaches(&one, "fd00:1::1"));

    let before = world.snapshot();
    let again = world.add("c2", &two, &config);
    assert_eq!(again.interfaces[3].mac, told.mac);
    assert!(reaches(&two, "10.1.0.1") && reaches(&one, &again.ips[0].address.addr().to_string()));
    let checked = with_prev_result(&config, &again);
    world.call(Command::Check, "c2", &two, &checked).run().silent_success();
    world.del("c2", &two, &config);
    assert!(before.added_since(&world.snapshot()).all(|line| line.starts_with("file lan/last_reserved_ip")));

    // Another VLAN has another gateway.
    let ipam =
        json!({"type": "host-local", "dataDir": world.state(), "ranges": [[{"subnet": "10.2.0.0/24"}]]});
    world.add("c3", &other, &world.config_with(json!({"name": "wan", "vlan": 200, "ipam": ipam})));
    assert_eq!(addresses(&net, net.link("br0.200").unwrap().index), ["10.2.0.1/24"]);
    world.del("c1", &one, &config);
    assert!(net.find_link("br0.100").unwrap().is_some(), "the gateway belongs to the network");
}

#[test]
fn router_advertisements_are_ignored_by_both_ends_of_a_gateway() {
    let world = World::new();
    world.add("c1", &TestNetns::new(), &world.config_with(json!({"vlan": 100})));
    let net = world.net();
    let port = net.link_by_index(net.link("br0.100").unwrap().peer.unwrap()).unwrap().name;
    for name in ["br0.100", &port] {
        let path = format!("/proc/sys/net/ipv6/conf/{name}/accept_ra");
        assert_eq!(world.host.run(|| fs::read_to_string(&path).unwrap()).unwrap(), "0\n", "{name}");
    }
}

#[test]
fn a_gateway_that_was_left_half_made_is_finished() {
    let world =
        World::used(|world| world.config_with(json!({"vlan": 100, "ipam": {}, "isDefaultGateway": false})));
    let net = world.net();
    let bridge = net.link("br0").unwrap().index;
    net.add_veth(&Veth::new("half", "br0.100").master(bridge), world.host.netns()).unwrap();
    let container = TestNetns::new();
    world.add("c1", &container, &world.config_with(json!({"vlan": 100})));
    assert_eq!(vlans(&world.host, "half"), BTreeSet::from(["100 PVID Egress Untagged".to_owned()]));
    assert!(reaches(&container, "10.1.0.1"));
}

#[test]
fn an_interface_of_that_name_somewhere_else_is_refused_and_one_of_an_administrator_is_used() {
    let world =
        World::used(|world| world.config_with(json!({"vlan": 100, "ipam": {}, "isDefaultGateway": false})));
    let container = TestNetns::new();
    let config = world.config_with(json!({"vlan": 100, "ipam": {"type": "scripted"}}));
    run(&world.host, "ip link add br0.100 type veth peer name stray");
    let before = (world.snapshot(), inside(&container));
    let ip = json!({"ips": [{"address": "10.1.0.2/24"}]});
    let call =
        world.call(Command::Add, "c1", &container, &config).delegate("scripted", DelegateReply::add(ip));
    let outcome = call.delegate("scripted", DelegateReply::del()).run();
    let error = outcome.error_with(ErrorCode::INVALID_NETWORK_CONFIG);
    assert_eq!(error.msg, "vlan: interface br0.100 already exists but is not on bridge br0");
    world.snapshot().assert_same_as(&before.0);
    inside(&container).assert_same_as(&before.1);

    run(&world.host, "ip link delete br0.100");
    run(&world.host, "ip link set br0 address 02:00:00:00:00:01");
    run(&world.host, "ip link add link br0 name br0.100 type vlan id 100");
    run(&world.host, "bridge vlan add dev br0 vid 100 self");
    world.add("c1", &container, &world.config_with(json!({"vlan": 100})));
    assert!(reaches(&container, "10.1.0.1"));
}

#[test]
fn a_name_that_is_too_long_for_the_gateway_is_refused() {
    let world = World::new();
    let container = TestNetns::new();
    let before = world.snapshot();
    let config = world.config_with(json!({"bridge": "verylongname", "vlan": 100}));
    let error = world.call(Command::Add, "c1", &container, &config).run();
    let msg = "vlan: the name verylongname.100 of the gateway interface is too long";
    assert_eq!(error.error_with(ErrorCode::INVALID_NETWORK_CONFIG).msg, msg);
    world.snapshot().assert_same_as(&before);
}

#[test]
fn check_notices_a_gateway_that_is_not_as_add_made_it() {
    let world = World::new();
    let container = TestNetns::new();
    let config = world.config_with(json!({"vlan": 100}));
    let config = with_prev_result(&config, &world.add("c1", &container, &config));
    let (net, check) = (world.net(), || world.call(Command::Check, "c1", &container, &config).run());
    let gateway = net.link("br0.100").unwrap();
    net.add_bridge_vlans(gateway.peer.unwrap(), &[BridgeVlan::tagged(1)]).unwrap();
    assert!(
        check()
            .error_with(ErrorCode::INTERNAL)
            .msg
            .ends_with("is in VLANs 1, 100 untagged, not 100 untagged")
    );
    net.delete_bridge_vlans(gateway.peer.unwrap(), &[BridgeVlan::tagged(1)]).unwrap();
    net.set_down(gateway.index).unwrap();
    assert_eq!(check().error_with(ErrorCode::INTERNAL).msg, "gateway interface br0.100 is down");
    net.delete_link(gateway.index).unwrap();
    assert_eq!(check().error_with(ErrorCode::INTERNAL).msg, "gateway interface br0.100 is missing");
}
