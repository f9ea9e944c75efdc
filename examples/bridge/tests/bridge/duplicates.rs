//! IPv6 addresses that somebody has already: `enabledad`.

use std::fs;

use cni_skel::net::Scope;
use cni_testing::types::{Command, ErrorCode};
use cni_testing::{DelegateReply, TestNetns, json};

use crate::world::{World, inside};

#[test]
fn enabledad_has_the_kernel_look_for_duplicates_and_add_wait_for_it() {
    for (keys, wanted) in [(json!({}), "0\n"), (json!({"enabledad": true}), "1\n")] {
        let world = World::new();
        let container = TestNetns::new();
        // In hairpin mode the container hears its own questions.
        let mut config = world.config_with(json!({"hairpinMode": true}));
        config["enabledad"] = keys["enabledad"].clone();
        world.add("c1", &container, &config);
        let read = |key: &str| {
            let path = format!("/proc/sys/net/ipv6/conf/eth0/{key}");
            container.run(|| fs::read_to_string(&path).unwrap()).unwrap()
        };
        assert_eq!(read("accept_dad"), wanted);
        assert_eq!(read("enhanced_dad"), "1\n");
        let net = container.net().unwrap();
        let addresses = net.addresses(Some(net.link("eth0").unwrap().index)).unwrap();
        // The link-local address, which no IPAM plugin gave, may come later.
        let mut given = addresses.iter().filter(|address| address.scope == Scope::UNIVERSE);
        assert!(given.all(|address| !address.flags.is_tentative()), "{addresses:?}");
        let detects = |address: &&cni_skel::net::Address| {
            address.scope == Scope::UNIVERSE && address.address.addr().is_ipv6() && !address.flags.is_no_dad()
        };
        assert_eq!(addresses.iter().filter(detects).count(), usize::from(wanted == "1\n"));
    }
}

#[test]
fn an_address_that_another_container_has_is_told_and_nothing_is_left() {
    let world = World::new();
    let (one, two) = (TestNetns::new(), TestNetns::new());
    let config = world.config_with(json!({"enabledad": true, "ipam": {"type": "scripted"}}));
    let ip = || DelegateReply::add(json!({"ips": [{"address": "fd00:1::9/64", "gateway": "fd00:1::1"}]}));
    world.call(Command::Add, "c1", &one, &config).delegate("scripted", ip()).run().success();
    let before = (world.snapshot(), inside(&two));
    let call = world.call(Command::Add, "c2", &two, &config).delegate("scripted", ip());
    let error = call.delegate("scripted", DelegateReply::del()).run().error_with(ErrorCode::INTERNAL);
    assert_eq!(error.msg, "duplicate address detection found address fd00:1::9/64 on another host");
    world.snapshot().assert_same_as(&before.0);
    inside(&two).assert_same_as(&before.1);
}

#[test]
fn without_ipv6_addresses_there_is_nothing_to_wait_for() {
    let world = World::new();
    let container = TestNetns::new();
    let ipam =
        json!({"type": "host-local", "dataDir": world.state(), "ranges": [[{"subnet": "10.1.0.0/24"}]]});
    let result = world.add("c1", &container, &world.config_with(json!({"enabledad": true, "ipam": ipam})));
    assert_eq!(result.ips.len(), 1);
}
