//! What each key of the configuration does.

use cni_skel::net::Address;
use cni_testing::types::{Command, ErrorCode};
use cni_testing::{TestNetns, json};

use crate::world::{World, addresses, host_end, with_prev_result};

#[test]
fn without_ipam_the_container_gets_a_link_and_no_address() {
    let world = World::new();
    let container = TestNetns::new();
    let config = world.config_with(json!({"ipam": {}, "isDefaultGateway": false}));
    let result = world.add("c1", &container, &config);
    let eth0 = container.net().unwrap().link("eth0").unwrap();
    assert!(eth0.flags.is_up() && result.ips.is_empty() && result.interfaces.len() == 3);
    let checked = with_prev_result(&config, &result);
    world.call(Command::Check, "c1", &container, &checked).run().silent_success();
    world.call(Command::Status, "c1", &container, &config).run().silent_success();
    world.del("c1", &container, &config);
    assert!(container.net().unwrap().find_link("eth0").unwrap().is_none());
}

#[test]
fn a_container_interface_that_is_disabled_stays_down() {
    let world = World::new();
    let container = TestNetns::new();
    let config =
        world.config_with(json!({"ipam": {}, "isDefaultGateway": false, "disableContainerInterface": true}));
    let result = world.add("c1", &container, &config);
    assert!(!container.net().unwrap().link("eth0").unwrap().flags.is_up());
    let checked = with_prev_result(&config, &result);
    world.call(Command::Check, "c1", &container, &checked).run().silent_success();
}

#[test]
fn is_gateway_alone_adds_no_default_route() {
    let world = World::new();
    let container = TestNetns::new();
    let config = world.config_with(json!({"isDefaultGateway": false, "isGateway": true}));
    let result = world.add("c1", &container, &config);
    assert!(result.routes.is_empty());
    let net = world.net();
    assert_eq!(addresses(&net, net.link("br0").unwrap().index), ["10.1.0.1/24", "fd00:1::1/64"]);
}

#[test]
fn a_default_route_that_ipam_gives_is_not_doubled() {
    let world = World::new();
    let container = TestNetns::new();
    let mut config = world.config();
    config["ipam"]["routes"] = json!([{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}, {"dst": "10.9.0.0/16"}]);
    let result = world.add("c1", &container, &config);
    let routes: Vec<_> = result.routes.iter().map(|route| route.dst.to_string()).collect();
    assert_eq!(routes, ["0.0.0.0/0", "10.9.0.0/16", "::/0"]);
    let present = container.net().unwrap().routes(None).unwrap();
    assert!(present.iter().any(|route| route.to_string() == "10.9.0.0/16 via 10.1.0.1"));
}

#[test]
fn the_attributes_of_a_route_reach_the_kernel() {
    let world = World::new();
    let container = TestNetns::new();
    let mut config = world.config();
    config["ipam"]["routes"] =
        json!([{"dst": "10.9.0.0/16", "mtu": 1400, "advmss": 1300, "priority": 50, "table": 100}]);
    world.add("c1", &container, &config);
    let routes = container.net().unwrap().routes(Some(100)).unwrap();
    let route = routes.iter().find(|route| route.dst.to_string() == "10.9.0.0/16").unwrap();
    assert_eq!((route.mtu, route.advmss, route.priority), (Some(1400), Some(1300), Some(50)));
    // It names none of its own.
    assert_eq!(route.gateway, Some("10.1.0.1".parse().unwrap()));
}

#[test]
fn force_address_makes_room_for_the_gateway() {
    let world = World::used(|world| world.config_with(json!({"ipam": {}, "isDefaultGateway": false})));
    let container = TestNetns::new();
    let net = world.net();
    let bridge = net.link("br0").unwrap().index;
    net.add_address(&Address::new(bridge, "192.168.9.1/24".parse().unwrap())).unwrap();
    world.add("c1", &container, &world.config_with(json!({"forceAddress": true})));
    assert_eq!(addresses(&net, bridge), ["10.1.0.1/24", "fd00:1::1/64"]);
}

#[test]
fn the_mtu_is_that_of_both_ends_and_of_a_new_bridge() {
    let world = World::new();
    let container = TestNetns::new();
    let result = world.add("c1", &container, &world.config_with(json!({"mtu": 1400})));
    assert!(result.interfaces.iter().all(|interface| interface.mtu == Some(1400)), "{result:#?}");
    // Version 1.0.0 has no key for it.
    let older = World::new();
    let config = older.config_with(json!({"mtu": 1400, "cniVersion": "1.0.0"}));
    let result = older.add("c1", &TestNetns::new(), &config);
    assert!(result.interfaces.iter().all(|interface| interface.mtu.is_none()), "{result:#?}");
    let net = world.net();
    assert_eq!(net.link("br0").unwrap().mtu, 1400);
    assert_eq!(host_end(&net).mtu, 1400);
    assert_eq!(container.net().unwrap().link("eth0").unwrap().mtu, 1400);
}

#[test]
fn hairpin_isolation_and_promiscuity_are_set_and_checked() {
    for (key, undo) in [("hairpinMode", 0), ("portIsolation", 1), ("promiscMode", 2)] {
        let world = World::new();
        let container = TestNetns::new();
        let config = world.config_with(json!({key: true}));
        let result = world.add("c1", &container, &config);
        let net = world.net();
        let (bridge, port) = (net.link("br0").unwrap(), host_end(&net));
        let options = port.port.unwrap();
        assert_eq!(options.hairpin, key == "hairpinMode");
        assert_eq!(options.isolated, key == "portIsolation");
        assert_eq!(bridge.flags.is_promisc(), key == "promiscMode");
        let config = with_prev_result(&config, &result);
        world.call(Command::Check, "c1", &container, &config).run().silent_success();
        match undo {
            0 => net.set_hairpin(port.index, false).unwrap(),
            1 => net.set_isolated(port.index, false).unwrap(),
            _ => net.set_promisc(bridge.index, false).unwrap(),
        }
        world.call(Command::Check, "c1", &container, &config).run().error_with(ErrorCode::INTERNAL);
    }
}

#[test]
fn the_hardware_address_comes_from_where_it_counts_most() {
    let sources = [
        (
            json!({"runtimeConfig": {"mac": "02:00:00:00:00:01"}, "args": {"cni": {"mac": "02:00:00:00:00:02"}}}),
            "01",
        ),
        (json!({"args": {"cni": {"mac": "02:00:00:00:00:02"}}}), "02"),
        (json!({"runtimeConfig": {"mac": ""}}), "03"),
        (json!({}), "03"),
    ];
    for (keys, last) in sources {
        let world = World::new();
        let container = TestNetns::new();
        let config = world.config_with(keys);
        // host-local is called with the same CNI_ARGS.
        let call = world.call(Command::Add, "c1", &container, &config).args("MAC=02:00:00:00:00:03");
        let result = call.run().result();
        let mac = container.net().unwrap().link("eth0").unwrap().mac.unwrap().to_string();
        assert_eq!(mac, format!("02:00:00:00:00:{last}"));
        assert_eq!(result.interfaces[2].mac.as_deref(), Some(mac.as_str()));
    }
}

#[test]
fn resolver_settings_of_the_configuration_count_more_than_ipams() {
    let world = World::new();
    let (one, two) = (TestNetns::new(), TestNetns::new());
    let resolv = world.state().join("resolv.conf");
    std::fs::write(&resolv, "nameserver 10.0.0.53\n").unwrap();
    let mut config = world.config();
    config["ipam"]["resolvConf"] = json!(resolv);
    assert_eq!(world.add("c1", &one, &config).dns.nameservers, ["10.0.0.53"]);
    config["dns"] = json!({"nameservers": ["10.1.0.1"]});
    assert_eq!(world.add("c2", &two, &config).dns.nameservers, ["10.1.0.1"]);
}

#[test]
fn the_bridge_keeps_its_hardware_address_when_containers_come_and_go() {
    let world = World::new();
    let containers: Vec<_> = (0..4).map(|_| TestNetns::new()).collect();
    let mac_after = |n: usize| {
        world.add(&format!("c{n}"), &containers[n], &world.config());
        world.net().link("br0").unwrap().mac
    };
    let first = mac_after(0);
    assert!((1..4).all(|n| mac_after(n) == first));
    world.del("c0", &containers[0], &world.config());
    assert_eq!(world.net().link("br0").unwrap().mac, first);
}

#[test]
fn each_version_gets_the_result_in_its_own_shape() {
    let world = World::new();
    for version in ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        let container = TestNetns::new();
        let config = world.config_with(json!({"cniVersion": version}));
        let call = world.call(Command::Add, &format!("c-{version}"), &container, &config);
        let json = call.run().success().json();
        assert_eq!(json["cniVersion"], version);
        let ip = match version {
            "0.1.0" | "0.2.0" => &json["ip4"]["ip"],
            _ => &json["ips"][0]["address"],
        };
        assert!(ip.as_str().is_some_and(|ip| ip.starts_with("10.1.0.")), "{version}: {json}");
        world.call(Command::Del, &format!("c-{version}"), &container, &config).run().silent_success();
    }
}

#[test]
fn in_a_chain_what_the_plugins_before_made_comes_first_and_check_finds_both() {
    let world = World::new();
    let container = TestNetns::new();
    let before = json!({"cniVersion": "1.0.0", "interfaces": [{"name": "tap0", "sandbox": "/vm"}],
        "ips": [{"address": "10.9.0.2/16", "interface": 0}], "example.com/x": 1});
    let config = world.config_with(json!({"prevResult": before}));
    let result = world.add("c1", &container, &config);
    let names: Vec<_> = result.interfaces.iter().map(|interface| interface.name.as_str()).collect();
    assert_eq!((names[0], names[1], names[3]), ("tap0", "br0", "eth0"));
    assert_eq!(
        (result.ips[0].address.to_string().as_str(), result.ips[0].interface),
        ("10.9.0.2/16", Some(0))
    );
    assert!(result.ips[1..].iter().all(|ip| ip.interface == Some(3)), "{result:#?}");
    assert_eq!(result.extra.iter().collect::<Vec<_>>(), [("example.com/x", "1")]);
    world.call(Command::Check, "c1", &container, &with_prev_result(&config, &result)).run().silent_success();
    world.del("c1", &container, &with_prev_result(&config, &result));
}
