//! Masquerading: the reference plugin's rules, one attachment at a time.

use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use cni_skel::net::{Address, Veth};
use cni_skel::nft::{Base, Chain, ChainType, Family, Hook, Rule, Table};
use cni_testing::types::{Command, ErrorCode};
use cni_testing::{DelegateReply, TestNetns, json};
use serde_json::Value;

use crate::world::{World, assert_rules, with_prev_result};

/// What the reference plugin's comments begin with: 16 digits each of the SHA-512 of `lan` and of `eth0:c1`.
const C1: &str = "a442bdc0d9fc678e-f4d01f2ef4b92245";
/// The same of `eth0:c2`.
const C2: &str = "a442bdc0d9fc678e-8c6ebb285a95686c";

fn config(world: &World) -> Value {
    world.config_with(json!({"ipMasq": true}))
}

fn checks() -> Chain {
    Chain::new(&Table::new(Family::Inet, "cni_plugins_masquerade"), "masq_checks")
}

fn comments(world: &World) -> Vec<String> {
    let rules = world.nft().rules(&checks()).unwrap();
    rules.iter().filter_map(Rule::as_comment).map(str::to_owned).collect()
}

#[test]
fn add_makes_the_rules_of_the_reference_plugin() {
    let world = World::new();
    let container = TestNetns::new();
    world.add("c1", &container, &config(&world));
    let nft = world.nft();
    let table = Table::new(Family::Inet, "cni_plugins_masquerade");
    let base = Base::new(ChainType::Nat, Hook::Postrouting, Base::SRCNAT);
    let chains = [checks(), Chain::base(&table, "postrouting", base)];
    let listed = nft.chains(&table).unwrap();
    assert_eq!(
        listed.iter().map(|chain| (&chain.name, &chain.base)).collect::<Vec<_>>(),
        chains.iter().map(|chain| (&chain.name, &chain.base)).collect::<Vec<_>>()
    );
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    let net = |text: &str| text.parse::<ipnet::IpNet>().unwrap();
    let rule = || Rule::new(&chains[0]).comment(format!("{C1}, net: lan, if: eth0, id: c1"));
    let wanted = [
        rule().saddr(ip("10.1.0.2")).not_daddr(net("10.1.0.0/24")).masquerade(),
        rule().saddr(ip("fd00:1::2")).not_daddr(net("fd00:1::/64")).masquerade(),
    ];
    assert_rules(&nft, &chains[0], &wanted);
    let rule = || Rule::new(&chains[1]);
    let wanted = [
        rule().daddr(net("224.0.0.0/4")).return_(),
        rule().daddr(net("ff00::/8")).return_(),
        rule().goto(&chains[0]),
    ];
    assert_rules(&nft, &chains[1], &wanted);
}

#[test]
fn del_without_a_namespace_removes_this_attachments_rules_and_no_others() {
    let world = World::new();
    let config = config(&world);
    let (first, second) = (TestNetns::new(), TestNetns::new());
    world.add("c1", &first, &config);
    let both_before = world.ruleset();
    world.add("c2", &second, &config);
    assert_eq!(comments(&world).len(), 4);
    // The same container may have another interface in the same network.
    let other = world.call(Command::Add, "c1", &first, &config).ifname("eth1").run().result();
    assert_eq!(comments(&world).len(), 6);
    let with_result = with_prev_result(&config, &other);
    world.call(Command::Del, "c1", &first, &with_result).ifname("eth1").run().silent_success();
    for _ in 0..2 {
        world.del("c2", &second, &config);
        assert_eq!(world.ruleset(), both_before);
    }
    let call = world.call(Command::Del, "c1", &first, &config).without_env("CNI_NETNS");
    call.run().silent_success();
    assert!(comments(&world).is_empty());
}

#[test]
fn a_failed_add_takes_its_rules_back() {
    let world = World::new();
    let container = TestNetns::new();
    let config = world.config_with(json!({"ipMasq": true, "ipam": {"type": "scripted"}}));
    let unreachable = json!({
        "cniVersion": "1.0.0", "ips": [{"address": "10.1.0.2/24", "gateway": "10.1.0.1"}],
        "routes": [{"dst": "10.9.0.0/16", "gw": "192.0.2.1"}],
    });
    let call = world.call(Command::Add, "c1", &container, &config);
    let call = call.delegate("scripted", DelegateReply::add(unreachable));
    let outcome = call.delegate("scripted", DelegateReply::del()).run();
    outcome.error_with(ErrorCode::INTERNAL);
    assert!(comments(&world).is_empty());
    let was_there = world.ruleset().iter().any(|line| line.ends_with("goto masq_checks"));
    assert!(was_there, "it was not even there");
}

#[test]
fn add_repairs_what_somebody_changed_and_replaces_stale_rules_of_its_own() {
    let world = World::new();
    let container = TestNetns::new();
    let config = config(&world);
    world.add("c1", &container, &config);
    let wanted = world.ruleset();
    let table = Table::new(Family::Inet, "cni_plugins_masquerade");
    let postrouting = Chain::new(&table, "postrouting");
    world.del("c1", &container, &config);
    let stale = Rule::new(&checks()).accept().comment(format!("{C1}, net: lan, if: eth0, id: c1"));
    world.nft().batch().flush_chain(&postrouting).add_rule(&stale).send().unwrap();
    world.add("c1", &TestNetns::new(), &config);
    let again: Vec<_> = world.ruleset().iter().map(|line| line.replace("10.1.0.3", "10.1.0.2")).collect();
    // The end of an IPv6 address, in bytes.
    let again: Vec<_> = again.iter().map(|line| line.replace("01..03", "01..02")).collect();
    assert_eq!(again, wanted);
}

#[test]
fn check_notices_what_is_missing() {
    let world = World::new();
    let container = TestNetns::new();
    let config = config(&world);
    let result = world.add("c1", &container, &config);
    let config = with_prev_result(&config, &result);
    let check = || world.call(Command::Check, "c1", &container, &config).run();
    check().silent_success();
    let nft = world.nft();
    nft.batch().delete_rule(&nft.rules(&checks()).unwrap()[0]).send().unwrap();
    assert_eq!(check().error_with(ErrorCode::INTERNAL).msg, "address 10.1.0.2/24 is not masqueraded");
    let table = Table::new(Family::Inet, "cni_plugins_masquerade");
    nft.batch().flush_chain(&Chain::new(&table, "postrouting")).send().unwrap();
    let msg = check().error_with(ErrorCode::INTERNAL).msg;
    assert_eq!(msg, "chain postrouting of table inet cni_plugins_masquerade is changed");
}

#[test]
fn gc_removes_the_rules_of_attachments_that_are_gone_and_of_this_network_only() {
    let world = World::new();
    let config = config(&world);
    let (first, second) = (TestNetns::new(), TestNetns::new());
    world.add("c1", &first, &config);
    world.add("c2", &second, &config);
    let foreign = Rule::new(&checks()).accept().comment("0123456789abcdef-0, net: other");
    world.nft().batch().add_rule(&foreign).send().unwrap();
    let mut gc = config.clone();
    // Without a list nothing is known to be gone.
    world.call(Command::Gc, "", &first, &gc).run().silent_success();
    assert_eq!(comments(&world).len(), 5);
    gc["cni.dev/valid-attachments"] = json!([{"containerID": "c2", "ifname": "eth0"}]);
    world.call(Command::Gc, "", &first, &gc).run().silent_success();
    let left = comments(&world);
    assert_eq!(left.len(), 3);
    assert!(left[..2].iter().all(|comment| comment.starts_with(C2)), "{left:?}");
}

#[test]
fn a_configuration_that_no_longer_decodes_does_not_keep_the_rules_from_del_and_gc() {
    for command in [Command::Del, Command::Gc] {
        let world = World::used(config);
        let container = TestNetns::new();
        let valid = world.config_with(json!({"ipMasq": true, "macspoofchk": true}));
        world.add("c1", &container, &valid);
        assert!(world.ruleset().iter().any(|line| line.contains("macspoofchk-c1-eth0")));
        let invalid = world.config_with(
            json!({"ipMasq": true, "macspoofchk": true, "mtu": "1400", "cni.dev/valid-attachments": []}),
        );
        world.call(command, "c1", &container, &invalid).run().silent_success();
        assert_eq!(comments(&world), [""; 0], "{command}");
        let left = world.ruleset();
        let of_container = |line: &&String| line.contains("c1") || line.contains("10.1.0.3");
        assert_eq!(left.iter().filter(of_container).count(), 0, "{command}: {left:?}");
        let state = world.snapshot().to_string();
        assert!(!state.contains("veth") && !state.contains("c1"), "{command}: {state}");
    }
}

#[test]
fn the_world_outside_sees_the_hosts_address() {
    let world = World::new();
    let (container, outside) = (TestNetns::new(), TestNetns::new());
    let host = world.net();
    let pair = host.add_veth(&Veth::new("up", "down").up(), outside.netns()).unwrap();
    host.add_address(&Address::new(pair.host.index, "192.0.2.1/24".parse().unwrap())).unwrap();
    let net = outside.net().unwrap();
    let down = net.link("down").unwrap().index;
    net.add_address(&Address::new(down, "192.0.2.2/24".parse().unwrap())).unwrap();
    net.set_up(down).unwrap();
    world.add("c1", &container, &config(&world));

    let receiver = outside.run(|| UdpSocket::bind("192.0.2.2:7000").unwrap()).unwrap();
    receiver.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let sender = container.run(|| UdpSocket::bind("10.1.0.2:0").unwrap()).unwrap();
    sender.send_to(b"x", "192.0.2.2:7000").unwrap();
    let (_, from) = receiver.recv_from(&mut [0; 8]).unwrap();
    assert_eq!(from.ip().to_string(), "192.0.2.1");
}
