//! A failed ADD leaves nothing, and takes nothing from others.

use cni_testing::types::{Command, ErrorCode};
use cni_testing::{DelegateReply, TestNetns, faults, json};

use crate::places::{Place, real};
use crate::world::World;

#[test]
fn whatever_fails_nothing_is_left() {
    let world = || Place::new((TestNetns::new(), TestNetns::new()));
    let is_the_pools = |line: &str| {
        matches!(line, "folder test" | "file test/lock: \"\"")
            || line.starts_with("file test/last_reserved_ip.")
    };
    let keys = json!({"vlan": 100, "vlanTrunk": [{"minID": 7, "maxID": 9}]});
    let report =
        faults::assert_clean_failure_but(is_the_pools, world, |world, command| real(world, command, &keys));
    eprintln!("{report}");
    assert!(report.injected > 50, "{report}");
}

#[test]
fn a_gateway_that_others_use_by_then_stays_and_one_that_nobody_uses_goes() {
    for (vlan_of_other, stays) in [(100, true), (200, false)] {
        let world = World::new();
        let (one, two) = (TestNetns::new(), TestNetns::new());
        let other = world.config_with(json!({"vlan": vlan_of_other, "ipam": {}, "isDefaultGateway": false}));
        world.add("other", &one, &other);
        // The second address has another gateway, when the first is there already.
        let ips = json!({"ips": [
            {"address": "10.1.0.2/24", "gateway": "10.1.0.1"}, {"address": "10.2.0.2/24", "gateway": "10.2.0.1"}]});
        let config = world.config_with(json!({"vlan": 100, "ipam": {"type": "scripted"}}));
        let call =
            world.call(Command::Add, "c2", &two, &config).delegate("scripted", DelegateReply::add(ips));
        let outcome = call.delegate("scripted", DelegateReply::del()).run();
        outcome.error_with(ErrorCode::INVALID_NETWORK_CONFIG);
        assert_eq!(world.net().find_link("br0.100").unwrap().is_some(), stays);
    }
}
