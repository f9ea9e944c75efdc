//! Masquerading with iptables, both kinds of it: the reference plugin's rules, which either one can remove.

use std::cell::Cell;
use std::io;
use std::iter;
use std::net::UdpSocket;
use std::time::Duration;

use cni_skel::net::{Address, Veth};
use cni_testing::types::{Command, ErrorCode};
use cni_testing::{DelegateReply, IptablesKind, TestNetns, faults, json};
use serde_json::Value;

use crate::node::Node;
use crate::places::{Place, is_the_pools, real};
use crate::world::with_prev_result;

/// `CNI-` and the first 24 digits of the SHA-512 of `lanc1`.
const C1: &str = "CNI-78be48db7a08b98cf0bb5792";

/// What the reference plugin makes for one container with these addresses.
fn rules(id: &str, chain: &str, ipv4: &str, ipv6: &str) -> Vec<String> {
    let comment = format!(r#"-m comment --comment "name: \"lan\" id: \"{id}\"""#);
    let of = |address: &str, net: &str, multicast: &str| {
        [
            format!(":{chain}"),
            format!("-A POSTROUTING -s {address} {comment} -j {chain}"),
            format!("-A {chain} -d {net} {comment} -j ACCEPT"),
            format!("-A {chain} ! -d {multicast} {comment} -j MASQUERADE"),
        ]
    };
    let ipv4 = of(&format!("{ipv4}/32"), "10.1.0.0/24", "224.0.0.0/4");
    let ipv6 = of(&format!("{ipv6}/128"), "fd00:1::/64", "ff00::/8");
    ipv4.into_iter().chain(ipv6).collect()
}

#[test]
fn add_makes_the_rules_of_the_reference_plugin_and_del_without_a_namespace_removes_them() {
    for kind in IptablesKind::BOTH {
        let node = Node::new(kind);
        let container = TestNetns::new();
        node.add("c1", &container, &node.config());
        assert_eq!(node.saved(), rules("c1", C1, "10.1.0.2", "fd00:1::2"), "{kind:?}");
        for _ in 0..2 {
            let call = node.call(Command::Del, "c1", &container, &node.config()).without_env("CNI_NETNS");
            call.run().silent_success();
            assert!(node.saved().is_empty(), "{kind:?}");
        }
    }
}

#[test]
fn either_plugins_del_removes_what_the_others_add_made() {
    for kind in IptablesKind::BOTH {
        let node = Node::new(kind);
        let (first, second) = (TestNetns::new(), TestNetns::new());
        let config = node.config();
        let theirs = node.reference(Command::Add, "c1", &first, &config).run().result();
        let made_by_reference = node.saved();
        assert_eq!(made_by_reference.len(), 8, "{made_by_reference:#?}");
        let checked = with_prev_result(&config, &theirs);
        node.call(Command::Check, "c1", &first, &checked).run().silent_success();
        node.del("c1", &first, &config);
        assert!(node.saved().is_empty(), "{kind:?}");

        let ours = node.add("c1", &second, &config);
        let made_by_us: Vec<_> = node.saved().iter().map(|line| line.replace("0.3/32", "0.2/32")).collect();
        let made_by_us: Vec<_> = made_by_us.iter().map(|line| line.replace("::3/128", "::2/128")).collect();
        assert_eq!(made_by_us, made_by_reference, "{kind:?}");
        let checked = with_prev_result(&config, &ours);
        node.reference(Command::Check, "c1", &second, &checked).run().success();
        node.reference(Command::Del, "c1", &second, &config).run().success();
        assert!(node.saved().is_empty(), "{kind:?}");
    }
}

#[test]
fn del_of_one_attachment_leaves_the_containers_other_ones() {
    for kind in IptablesKind::BOTH {
        for told in ["prevResult", "namespace", "neither"] {
            let node = Node::new(kind);
            let container = TestNetns::new();
            let config = node.config();
            let call = |command, config: &Value| node.call(command, "c1", &container, config);
            let first = call(Command::Add, &config).run().result();
            let second = call(Command::Add, &config).ifname("eth1").run().result();
            let both = node.saved();
            assert_eq!(both.len(), 10, "{kind:?}: {both:#?}");

            let config_of_first = with_prev_result(&config, &first);
            let del = match told {
                "prevResult" => call(Command::Del, &config_of_first).without_env("CNI_NETNS"),
                "namespace" => call(Command::Del, &config),
                _ => call(Command::Del, &config).without_env("CNI_NETNS"),
            };
            del.run().silent_success();
            let left = node.saved();
            let mut of_second = rules("c1", C1, "10.1.0.3", "fd00:1::3");
            of_second.retain(|line| !left.contains(line));
            assert!(of_second.is_empty(), "{kind:?} {told}: {of_second:#?} is gone");
            // Where nobody tells what was whose, the last one takes all.
            assert_eq!(left.len(), if told == "neither" { 10 } else { 8 }, "{kind:?} {told}: {left:#?}");
            let checked = with_prev_result(&config, &second);
            call(Command::Check, &checked).ifname("eth1").run().silent_success();

            let last = call(Command::Del, &config).ifname("eth1").without_env("CNI_NETNS");
            last.run().silent_success();
            assert!(node.saved().is_empty(), "{kind:?} {told}: {:#?}", node.saved());
        }
    }
}

#[test]
fn del_of_one_attachment_that_the_reference_plugin_made_leaves_the_other() {
    for kind in IptablesKind::BOTH {
        let node = Node::new(kind);
        let container = TestNetns::new();
        let config = node.config();
        for ifname in ["eth0", "eth1"] {
            node.reference(Command::Add, "c1", &container, &config).ifname(ifname).run().result();
        }
        node.del("c1", &container, &config);
        assert_eq!(node.saved(), rules("c1", C1, "10.1.0.3", "fd00:1::3"), "{kind:?}");
        node.call(Command::Del, "c1", &container, &config).ifname("eth1").run().silent_success();
        assert!(node.saved().is_empty(), "{kind:?}");
    }
}

#[test]
fn what_stays_in_any_of_the_networks_is_let_through_before_the_rest_is_masqueraded() {
    for kind in IptablesKind::BOTH {
        let node = Node::new(kind);
        let container = TestNetns::new();
        let ranges = |nets: &[&str]| {
            let ranges: Vec<_> = nets.iter().map(|net| json!([{"subnet": net}])).collect();
            let ipam = json!({"type": "host-local", "dataDir": node.world.state(), "ranges": ranges});
            // Only one of the addresses can be the bridge's.
            node.world.config_with(json!({"ipMasq": true, "isDefaultGateway": false, "ipam": ipam}))
        };
        node.add("c1", &container, &ranges(&["10.1.0.0/24", "10.2.0.0/24"]));
        let other = ranges(&["10.3.0.0/24"]);
        node.call(Command::Add, "c1", &container, &other).ifname("eth1").run().result();
        let saved = node.saved();
        let of_chain: Vec<_> = saved
            .iter()
            .filter_map(|line| line.strip_prefix(&format!("-A {C1} ")))
            .map(|line| line.split(" -m ").next().unwrap())
            .collect();
        let wanted = ["-d 10.1.0.0/24", "-d 10.2.0.0/24", "-d 10.3.0.0/24", "! -d 224.0.0.0/4"];
        assert_eq!(of_chain, wanted, "{kind:?}: {saved:#?}");
        assert_eq!(saved.iter().filter(|line| line.starts_with("-A POSTROUTING")).count(), 3);
    }
}

#[test]
fn add_repairs_what_is_left_of_an_earlier_one_and_adds_nothing_twice() {
    for kind in IptablesKind::BOTH {
        let node = Node::new(kind);
        let container = TestNetns::new();
        let nat = |words: &[&str]| drop(node.run("iptables", &[&["-w", "-t", "nat"], words].concat()));
        let comment = ["-m", "comment", "--comment", r#"name: "lan" id: "c1""#];
        nat(&["-N", C1]);
        nat(&["-A", C1, "-j", "RETURN"]);
        nat(&[&["-A", "POSTROUTING", "-s", "10.1.0.2"][..], &comment, &["-j", C1]].concat());
        node.add("c1", &container, &node.config());
        assert_eq!(node.saved(), rules("c1", C1, "10.1.0.2", "fd00:1::2"), "{kind:?}");
    }
}

#[test]
fn del_removes_the_form_that_an_older_reference_plugin_made() {
    for kind in IptablesKind::BOTH {
        let node = Node::new(kind);
        let container = TestNetns::new();
        let result = node.add("c1", &container, &node.config());
        let comment = ["-m", "comment", "--comment", r#"name: "lan" id: "c1""#];
        let lead =
            [&["-w", "-t", "nat", "-A", "POSTROUTING", "-s", "10.1.0.0/24"][..], &comment, &["-j", C1]];
        node.run("iptables", &lead.concat());
        node.del("c1", &container, &with_prev_result(&node.config(), &result));
        assert!(node.saved().is_empty(), "{kind:?}: {:#?}", node.saved());
    }
}

#[test]
fn a_failed_add_takes_its_rules_back() {
    for kind in IptablesKind::BOTH {
        let node = Node::new(kind);
        let container = TestNetns::new();
        let config = node.world.config_with(json!({"ipMasq": true, "ipam": {"type": "scripted"}}));
        let unreachable = json!({
            "cniVersion": "1.0.0",
            "ips": [{"address": "10.1.0.2/24", "gateway": "10.1.0.1"}, {"address": "fd00:1::2/64"}],
            "routes": [{"dst": "10.9.0.0/16", "gw": "192.0.2.1"}],
        });
        let call = node.call(Command::Add, "c1", &container, &config);
        let call = call.delegate("scripted", DelegateReply::add(unreachable));
        call.delegate("scripted", DelegateReply::del()).run().error_with(ErrorCode::INTERNAL);
        assert!(node.saved().is_empty(), "{kind:?}");
        // It has been there: what iptables has by itself stays.
        let all = node.run("iptables-save", &["-t", "nat"]);
        assert!(all.contains(":POSTROUTING"), "{kind:?}: {all}");
    }
}

#[test]
fn check_notices_what_is_missing() {
    for kind in IptablesKind::BOTH {
        for missing in 0..3 {
            let node = Node::new(kind);
            let container = TestNetns::new();
            let result = node.add("c1", &container, &node.config());
            let config = with_prev_result(&node.config(), &result);
            let check = || node.call(Command::Check, "c1", &container, &config).run();
            check().silent_success();
            let (chain, number) = [("POSTROUTING", "1"), (C1, "1"), (C1, "2")][missing];
            node.run("iptables", &["-w", "-t", "nat", "-D", chain, number]);
            let error = check().error_with(ErrorCode::INTERNAL);
            assert_eq!(error.msg, "address 10.1.0.2/24 is not masqueraded", "{kind:?} {missing}");
        }
    }
}

#[test]
fn gc_removes_what_no_valid_attachment_has_and_nothing_of_others() {
    for kind in IptablesKind::BOTH {
        let node = Node::new(kind);
        let config = node.config();
        let containers = [TestNetns::new(), TestNetns::new()];
        for (container, id) in containers.iter().zip(["c1", "c2"]) {
            node.add(id, container, &config);
        }
        let kept = node.saved();
        let mut other = node.world.config_with(json!({"ipMasq": true, "name": "other", "bridge": "br1"}));
        other["ipam"]["ranges"] = json!([[{"subnet": "10.8.0.0/24"}]]);
        node.call(Command::Add, "c1", &containers[0], &other).ifname("eth1").run().result();
        let all = node.saved();
        // Half done by somebody else.
        node.run("iptables", &["-w", "-t", "nat", "-D", "POSTROUTING", "1"]);
        let mut gc = config.clone();
        let run = |gc: &Value| {
            node.call(Command::Gc, "", &containers[0], gc).run().silent_success();
        };
        // Without a list nothing is known to be gone.
        run(&gc);
        assert_eq!(node.saved().len(), all.len() - 1, "{kind:?}");
        gc["cni.dev/valid-attachments"] = json!([{"containerID": "c2", "ifname": "eth0"}]);
        run(&gc);
        let left = node.saved();
        let wanted = all.iter().filter(|line| !kept.contains(line) || line.contains(r#"\"c2\""#));
        let wanted: Vec<_> = wanted.filter(|line| !line.starts_with(':')).collect();
        let left: Vec<_> = left.iter().filter(|line| !line.starts_with(':')).collect();
        assert_eq!(left, wanted, "{kind:?}");
        gc["cni.dev/valid-attachments"] = json!([]);
        run(&gc);
        assert!(node.saved().iter().all(|line| !line.contains("lan") && !line.contains(C1)), "{kind:?}");
    }
}

#[test]
fn a_backend_that_is_configured_is_obeyed() {
    let node = Node::new(IptablesKind::Nft);
    let (first, second) = (TestNetns::new(), TestNetns::new());
    let nftables = node.world.config_with(json!({"ipMasq": true, "ipMasqBackend": "nftables"}));
    node.add("c1", &first, &nftables);
    assert!(node.saved().is_empty());
    // Without the program, which is not needed.
    let iptables = node.world.config_with(json!({"ipMasq": true, "ipMasqBackend": "iptables"}));
    let result = node.world.call(Command::Add, "c1", &second, &iptables).ifname("eth1").run().result();
    assert_eq!(node.saved(), rules("c1", C1, "10.1.0.3", "fd00:1::3"));
    let checked = with_prev_result(&iptables, &result);
    node.world.call(Command::Check, "c1", &second, &checked).ifname("eth1").run().silent_success();
}

#[test]
fn where_the_machine_has_changed_its_iptables_since_add_check_and_del_find_the_rules() {
    let node = Node::new(IptablesKind::Legacy);
    let container = TestNetns::new();
    let result = node.add("c1", &container, &node.config());
    let now = Node { world: node.world, ..Node::new(IptablesKind::Nft).with_older_beside() };
    let with_result = with_prev_result(&now.config(), &result);
    let legacy = || {
        now.run("iptables-legacy-save", &["-t", "nat"]) + &now.run("ip6tables-legacy-save", &["-t", "nat"])
    };
    assert!(legacy().contains(C1));
    now.call(Command::Check, "c1", &container, &with_result).run().silent_success();
    now.del("c1", &container, &with_result);
    assert!(!legacy().contains("-A"), "{}", legacy());

    // And with nothing of iptables any more: the rules are in the kernel all the same.
    let container = TestNetns::new();
    now.add("c1", &container, &now.config());
    assert!(!now.saved().is_empty());
    now.world.del("c1", &container, &now.config());
    assert!(now.saved().is_empty());
}

#[test]
fn a_del_that_is_told_another_backend_by_now_removes_the_rules_of_both() {
    for kind in IptablesKind::BOTH {
        let node = Node::new(kind);
        let container = TestNetns::new();
        let with = |backend: &str| node.world.config_with(json!({"ipMasq": true, "ipMasqBackend": backend}));
        node.add("c1", &container, &with("iptables"));
        node.call(Command::Add, "c1", &container, &with("nftables")).ifname("eth1").run().result();
        let del = |ifname, backend: &str| {
            let call = node.call(Command::Del, "c1", &container, &with(backend));
            call.ifname(ifname).run().silent_success();
        };
        del("eth0", "nftables");
        assert!(node.saved().is_empty(), "{kind:?}");
        del("eth1", "iptables");
        let listed = node.world.host.output("nft", &["list", "table", "inet", "cni_plugins_masquerade"]);
        assert!(!listed.contains("id: c1"), "{listed}");
    }
}

#[test]
fn where_iptables_does_not_work_and_nobody_insists_it_is_nftables() {
    let node = Node::new(IptablesKind::Legacy);
    let container = TestNetns::new();
    node.break_restore(1);
    let result = node.add("c1", &container, &node.config());
    let rules = || {
        let listed = node.world.host.output("nft", &["list", "table", "inet", "cni_plugins_masquerade"]);
        listed.matches("id: c1").count()
    };
    assert_eq!(rules(), 2);
    let config = with_prev_result(&node.config(), &result);
    node.call(Command::Check, "c1", &container, &config).run().silent_success();
    node.del("c1", &container, &config);
    assert_eq!(rules(), 0);
}

#[test]
fn what_the_program_says_is_in_the_error_and_nothing_is_left() {
    for (status, code) in [(2, ErrorCode::INTERNAL), (4, ErrorCode::TRY_AGAIN_LATER)] {
        let node = Node::new(IptablesKind::Legacy);
        let container = TestNetns::new();
        let before = node.world.snapshot();
        node.break_restore(status);
        let config = node.world.config_with(json!({"ipMasq": true, "ipMasqBackend": "iptables"}));
        let error = node.call(Command::Add, "c1", &container, &config).run().error_with(code);
        assert_eq!(error.msg, format!("iptables-restore failed with exit status: {status}"));
        assert_eq!(error.details.as_deref(), Some("not today"));
        node.del("c1", &container, &config);
        let left: Vec<_> = node.world.snapshot().added_since(&before).map(str::to_owned).collect();
        assert!(left.iter().all(|line| !line.contains("veth")), "{left:#?}");
    }
}

#[test]
fn the_world_outside_sees_the_hosts_address() {
    for kind in IptablesKind::BOTH {
        let node = Node::new(kind);
        let (container, outside) = (TestNetns::new(), TestNetns::new());
        let host = node.world.net();
        let pair = host.add_veth(&Veth::new("up", "down").up(), outside.netns()).unwrap();
        let net = outside.net().unwrap();
        let down = net.link("down").unwrap().index;
        for (link, address) in [(pair.host.index, 1), (down, 2)] {
            let net = if address == 1 { &host } else { &net };
            for address in [format!("192.0.2.{address}/24"), format!("2001:db8::{address}/64")] {
                net.add_address(&Address::new(link, address.parse().unwrap()).no_dad()).unwrap();
            }
        }
        net.set_up(down).unwrap();
        node.add("c1", &container, &node.config());
        let families = [
            ("192.0.2.2:7000", "10.1.0.2:0", "192.0.2.1"),
            ("[2001:db8::2]:7000", "[fd00:1::2]:0", "2001:db8::1"),
        ];
        for (to, from, seen) in families {
            let receiver = outside.run(|| UdpSocket::bind(to).unwrap()).unwrap();
            receiver.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let sender = container.run(|| UdpSocket::bind(from).unwrap()).unwrap();
            sender.send_to(b"x", to).unwrap();
            // A process that was stopped for a while is told so here.
            let mut received = iter::repeat_with(|| receiver.recv_from(&mut [0; 8]));
            let (_, from) = received.find(|got| !is_interrupted(got)).unwrap().unwrap();
            assert_eq!(from.ip().to_string(), seen, "{kind:?}");
        }
    }
}

fn is_interrupted<T>(outcome: &io::Result<T>) -> bool {
    outcome.as_ref().is_err_and(|cause| cause.kind() == io::ErrorKind::Interrupted)
}

/// A place in which no rule may be left when a trial in it has ended with a DEL.
///
/// The backend is configured: where it is not, a failure turns to nftables, whose table stays as the bridge does.
struct Tidy {
    place: Place<(TestNetns, TestNetns)>,
    node: Node,
    has_seen_del: Cell<bool>,
}

impl Drop for Tidy {
    fn drop(&mut self) {
        if !std::thread::panicking() && self.has_seen_del.get() {
            let left = self.node.saved_on(&self.place.network.0);
            assert!(left.is_empty(), "{left:#?}");
        }
    }
}

#[test]
fn whatever_fails_no_rule_is_left_where_iptables_is_nftables() {
    whatever_fails_no_rule_is_left(IptablesKind::Nft);
}

#[test]
fn whatever_fails_no_rule_is_left_where_iptables_is_the_older_one() {
    whatever_fails_no_rule_is_left(IptablesKind::Legacy);
}

fn whatever_fails_no_rule_is_left(kind: IptablesKind) {
    let world = || Tidy {
        place: Place::new((TestNetns::new(), TestNetns::new())),
        node: Node::new(kind),
        has_seen_del: Cell::new(false),
    };
    let report = faults::assert_clean_failure_but(is_the_pools, world, |world, command| {
        world.has_seen_del.set(world.has_seen_del.get() || command == Command::Del);
        world.node.on(real(&world.place, command, &json!({"ipMasq": true, "ipMasqBackend": "iptables"})))
    });
    eprintln!("{report}");
    assert!(report.injected > 50, "{report}");
}
