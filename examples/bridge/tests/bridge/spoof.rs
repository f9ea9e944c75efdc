//! Packets in another's name: `macspoofchk`.

use std::net::UdpSocket;
use std::time::Duration;

use cni_skel::net::Neighbour;
use cni_skel::nft::{Base, Chain, ChainType, Family, Field, Hook, Nft, Rule, Table, Value};
use cni_testing::types::{Command, ErrorCode, MacAddr};
use cni_testing::{DelegateReply, TestNetns, faults, json};

use crate::places::{Place, is_the_pools, real};
use crate::world::{World, assert_rules, host_end, inside, with_prev_result};

fn config(world: &World) -> serde_json::Value {
    world.config_with(json!({"macspoofchk": true}))
}

fn chain(name: &str) -> Chain {
    Chain::new(&Table::new(Family::Bridge, "nat"), name)
}

/// Asserts that of all this there is what stays.
#[track_caller]
fn assert_only_the_layout(world: &World) {
    let nft = world.nft();
    let chains = nft.chains(&Table::new(Family::Bridge, "nat")).unwrap();
    // `nft` calls this priority dstnat.
    let base = Base::new(ChainType::Filter, Hook::Prerouting, -300);
    assert_eq!(chains.iter().map(|chain| &*chain.name).collect::<Vec<_>>(), ["PREROUTING"]);
    assert_eq!(chains[0].base, Some(base));
    assert_rules(&nft, &chains[0], &[]);
}

#[test]
fn add_makes_the_chains_and_rules_of_the_reference_plugin() {
    let world = World::new();
    let container = TestNetns::new();
    let result = world.add("c1", &container, &config(&world));
    let (port, mac) = (&result.interfaces[1].name, result.interfaces[2].mac.as_deref().unwrap());
    let [first, second, third] =
        ["PREROUTING", "cni-br-iface-c1-eth0", "cni-br-iface-c1-eth0-mac"].map(chain);
    let rule = |chain| Rule::new(chain).comment("macspoofchk-c1-eth0");
    let mac: MacAddr = mac.parse().unwrap();
    let mac = Value::ether(mac.as_bytes().try_into().unwrap());
    let nft = world.nft();
    assert_rules(&nft, &first, &[rule(&first).iifname(port).jump(&second)]);
    assert_rules(&nft, &second, &[rule(&second).jump(&third)]);
    assert_rules(&nft, &third, &[rule(&third).is(Field::EtherSaddr, mac).return_(), rule(&third).drop()]);
}

#[test]
fn a_packet_in_anothers_name_does_not_leave_the_port_and_one_in_its_own_does() {
    for is_checked in [true, false] {
        let world = World::new();
        let (container, peer) = (TestNetns::new(), TestNetns::new());
        let config = world.config_with(json!({"macspoofchk": is_checked}));
        let (own, other) = (world.add("c1", &container, &config), world.add("c2", &peer, &config));
        let own_mac: MacAddr = own.interfaces[2].mac.as_deref().unwrap().parse().unwrap();
        let other_mac: MacAddr = other.interfaces[2].mac.as_deref().unwrap().parse().unwrap();
        let (from, to) = (own.ips[0].address.addr(), other.ips[0].address.addr());
        let net = container.net().unwrap();
        let eth0 = net.link("eth0").unwrap().index;
        let receiver = peer.run(|| UdpSocket::bind((to, 7000)).unwrap()).unwrap();
        receiver.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let sender = container.run(|| UdpSocket::bind((from, 0)).unwrap()).unwrap();
        // Both packets go the same way, so what comes first was let through.
        for (mac, text) in [(&"02:00:00:00:00:66".parse().unwrap(), "not its own"), (&own_mac, "its own")] {
            net.set_mac(eth0, mac).unwrap();
            // The kernel forgets its neighbours when the address changes.
            net.add_neighbour(&Neighbour::new(eth0, to, other_mac.clone())).unwrap();
            sender.send_to(text.as_bytes(), (to, 7000)).unwrap();
        }
        let mut buffer = [0; 32];
        let length = receiver.recv(&mut buffer).unwrap();
        let first = str::from_utf8(&buffer[..length]).unwrap();
        assert_eq!(first, if is_checked { "its own" } else { "not its own" });
    }
}

#[test]
fn del_without_a_namespace_removes_this_attachments_chains_and_no_others() {
    let world = World::new();
    let config = config(&world);
    let (one, two) = (TestNetns::new(), TestNetns::new());
    world.add("c1", &one, &config);
    let before = world.ruleset();
    world.add("c2", &two, &config);
    world.call(Command::Add, "c1", &one, &config).ifname("eth1").run().success();
    world.call(Command::Del, "c1", &one, &config).ifname("eth1").run().silent_success();
    for _ in 0..2 {
        world.del("c2", &two, &config);
        assert_eq!(world.ruleset(), before);
    }
    let call = world.call(Command::Del, "c1", &one, &config).without_env("CNI_NETNS");
    call.run().silent_success();
    assert_only_the_layout(&world);
}

#[test]
fn add_replaces_what_is_left_of_an_attachment_that_nobody_took_away() {
    let world = World::new();
    let container = TestNetns::new();
    let config = config(&world);
    world.add("c1", &container, &config);
    // The container goes and takes its link with it, and no DEL comes.
    let eth0 = container.net().unwrap().link("eth0").unwrap().index;
    container.net().unwrap().delete_link(eth0).unwrap();
    let other = world
        .config_with(json!({"macspoofchk": true, "name": "other", "ipam": {}, "isDefaultGateway": false}));
    let result = world.add("c1", &container, &other);
    let rules = world.nft().rules(&chain("PREROUTING")).unwrap();
    assert_eq!(rules.len(), 1);
    world.call(Command::Check, "c1", &container, &with_prev_result(&other, &result)).run().silent_success();
    world.del("c1", &container, &other);
    assert_only_the_layout(&world);
}

#[test]
fn a_failed_add_takes_its_chains_back() {
    let world = World::new();
    let container = TestNetns::new();
    let before = inside(&container);
    let config = world.config_with(json!({"macspoofchk": true, "ipam": {"type": "scripted"}}));
    let unreachable = json!({
        "ips": [{"address": "10.1.0.2/24"}], "routes": [{"dst": "10.9.0.0/16", "gw": "192.0.2.1"}]
    });
    let call = world.call(Command::Add, "c1", &container, &config);
    let call = call.delegate("scripted", DelegateReply::add(unreachable));
    call.delegate("scripted", DelegateReply::del()).run().error_with(ErrorCode::INTERNAL);
    assert_only_the_layout(&world);
    inside(&container).assert_same_as(&before);
}

#[test]
fn whatever_fails_nothing_is_left() {
    let world = || Place::new((TestNetns::new(), TestNetns::new()));
    let keys = json!({"macspoofchk": true, "isDefaultGateway": false, "ipam": {}});
    let report =
        faults::assert_clean_failure_but(is_the_pools, world, |world, command| real(world, command, &keys));
    eprintln!("{report}");
    assert!(report.injected > 30, "{report}");
}

#[test]
fn check_notices_whatever_is_missing() {
    let breaks: [fn(&Nft); 4] = [
        |nft| nft.batch().flush_chain(&chain("PREROUTING")).send().unwrap(),
        |nft| nft.batch().flush_chain(&chain("cni-br-iface-c1-eth0")).send().unwrap(),
        |nft| {
            let rules = nft.rules(&chain("cni-br-iface-c1-eth0-mac")).unwrap();
            nft.batch().delete_rule(&rules[1]).send().unwrap();
        },
        |nft| {
            let all = Rule::new(&chain("cni-br-iface-c1-eth0-mac")).return_();
            nft.batch().insert_rule(&all).send().unwrap();
        },
    ];
    for break_it in breaks {
        let world = World::new();
        let container = TestNetns::new();
        let config = config(&world);
        let config = with_prev_result(&config, &world.add("c1", &container, &config));
        let check = || world.call(Command::Check, "c1", &container, &config).run();
        check().silent_success();
        break_it(&world.nft());
        let msg = check().error_with(ErrorCode::INTERNAL).msg;
        let port = host_end(&world.net()).name;
        assert!(msg.starts_with(&format!("MAC spoof check for {port} with ")), "{msg}");
    }
}

#[test]
fn gc_removes_the_chains_of_attachments_that_are_gone_and_of_this_network_only() {
    let world = World::new();
    let config = config(&world);
    let containers: Vec<_> = (0..4).map(|_| TestNetns::new()).collect();
    world.add("keep", &containers[0], &config);
    world.add("with-dashes-eth0", &containers[1], &config);
    let other = world
        .config_with(json!({"name": "other", "macspoofchk": true, "ipam": {}, "isDefaultGateway": false}));
    world.add("others", &containers[2], &other);
    // The reference plugin's port has a name by chance, which tells no network.
    let theirs = chain("cni-br-iface-theirs-eth0");
    let lead = Rule::new(&chain("PREROUTING"))
        .iifname("veth12345678")
        .jump(&theirs)
        .comment("macspoofchk-theirs-eth0");
    world.nft().batch().add_chain(&theirs).add_rule(&lead).send().unwrap();
    let comments = || -> Vec<String> {
        let rules = world.nft().rules(&chain("PREROUTING")).unwrap();
        rules.iter().filter_map(Rule::as_comment).map(str::to_owned).collect()
    };
    let all = comments();
    let mut gc = config.clone();
    world.call(Command::Gc, "", &containers[0], &gc).run().silent_success();
    assert_eq!(comments(), all);
    gc["cni.dev/valid-attachments"] = json!([{"containerID": "keep", "ifname": "eth0"}]);
    world.call(Command::Gc, "", &containers[0], &gc).run().silent_success();
    assert_eq!(comments(), ["macspoofchk-keep-eth0", "macspoofchk-others-eth0", "macspoofchk-theirs-eth0"]);
    let chains = world.nft().chains(&Table::new(Family::Bridge, "nat")).unwrap();
    assert!(chains.iter().all(|chain| !chain.name.contains("dashes")), "{chains:?}");
}

#[test]
fn a_container_id_that_is_too_long_for_a_comment_is_refused_and_nothing_is_left() {
    let world = World::new();
    let container = TestNetns::new();
    let before = (world.snapshot(), inside(&container));
    let config = world.config_with(json!({"macspoofchk": true, "ipam": {}, "isDefaultGateway": false}));
    let id = "c".repeat(130);
    world.call(Command::Add, &id, &container, &config).run().error_with(ErrorCode::INTERNAL);
    world.snapshot().assert_same_as(&before.0);
    inside(&container).assert_same_as(&before.1);
    world.del(&id, &container, &config);
}
