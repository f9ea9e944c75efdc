//! Input that will not do: one error object with the right code, and nothing done.

use cni_skel::nft::{Family, Rule};
use cni_testing::json;
use cni_testing::types::{Command, ErrorCode, Protocol};

use crate::world::{World, config, hostports, tcp, without};

#[test]
fn a_mapping_that_is_none_is_refused_by_its_path() {
    let world = World::bare();
    for (mapping, code, text) in [
        (json!({"hostPort": 0, "containerPort": 80}), 7, "hostPort"),
        (json!({"hostPort": 8080, "containerPort": 0}), 7, "containerPort"),
        (json!({"hostPort": 70000, "containerPort": 80}), 7, "hostPort"),
        (json!({"hostPort": 8080, "containerPort": 70000}), 7, "containerPort"),
        (json!({"hostPort": -1, "containerPort": 80}), 7, "hostPort"),
        (json!({"hostPort": "8080", "containerPort": 80}), 6, "hostPort"),
        (json!({"containerPort": 80}), 7, "hostPort"),
        (json!({"hostPort": 1, "containerPort": 2, "protocol": "icmp"}), 7, "unknown protocol \"icmp\""),
        (json!({"hostPort": 1, "containerPort": 2, "protocol": "tcp; flush ruleset"}), 7, "unknown protocol"),
        (json!({"hostPort": 1, "containerPort": 2, "protocol": "tcp\nflush ruleset"}), 7, "unknown protocol"),
        (json!({"hostPort": 1, "containerPort": 2, "hostIP": "localhost"}), 7, "hostIP"),
        (json!({"hostPort": 1, "containerPort": 2, "hostIP": "10.0.0.0/8"}), 7, "hostIP"),
        (json!(7), 6, "portMappings[1]"),
    ] {
        for layout in ["rules", "maps"] {
            let config = config(json!({"layout": layout}), json!([tcp(1, 1), mapping]));
            let error = world.call(Command::Add, "c1", &config).run().error_with(ErrorCode::new(code));
            assert!(error.msg.starts_with("runtimeConfig.portMappings[1]"), "{}", error.msg);
            assert!(error.msg.contains(text), "{text}: {}", error.msg);
            world.del("c1", &config);
        }
    }
    assert!(world.state().is_empty());
}

#[test]
fn what_contradicts_itself_is_refused_by_key_and_value() {
    let world = World::bare();
    for (keys, code, msg) in [
        (json!({"backend": "pf"}), 7, "backend: \"pf\" is neither \"nftables\" nor \"iptables\""),
        (json!({"layout": "sets"}), 7, "layout: \"sets\" is neither \"rules\" nor \"maps\""),
        (
            json!({"layout": "maps", "backend": "iptables"}),
            7,
            "layout: \"maps\" requires backend \"nftables\", not \"iptables\"",
        ),
        (json!({"markMasqBit": 32}), 7, "markMasqBit: 32 is not between 0 and 31"),
        (json!({"markMasqBit": -1}), 7, "markMasqBit: -1 is not between 0 and 31"),
        (
            json!({"markMasqBit": 13, "externalSetMarkChain": "KUBE-MARK-MASQ"}),
            7,
            "markMasqBit: 13 and externalSetMarkChain: KUBE-MARK-MASQ exclude each other",
        ),
        (
            json!({"externalSetMarkChain": "KUBE-MARK-MASQ"}),
            7,
            "externalSetMarkChain: KUBE-MARK-MASQ requires backend \"iptables\"",
        ),
        (
            json!({"backend": "iptables", "externalSetMarkChain": "-j ACCEPT"}),
            7,
            "externalSetMarkChain: \"-j ACCEPT\" is not a valid name of an iptables chain",
        ),
        (
            json!({"conditionsV4": ["!", "-d", "10.0.0.0/8"]}),
            7,
            "conditionsV4: \"! -d 10.0.0.0/8\" is not in the syntax of backend \"nftables\"",
        ),
        (
            json!({"conditionsV4": ["ip", "daddr", "10.0.0.1;", "flush", "ruleset"]}),
            7,
            "conditionsV4: unknown condition at \"ip daddr 10.0.0.1; flush ruleset\"",
        ),
        (
            json!({"layout": "maps", "conditionsV6": ["iifname", "eth0"]}),
            7,
            "conditionsV4 and conditionsV6 are not supported with layout \"maps\"",
        ),
        (json!({"snat": "yes"}), 6, "snat: invalid type: string \"yes\", expected a boolean"),
        (json!({"conditionsV4": "iifname eth0"}), 6, "conditionsV4: invalid type"),
    ] {
        let config = config(keys, json!([tcp(8080, 80)]));
        let error = world.call(Command::Add, "c1", &config).run().error_with(ErrorCode::new(code));
        assert!(error.msg.starts_with(msg), "{}", error.msg);
    }
    assert!(world.state().is_empty());
}

#[test]
fn without_a_plugin_before_it_add_and_check_are_refused() {
    let world = World::bare();
    let config = without(&config(json!({}), json!([tcp(8080, 80)])), &["prevResult"]);
    for command in [Command::Add, Command::Check] {
        let error = world.call(command, "c1", &config).run().error_with(ErrorCode::INVALID_NETWORK_CONFIG);
        assert!(error.msg.starts_with("missing prevResult"), "{}", error.msg);
    }
    assert!(world.state().is_empty());
}

#[test]
fn what_containerd_sends_works() {
    let world = World::bare();
    let mut config = config(json!({}), json!([]));
    config["runtimeConfig"] = json!({"portMappings": [
        {"HostPort": 18080, "ContainerPort": 80, "Protocol": "tcp", "HostIP": ""},
        {"HostPort": 18081, "ContainerPort": 81, "Protocol": "TCP", "HostIP": "0.0.0.0"},
        {"HostPort": 18082, "ContainerPort": 82},
    ]});
    world.add("c1", &config);
    let rule = |family, port, to: &str| {
        let rule = Rule::new(&hostports(family)).dport(Protocol::Tcp, port);
        rule.dnat_to_port(to.parse().unwrap()).comment("c1")
    };
    assert!(world.has(&rule(Family::Ip, 18080, "10.1.0.2:80")), "{:#?}", world.rules());
    assert!(world.has(&rule(Family::Ip, 18081, "10.1.0.2:81")), "{:#?}", world.rules());
    assert!(world.has(&rule(Family::Ip6, 18082, "[fd00:1::2]:82")), "{:#?}", world.rules());
    assert!(!world.has(&rule(Family::Ip6, 18081, "[fd00:1::2]:81")), "{:#?}", world.rules());
}

#[test]
fn an_address_of_a_family_that_the_container_has_not_got_maps_nothing() {
    for keys in [json!({}), json!({"layout": "maps"}), json!({"backend": "iptables"})] {
        let world = World::bare();
        let mapping = json!([{"hostPort": 8080, "containerPort": 80, "hostIP": "2001:db8::1"}]);
        let mut config = config(keys, mapping);
        config["prevResult"]["ips"].as_array_mut().unwrap().truncate(1);
        world.add("c1", &config);
        world.check("c1", &config);
        let leads_somewhere =
            |rule: &&Rule| rule.dnat_address().is_some() || rule.to_string().contains("target DNAT");
        assert!(world.rules().iter().find(leads_somewhere).is_none(), "{config}");
        assert!(!world.maps(8080), "{config}");
        world.del("c1", &config);
        assert_eq!(world.of_containers(), [""; 0], "{config}");
    }
}
