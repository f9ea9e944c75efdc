//! The VLANs of a container's port.

use std::collections::BTreeSet;

use cni_skel::net::{Bridge, BridgeVlan};
use cni_testing::types::{Command, ErrorCode};
use cni_testing::{TestNetns, json};
use serde_json::Value;

use crate::witness::{reaches, run, vlans};
use crate::world::{World, host_end, inside, with_prev_result};

/// A network without gateway and masquerading.
pub(crate) fn plain(world: &World, keys: Value) -> Value {
    let mut config = world.config_with(json!({"isDefaultGateway": false}));
    for (key, value) in keys.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

#[test]
fn a_port_is_in_the_vlans_that_are_asked_for_and_in_no_others() {
    let native = |id: u16| format!("{id} PVID Egress Untagged");
    for (keys, wanted) in [
        (json!({}), vec![native(1)]),
        (json!({"vlan": 100}), vec![native(100)]),
        (json!({"vlan": 1}), vec![native(1)]),
        (json!({"vlan": 100, "preserveDefaultVlan": true}), vec!["1 Egress Untagged".into(), native(100)]),
        (
            json!({"vlanTrunk": [{"id": 30}, {"minID": 10, "maxID": 12}]}),
            vec![native(1), "10".into(), "11".into(), "12".into(), "30".into()],
        ),
        (
            json!({"vlan": 7, "vlanTrunk": [{"id": 30}], "preserveDefaultVlan": false}),
            vec![native(7), "30".into()],
        ),
    ] {
        let world = World::new();
        let container = TestNetns::new();
        // Even the first of these is on a bridge that looks at VLANs.
        world.net().add_bridge(&Bridge::new("br0").vlan_filtering()).unwrap();
        let config = plain(&world, keys);
        let result = world.add("c1", &container, &config);
        let wanted: BTreeSet<String> = wanted.into_iter().collect();
        assert_eq!(vlans(&world.host, &host_end(&world.net()).name), wanted, "{config}");
        let checked = with_prev_result(&config, &result);
        world.call(Command::Check, "c1", &container, &checked).run().silent_success();
        world.del("c1", &container, &config);
    }
}

#[test]
fn a_bridge_that_add_makes_looks_at_vlans_if_it_is_to() {
    for (keys, filters) in [
        (json!({"vlan": 100}), true),
        (json!({"vlanTrunk": [{"id": 7}]}), true),
        (json!({"preserveDefaultVlan": true, "vlanTrunk": []}), false),
    ] {
        let world = World::new();
        world.add("c1", &TestNetns::new(), &plain(&world, keys));
        let options = world.net().link("br0").unwrap().bridge.unwrap();
        assert_eq!(options.vlan_filtering, Some(filters));
    }
}

#[test]
fn containers_reach_those_of_their_vlan_and_no_others() {
    let world = World::new();
    let containers: Vec<_> = (0..3).map(|_| TestNetns::new()).collect();
    let mut addresses = Vec::new();
    for (n, vlan) in [10, 10, 20].into_iter().enumerate() {
        let config = plain(&world, json!({"vlan": vlan}));
        let result = world.add(&format!("c{n}"), &containers[n], &config);
        addresses.push(result.ips[0].address.addr().to_string());
    }
    assert!(reaches(&containers[0], &addresses[1]));
    assert!(!reaches(&containers[0], &addresses[2]));
    assert!(!reaches(&containers[2], &addresses[1]));
    // Untagged traffic of a port in the default VLAN reaches neither.
    let other = TestNetns::new();
    world.add("c3", &other, &plain(&world, json!({})));
    assert!(!reaches(&other, &addresses[0]));
}

#[test]
fn a_trunk_carries_tagged_packets_of_its_vlans() {
    let world = World::new();
    let (trunk, member) = (TestNetns::new(), TestNetns::new());
    let config = plain(&world, json!({"vlanTrunk": [{"minID": 29, "maxID": 31}], "ipam": {}}));
    world.add("c1", &trunk, &config);
    let result = world.add("c2", &member, &plain(&world, json!({"vlan": 30})));
    let address = result.ips[0].address.addr().to_string();
    for id in [30, 29] {
        run(&trunk, &format!("ip link add link eth0 name eth0.{id} type vlan id {id}"));
        run(&trunk, &format!("ip address add 10.1.0.200/24 dev eth0.{id}"));
        run(&trunk, &format!("ip link set eth0.{id} up"));
        assert_eq!(reaches(&trunk, &address), id == 30, "{id}");
        run(&trunk, &format!("ip link delete eth0.{id}"));
    }
}

#[test]
fn check_notices_vlans_that_are_missing_and_those_that_are_too_many() {
    let world = World::new();
    let container = TestNetns::new();
    let config = plain(&world, json!({"vlan": 100, "vlanTrunk": [{"minID": 7, "maxID": 9}]}));
    let config = with_prev_result(&config, &world.add("c1", &container, &config));
    let (net, check) = (world.net(), || world.call(Command::Check, "c1", &container, &config).run());
    let port = host_end(&net);
    let msg = |is: &str| format!("host interface {} is in VLANs {is}, not 7-9, 100 untagged", port.name);
    net.delete_bridge_vlans(port.index, &[BridgeVlan::tagged(8)]).unwrap();
    assert_eq!(check().error_with(ErrorCode::INTERNAL).msg, msg("7, 9, 100 untagged"));
    net.add_bridge_vlans(port.index, &[BridgeVlan::tagged(8), BridgeVlan::tagged(200)]).unwrap();
    assert_eq!(check().error_with(ErrorCode::INTERNAL).msg, msg("7-9, 100 untagged, 200"));
    net.delete_bridge_vlans(port.index, &[BridgeVlan::tagged(200)]).unwrap();
    check().silent_success();
    net.add_bridge_vlans(port.index, &[BridgeVlan::tagged(100)]).unwrap();
    assert_eq!(check().error_with(ErrorCode::INTERNAL).msg, msg("7-9, 100"));
}

#[test]
fn a_bridge_that_does_not_look_at_vlans_is_refused_and_left_as_it_is() {
    let world = World::new();
    let container = TestNetns::new();
    world.net().add_bridge(&Bridge::new("br0")).unwrap();
    let before = (world.snapshot(), inside(&container));
    let config = plain(&world, json!({"vlan": 100}));
    let msg = "bridge: br0 exists with VLAN filtering off, so vlan and vlanTrunk cannot isolate ports";
    let error = world.call(Command::Add, "c1", &container, &config).run();
    assert_eq!(error.error_with(ErrorCode::INVALID_NETWORK_CONFIG).msg, msg);
    world.snapshot().assert_same_as(&before.0);
    inside(&container).assert_same_as(&before.1);
    let status = world.call(Command::Status, "", &container, &config).run();
    assert_eq!(status.error_with(ErrorCode::NOT_AVAILABLE).msg, msg);
    // Its remedy helps.
    run(&world.host, "ip link set br0 type bridge vlan_filtering 1");
    world.call(Command::Status, "", &container, &config).run().silent_success();
    world.add("c1", &container, &config);
}
