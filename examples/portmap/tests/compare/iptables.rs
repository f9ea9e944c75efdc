//! iptables of either kind: what is not the reference plugin's behaviour, but better.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use cni_testing::types::{Command, ErrorCode};
use cni_testing::{FakeNetwork, IptablesKind, json};
use portmap::Portmap;

use crate::takeover::{Node, of_iptables};
use crate::world::{World, result, tcp, without};

#[test]
fn without_a_configured_backend_it_is_that_which_is_there() {
    for kind in IptablesKind::BOTH {
        let node = Node::new(kind);
        let config = without(&of_iptables(json!({}), json!([tcp(8080, 80)])), &["backend"]);
        node.ours(Command::Add, "c1", &config);
        assert!(node.saved().iter().any(|line| line.starts_with("-A CNI-DN-")), "{kind}");
        node.ours(Command::Check, "c1", &config);
        // The programs have gone meanwhile, which changes nothing for what is in nftables.
        if kind == IptablesKind::Nft {
            let path = node.programs.folder().join("nothing");
            let call = node.call(Command::Check, &Portmap, "c1", &config).env("PATH", &path);
            call.run().silent_success();
            node.call(Command::Del, &Portmap, "c1", &config).env("PATH", &path).run().silent_success();
            node.call(Command::Add, &Portmap, "c1", &config).env("PATH", &path).run().result();
            assert!(node.saved().contains(&"table ip cni_hostport".to_owned()));
        }
    }
}

#[test]
fn an_iptables_that_fails_is_passed_over_unless_somebody_insists_on_it() {
    let world = World::bare();
    let folder = tempfile::tempdir().unwrap();
    for name in
        ["iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"]
    {
        let program = folder.path().join(name);
        fs::write(&program, "#!/bin/sh\necho no table nat >&2\nexit 3\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let config = of_iptables(json!({}), json!([tcp(8080, 80)]));
    let call = |command, config| world.call(command, "c1", config).env("PATH", folder.path()).run();
    let error = call(Command::Add, &config).error_with(ErrorCode::INTERNAL);
    assert!(error.details.unwrap_or_default().contains("no table nat"), "{}", error.msg);
    assert_eq!(world.of_containers(), [""; 0]);
    let config = without(&config, &["backend"]);
    call(Command::Add, &config).result();
    assert_ne!(world.of_containers(), [""; 0]);
    let mut status = without(&config, &["prevResult", "runtimeConfig"]);
    status["cniVersion"] = json!("1.1.0");
    call(Command::Status, &status).silent_success();
    call(Command::Del, &config).silent_success();
    assert_eq!(world.of_containers(), [""; 0]);
}

#[test]
fn del_and_gc_clean_whatever_the_configured_backend_is() {
    for kind in IptablesKind::BOTH {
        let config = of_iptables(json!({}), json!([tcp(8080, 80)]));
        let node = Node::used(kind, &config);
        let before = node.saved();
        for backend in ["iptables", "nftables"] {
            let mut switched = config.clone();
            switched["backend"] = json!(if backend == "iptables" { "nftables" } else { "iptables" });
            let mut added = config.clone();
            added["backend"] = json!(backend);
            node.ours(Command::Add, "c1", &added);
            node.ours(Command::Del, "c1", &switched);
            assert_eq!(node.world.of_containers(), [""; 0], "{kind} {backend}");
            let ours = |line: &String| !line.starts_with("table");
            assert!(
                node.saved().iter().filter(|line| ours(line)).eq(before.iter().filter(|line| ours(line)))
            );

            node.ours(Command::Add, "c1", &added);
            let mut gc = without(&switched, &["prevResult", "runtimeConfig"]);
            gc["cniVersion"] = json!("1.1.0");
            gc["cni.dev/valid-attachments"] = json!([{"containerID": "c1", "ifname": "eth0"}]);
            node.ours(Command::Gc, "", &gc);
            node.ours(Command::Check, "c1", &added);
            gc["cni.dev/valid-attachments"] = json!([]);
            node.ours(Command::Gc, "", &gc);
            assert_eq!(node.world.of_containers(), [""; 0], "{kind} {backend}");
            assert!(
                node.saved().iter().filter(|line| ours(line)).eq(before.iter().filter(|line| ours(line)))
            );
        }
    }
}

#[test]
fn gc_leaves_what_is_another_networks() {
    for kind in IptablesKind::BOTH {
        let node = Node::new(kind);
        let lan = of_iptables(json!({}), json!([tcp(8080, 80)]));
        let mut wan = of_iptables(json!({"name": "wan"}), json!([tcp(8081, 80)]));
        wan["prevResult"] = result(&["10.2.0.2/24"]);
        node.ours(Command::Add, "c1", &wan);
        let others = node.saved();
        node.ours(Command::Add, "c1", &lan);
        let mut gc = without(&lan, &["prevResult", "runtimeConfig"]);
        gc["cniVersion"] = json!("1.1.0");
        gc["cni.dev/valid-attachments"] = json!([]);
        node.ours(Command::Gc, "", &gc);
        // What all containers share for IPv6 stays.
        let left = node.saved();
        assert!(others.iter().all(|line| left.contains(line)), "{kind}: {left:#?}");
        assert!(!left.iter().any(|line| line.contains("8080")), "{kind}: {left:#?}");
    }
}

#[test]
fn del_without_anything_but_names_cleans_up_and_runs_no_program() {
    let config = of_iptables(json!({}), json!([tcp(8080, 80)]));
    let node = Node::used(IptablesKind::Nft, &config);
    let names = without(&config, &["prevResult", "runtimeConfig"]);
    let before = node.saved();
    node.ours(Command::Add, "c1", &config);
    let call = node.call(Command::Del, &Portmap, "c1", &names).without_env("CNI_NETNS");
    call.env("PATH", "/nowhere").run().silent_success();
    assert_eq!(node.saved(), before);
}

#[test]
fn two_interfaces_on_one_network_keep_each_its_own_ports() {
    for kind in IptablesKind::BOTH {
        let node = Node::around(World::connected(), kind);
        let net = node.world.container.net().unwrap();
        let second = cni_skel::net::Bridge::new("eth1");
        let index = net.add_bridge(&second).unwrap().index;
        let address = cni_skel::net::Address::new(index, "10.1.0.3/24".parse().unwrap());
        net.add_address(&address).unwrap();
        let eth0 = of_iptables(json!({"prevResult": result(&["10.1.0.2/24"])}), json!([tcp(8080, 80)]));
        let mut eth1 = of_iptables(json!({"prevResult": result(&["10.1.0.3/24"])}), json!([tcp(8081, 81)]));
        eth1["prevResult"]["interfaces"][1]["name"] = json!("eth1");
        let call = |command, config| node.call(command, &Portmap, "c1", config).ifname("eth1").run();
        node.ours(Command::Add, "c1", &eth0);
        let alone = node.saved();
        call(Command::Add, &eth1).result();
        let both = node.saved();
        node.ours(Command::Add, "c1", &eth0);
        let mut again = node.saved();
        let mut sorted = both.clone();
        again.sort();
        sorted.sort();
        assert_eq!(again, sorted, "{kind}");
        node.ours(Command::Check, "c1", &eth0);
        call(Command::Check, &eth1).silent_success();
        call(Command::Del, &without(&eth1, &["prevResult"])).silent_success();
        node.ours(Command::Check, "c1", &eth0);
        assert!(!node.saved().iter().any(|line| line.contains("10.1.0.3")), "{kind}");
        node.ours(Command::Del, "c1", &eth0);
        assert!(!node.saved().iter().any(|line| line.contains("CNI-DN-")), "{kind}");
        assert!(alone.iter().any(|line| line.contains("CNI-DN-")));
    }
}

#[test]
fn gc_collects_a_gone_interface_of_a_container_that_has_another_one() {
    for kind in IptablesKind::BOTH {
        for (valid, gone) in [("eth0", "10.1.0.3"), ("eth1", "10.1.0.2")] {
            let node = Node::new(kind);
            let net = node.world.container.net().unwrap();
            for (ifname, address, port) in [("eth0", "10.1.0.2/24", 8080), ("eth1", "10.1.0.3/24", 8081)] {
                let link = net.add_bridge(&cni_skel::net::Bridge::new(ifname)).unwrap().index;
                net.add_address(&cni_skel::net::Address::new(link, address.parse().unwrap())).unwrap();
                let mut config =
                    of_iptables(json!({"prevResult": result(&[address])}), json!([tcp(port, 80)]));
                config["prevResult"]["interfaces"][1]["name"] = json!(ifname);
                node.call(Command::Add, &Portmap, "c1", &config).ifname(ifname).run().result();
            }
            let both = node.saved();
            let gc = |ifnames: &[&str]| {
                let config = of_iptables(json!({"cniVersion": "1.1.0"}), json!([]));
                let mut config = without(&config, &["prevResult", "runtimeConfig"]);
                let valid = ifnames.iter().map(|ifname| json!({"containerID": "c1", "ifname": ifname}));
                config["cni.dev/valid-attachments"] = valid.collect();
                node.ours(Command::Gc, "", &config);
            };
            gc(&["eth0", "eth1"]);
            assert_eq!(node.saved(), both, "{kind}");
            gc(&[valid]);
            let left = node.saved();
            assert!(!left.iter().any(|line| line.contains(gone)), "{kind} {valid}: {left:#?}");
            assert!(
                left.iter().any(|line| line.contains("DNAT --to-destination")),
                "{kind} {valid}: {left:#?}"
            );
            gc(&[]);
            assert!(!node.saved().iter().any(|line| line.contains("CNI-DN-")), "{kind}");
        }
    }
}

#[test]
fn check_names_what_is_missing() {
    for kind in IptablesKind::BOTH {
        let node = Node::new(kind);
        let config = of_iptables(json!({}), json!([tcp(8080, 80)]));
        node.ours(Command::Add, "c1", &config);
        for (words, named) in [
            ("-F CNI-DN-78be48db7a08b98cf0bb5", "CNI-DN-78be48db7a08b98cf0bb5 lacks -s 10.1.0.0/24 -p tcp"),
            ("-F CNI-HOSTPORT-DNAT", "CNI-HOSTPORT-DNAT lacks -p tcp"),
            ("-F PREROUTING", "chain PREROUTING has no jump to CNI-HOSTPORT-DNAT"),
            ("-F OUTPUT", "chain OUTPUT has no jump to CNI-HOSTPORT-DNAT"),
            ("-F POSTROUTING", "chain POSTROUTING has no jump to CNI-HOSTPORT-MASQ"),
            ("-F CNI-HOSTPORT-MASQ", "CNI-HOSTPORT-MASQ lacks -m mark --mark 0x2000/0x2000 -j MASQUERADE"),
        ] {
            node.ours(Command::Check, "c1", &config);
            node.does(words);
            let error =
                node.call(Command::Check, &Portmap, "c1", &config).run().error_with(ErrorCode::INTERNAL);
            assert!(error.msg.starts_with(named), "{kind}: {}", error.msg);
            // A second ADD makes all of it good.
            node.ours(Command::Add, "c1", &config);
        }
        node.ours(Command::Check, "c1", &config);
    }
}

#[test]
fn rules_of_others_come_first() {
    for kind in IptablesKind::BOTH {
        let node = Node::new(kind);
        // As kube-proxy has it (CVE-2019-9946).
        node.does("-N KUBE-SERVICES");
        node.does("-A PREROUTING -j KUBE-SERVICES");
        node.does("-A OUTPUT -j KUBE-SERVICES");
        node.ours(Command::Add, "c1", &of_iptables(json!({}), json!([tcp(8080, 80)])));
        let saved = node.saved();
        for chain in ["PREROUTING", "OUTPUT"] {
            let begin = format!("-A {chain} ");
            let rules: Vec<_> = saved.iter().filter_map(|line| line.strip_prefix(&begin)).take(2).collect();
            assert_eq!(rules, ["-j KUBE-SERVICES", "-m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT"]);
        }
    }
}

#[test]
fn a_chain_of_somebody_else_that_is_not_there_is_named_and_nothing_stays() {
    for kind in IptablesKind::BOTH {
        let node = Node::new(kind);
        let config = of_iptables(json!({}), json!([tcp(8080, 80)]));
        node.ours(Command::Add, "other", &config);
        let before = node.saved();
        let config = of_iptables(json!({"externalSetMarkChain": "KUBE-MARK-MASQ"}), json!([tcp(8080, 80)]));
        let error = node.call(Command::Add, &Portmap, "c1", &config).run().error_with(ErrorCode::INTERNAL);
        let all = format!("{} {}", error.msg, error.details.unwrap_or_default());
        assert!(all.contains("KUBE-MARK-MASQ") || all.contains("CNI-DN-"), "{kind}: {all}");
        assert_eq!(node.saved(), before, "{kind}");
    }
}

#[test]
fn conditions_that_are_none_are_refused() {
    let node = Node::new(IptablesKind::Nft);
    for words in [json!(["-j", "ACCEPT"]), json!(["-s"]), json!(["-d", "here"]), json!(["-t", "filter"])] {
        let config = of_iptables(json!({"conditionsV4": words}), json!([tcp(8080, 80)]));
        let call = node.call(Command::Add, &Portmap, "c1", &config);
        call.run().error_with(ErrorCode::INVALID_NETWORK_CONFIG);
    }
    assert_eq!(node.saved(), [""; 0]);
}

#[test]
fn status_says_whether_iptables_can_be_used() {
    let config =
        without(&of_iptables(json!({"cniVersion": "1.1.0"}), json!([])), &["prevResult", "runtimeConfig"]);
    for kind in IptablesKind::BOTH {
        node_is_fine(kind, &config);
    }
    let network = FakeNetwork::new();
    let call = cni_testing::Call::status(&Portmap).network(&network).config(&config);
    let error = call.run().error_with(ErrorCode::NOT_AVAILABLE);
    assert_eq!(error.msg, "iptables cannot be used");
}

#[track_caller]
fn node_is_fine(kind: IptablesKind, config: &serde_json::Value) {
    Node::new(kind).ours(Command::Status, "", config);
}

#[test]
fn with_masq_all_every_packet_for_a_mapped_port_is_marked() {
    for kind in IptablesKind::BOTH {
        let node = Node::new(kind);
        node.ours(Command::Add, "c1", &of_iptables(json!({"masqAll": true}), json!([tcp(8080, 80)])));
        let saved = node.saved();
        let of_chain: Vec<_> =
            saved.iter().filter_map(|line| line.strip_prefix("-A CNI-DN-78be48db7a08b98cf0bb5 ")).collect();
        assert_eq!(
            of_chain,
            [
                "-p tcp -m tcp --dport 8080 -j CNI-HOSTPORT-SETMARK",
                "-p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.1.0.2:80",
                "-p tcp -m tcp --dport 8080 -j CNI-HOSTPORT-SETMARK",
                "-p tcp -m tcp --dport 8080 -j DNAT --to-destination [fd00:1::2]:80",
            ],
            "{kind}"
        );
    }
}
