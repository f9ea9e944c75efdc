//! The life of an attachment: what each command makes, finds and leaves.

use std::fs;

use cni_skel::net::{Address, AddressFlags, Route, Scope};
use cni_testing::types::{Command, ErrorCode};
use cni_testing::{TestNetns, json};

use crate::world::{World, addresses, host_end, inside, with_prev_result};

#[test]
fn add_makes_a_dual_stack_attachment_and_tells_it() {
    let world = World::new();
    let container = TestNetns::new();
    let result = world.add("c1", &container, &world.config());

    let names: Vec<_> = result.interfaces.iter().map(|interface| interface.name.as_str()).collect();
    let host = world.net();
    let (bridge, port) = (host.link("br0").unwrap(), host_end(&host));
    assert_eq!(names, ["br0", port.name.as_str(), "eth0"]);
    assert_eq!(result.interfaces[2].sandbox.as_deref(), container.path().to_str());
    assert_eq!(result.interfaces[0].mac, bridge.mac.as_ref().map(ToString::to_string));
    assert_eq!(result.interfaces[1].mac, port.mac.as_ref().map(ToString::to_string));

    let net = container.net().unwrap();
    let eth0 = net.link("eth0").unwrap();
    assert_eq!(result.interfaces[2].mac, eth0.mac.as_ref().map(ToString::to_string));
    assert!(eth0.flags.is_up() && port.flags.is_up() && bridge.flags.is_up());
    assert_eq!(port.master, Some(bridge.index));
    assert_eq!(port.alias.as_deref(), Some("cni:lan:c1:eth0"));
    assert_eq!(addresses(&net, eth0.index), ["10.1.0.2/24", "fd00:1::2/64"]);
    assert_eq!(addresses(&host, bridge.index), ["10.1.0.1/24", "fd00:1::1/64"]);
    let ips: Vec<_> = result.ips.iter().map(|ip| (ip.address.to_string(), ip.interface)).collect();
    assert_eq!(ips, [("10.1.0.2/24".to_owned(), Some(2)), ("fd00:1::2/64".to_owned(), Some(2))]);
    let routes: Vec<_> = net.routes(Some(254)).unwrap().iter().map(ToString::to_string).collect();
    assert!(routes.contains(&"default via 10.1.0.1".to_owned()), "{routes:?}");
    assert!(routes.contains(&"default via fd00:1::1".to_owned()), "{routes:?}");
}

#[test]
fn an_ipv6_address_is_ready_when_add_returns_without_duplicate_address_detection() {
    let world = World::new();
    let container = TestNetns::new();
    world.add("c1", &container, &world.config());
    for (net, link) in [(container.net().unwrap(), "eth0"), (world.net(), "br0")] {
        let link = net.link(link).unwrap().index;
        let flags: Vec<AddressFlags> = net
            .addresses(Some(link))
            .unwrap()
            .iter()
            .filter(|address| address.scope == Scope::UNIVERSE)
            .map(|address| address.flags)
            .collect();
        assert!(flags.iter().all(|flags| !flags.is_tentative()) && !flags.is_empty(), "{flags:?}");
    }
}

#[test]
fn router_advertisements_from_containers_are_ignored_and_forwarding_is_on() {
    let world = World::new();
    let container = TestNetns::new();
    world.add("c1", &container, &world.config());
    let port = host_end(&world.net()).name;
    let read = |path: String| world.host.run(|| fs::read_to_string(&path).unwrap()).unwrap();
    for name in ["br0", &port] {
        assert_eq!(read(format!("/proc/sys/net/ipv6/conf/{name}/accept_ra")), "0\n", "{name}");
    }
    assert_eq!(read("/proc/sys/net/ipv4/ip_forward".to_owned()), "1\n");
    assert_eq!(read("/proc/sys/net/ipv6/conf/all/forwarding".to_owned()), "1\n");
}

#[test]
fn del_leaves_the_network_and_nothing_else_and_a_second_del_succeeds() {
    let world = World::used(World::config);
    let (before, container) = (world.snapshot(), TestNetns::new());
    let empty = inside(&container);
    world.add("c1", &container, &world.config());
    world.del("c1", &container, &world.config());
    inside(&container).assert_same_as(&empty);
    let mut after = world.snapshot();
    // The address that was handed out last is remembered, and that is all.
    let added: Vec<_> = after.added_since(&before).map(ToOwned::to_owned).collect();
    assert!(added.iter().all(|line| line.starts_with("file lan/last_reserved_ip.")), "{added:?}");
    world.del("c1", &container, &world.config());
    after.assert_same_as(&world.snapshot());
    after = world.snapshot();
    world.del("never-added", &container, &world.config());
    after.assert_same_as(&world.snapshot());
}

#[test]
fn del_works_without_a_namespace_and_with_one_that_is_gone() {
    for is_gone in [false, true] {
        let world = World::used(World::config);
        let before = world.snapshot();
        let container = TestNetns::new();
        let config = world.config();
        let result = world.add("c1", &container, &config);
        let call = world.call(Command::Del, "c1", &container, &with_prev_result(&config, &result));
        let call = if is_gone { call.env("CNI_NETNS", "/nonexistent") } else { call.env("CNI_NETNS", "") };
        call.run().silent_success();
        let after = world.snapshot();
        let added: Vec<_> = after.added_since(&before).collect();
        assert!(added.iter().all(|line| line.starts_with("file lan/last_reserved_ip.")), "{added:?}");
    }
}

#[test]
fn del_releases_the_address_when_the_container_took_its_interface_with_it() {
    let world = World::used(World::config);
    let container = TestNetns::new();
    let path = container.path().to_owned();
    world.add("c1", &container, &world.config());
    drop(container);
    let other = TestNetns::new();
    world.call(Command::Del, "c1", &other, &world.config()).env("CNI_NETNS", &path).run().silent_success();
    let left = world.snapshot().to_string();
    assert!(!left.contains("c1"), "{left}");
}

#[test]
fn del_of_one_attachment_leaves_the_others() {
    let world = World::used(World::config);
    let (one, two) = (TestNetns::new(), TestNetns::new());
    let config = world.config();
    world.add("c1", &one, &config);
    world.add("c2", &two, &config);
    world.call(Command::Add, "c1", &one, &config).ifname("eth1").run().success();
    let before = inside(&two);
    world.del("c1", &one, &config);
    inside(&two).assert_same_as(&before);
    let net = one.net().unwrap();
    assert!(net.find_link("eth0").unwrap().is_none() && net.find_link("eth1").unwrap().is_some());
    world.call(Command::Del, "c1", &one, &config).ifname("eth1").run().silent_success();
}

#[test]
fn del_without_a_namespace_finds_by_the_previous_result_what_the_reference_plugin_made() {
    let world = World::used(World::config);
    let before = world.snapshot();
    let container = TestNetns::new();
    let config = world.config();
    let mut result = world.add("c1", &container, &config);
    // The reference plugin takes a random name and sets no alias.
    let net = world.net();
    let port = host_end(&net);
    net.set_alias(port.index, "").unwrap();
    net.set_down(port.index).unwrap();
    net.rename(port.index, "vethdeadbeef").unwrap();
    result.interfaces[1].name = "vethdeadbeef".to_owned();
    let call = world.call(Command::Del, "c1", &container, &with_prev_result(&config, &result));
    call.env("CNI_NETNS", "").run().silent_success();
    let after = world.snapshot();
    assert!(after.added_since(&before).all(|line| line.starts_with("file lan/last_reserved_ip.")));
}

#[test]
fn check_finds_nothing_wrong_after_add_and_changes_nothing() {
    let world = World::new();
    let container = TestNetns::new();
    let config = world.config();
    let result = world.add("c1", &container, &config);
    let config = with_prev_result(&config, &result);
    let before = (world.snapshot(), inside(&container));
    for _ in 0..3 {
        world.call(Command::Check, "c1", &container, &config).run().silent_success();
    }
    world.snapshot().assert_same_as(&before.0);
    inside(&container).assert_same_as(&before.1);
}

#[test]
fn check_allows_for_what_a_later_plugin_has_added() {
    let world = World::new();
    let container = TestNetns::new();
    let config = world.config();
    let result = world.add("c1", &container, &config);
    let config = with_prev_result(&config, &result);
    let net = container.net().unwrap();
    let eth0 = net.link("eth0").unwrap().index;
    net.add_address(&Address::new(eth0, "10.9.0.2/24".parse().unwrap())).unwrap();
    net.add_route(&Route::new("10.8.0.0/16".parse().unwrap()).link(eth0)).unwrap();
    world.call(Command::Check, "c1", &container, &config).run().silent_success();
}

#[test]
fn check_names_what_is_missing() {
    type Damage = fn(&World, &TestNetns);
    let damages: [(&str, Damage); 5] = [
        ("address 10.1.0.2/24 is missing on", |_, container| {
            let net = container.net().unwrap();
            let address =
                net.addresses(None).unwrap().into_iter().find(|a| a.address.to_string() == "10.1.0.2/24");
            net.delete_address(&address.unwrap()).unwrap();
        }),
        ("route ::/0 via fd00:1::1 is missing", |_, container| {
            let net = container.net().unwrap();
            let route =
                net.routes(None).unwrap().into_iter().find(|r| r.to_string() == "default via fd00:1::1");
            net.delete_route(&route.unwrap()).unwrap();
        }),
        ("container interface eth0 is missing", |world, _| {
            let net = world.net();
            net.delete_link(host_end(&net).index).unwrap();
        }),
        ("is not a port of bridge br0", |world, _| {
            let net = world.net();
            net.set_master(host_end(&net).index, None).unwrap();
        }),
        ("container interface eth0 is down", |_, container| {
            let net = container.net().unwrap();
            net.set_down(net.link("eth0").unwrap().index).unwrap();
        }),
    ];
    for (expected, damage) in damages {
        let world = World::new();
        let container = TestNetns::new();
        let config = world.config();
        let config = with_prev_result(&config, &world.add("c1", &container, &config));
        damage(&world, &container);
        let error = world.call(Command::Check, "c1", &container, &config).run().error();
        assert!(error.msg.contains(expected), "{expected}: {}", error.msg);
    }
}

#[test]
fn check_asks_ipam_and_needs_the_previous_result() {
    let world = World::new();
    let container = TestNetns::new();
    let config = world.config();
    let result = world.add("c1", &container, &config);
    let outcome = world.call(Command::Check, "c1", &container, &config).run();
    assert!(outcome.error_with(ErrorCode::INVALID_NETWORK_CONFIG).msg.contains("prevResult"));
    fs::remove_file(world.state().join("lan/10.1.0.2")).unwrap();
    world.call(Command::Check, "c1", &container, &with_prev_result(&config, &result)).run().error();
}

#[test]
fn gc_removes_what_belongs_to_no_valid_attachment_and_nothing_of_other_networks() {
    let world = World::new();
    let containers: Vec<_> = (0..3).map(|_| TestNetns::new()).collect();
    let config = world.config();
    world.add("keep", &containers[0], &config);
    world.add("stale", &containers[1], &config);
    let other = world.config_with(json!({"name": "other", "bridge": "br1", "ipam": {}}));
    world.add("other", &containers[2], &other);

    let collect = |key: &str, list: serde_json::Value| {
        let config = world.config_with(json!({key: list}));
        world.call(Command::Gc, "", &containers[0], &config).run().silent_success();
        let net = world.net();
        let aliases = net.links().unwrap().into_iter().filter_map(|link| link.alias);
        let mut aliases: Vec<_> = aliases.collect();
        aliases.sort();
        aliases
    };
    let all = ["cni:lan:keep:eth0", "cni:lan:stale:eth0", "cni:other:other:eth0"];
    assert_eq!(collect("unrelated", json!([])), all);
    let valid = json!([{"containerID": "keep", "ifname": "eth0"}]);
    assert_eq!(collect("cni.dev/valid-attachments", valid), [all[0], all[2]]);
    assert!(!world.snapshot().to_string().contains("stale"));
    assert_eq!(collect("cni.dev/attachments", json!(null)), [all[2]]);
}

#[test]
fn status_is_ipams_and_tells_when_the_bridge_is_none() {
    let world = World::new();
    let nobody = TestNetns::new();
    let config = world.config();
    world.call(Command::Status, "", &nobody, &config).run().silent_success();
    let exhausted = world.config_with(json!({"ipam": {
        "type": "host-local", "dataDir": world.state(), "ranges": [[{"subnet": "10.1.0.0/30"}]]}}));
    world.add("c1", &nobody, &exhausted);
    world.call(Command::Status, "", &nobody, &exhausted).run().error_with(ErrorCode::NOT_AVAILABLE);
    let not_a_bridge = world.config_with(json!({"bridge": "lo"}));
    world.call(Command::Status, "", &nobody, &not_a_bridge).run().error_with(ErrorCode::NOT_AVAILABLE);
}

#[test]
fn fifty_adds_at_once_all_succeed_with_different_addresses() {
    let world = World::new();
    let containers: Vec<_> = (0..50).map(|n| (format!("c{n}"), TestNetns::new())).collect();
    let config = world.config();
    let mut addresses: Vec<_> = std::thread::scope(|scope| {
        let adds: Vec<_> = containers
            .iter()
            .map(|(id, container)| {
                scope.spawn(|| world.add(id, container, &config).ips[0].address.to_string())
            })
            .collect();
        adds.into_iter().map(|add| add.join().unwrap()).collect()
    });
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 50);
    for (id, container) in &containers {
        world.del(id, container, &config);
    }
    assert!(!world.snapshot().to_string().contains("veth"));
}
