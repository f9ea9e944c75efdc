//! What an attachment has, from ADD to DEL: in both layouts of nftables.

use cni_skel::net::{Address, Bridge};
use cni_skel::nft::{Chain, Family, Nft, Rule, Table};
use cni_skel::{AddRequest, CheckRequest, DelRequest, Error, Plugin, Result};
use cni_testing::types::{AddResult, Command, ErrorCode, Protocol};
use cni_testing::{Call, FakeNetwork, json};
use portmap::{Config, Portmap};
use serde_json::Value;

use crate::world::{World, config, hostports, result, tcp, without};

const LAYOUTS: [&str; 2] = ["rules", "maps"];

fn keys(layout: &str, network: &str) -> Value {
    json!({"layout": layout, "name": network})
}

#[test]
fn with_nothing_to_map_the_result_passes_and_the_kernel_is_not_asked() {
    let world = World::bare();
    for mappings in [json!([]), json!(null)] {
        // A backend that does not work at all would be noticed.
        let config = config(json!({}), mappings);
        world.call(Command::Add, "c1", &config).run().result();
        world.call(Command::Check, "c1", &config).run().silent_success();
        world.del("c1", &config);
    }
    assert!(world.state().is_empty());
}

#[test]
fn a_second_add_adds_nothing_and_another_one_replaces() {
    for layout in LAYOUTS {
        let world = World::bare();
        let first = config(keys(layout, "lan"), json!([tcp(8080, 80), tcp(8081, 81)]));
        world.add("c1", &first);
        let once = world.state();
        world.add("c1", &first);
        assert_eq!(world.state(), once);
        world.check("c1", &first);
        let mut second = config(keys(layout, "lan"), json!([tcp(8081, 82), tcp(8082, 80)]));
        second["prevResult"] = result(&["10.1.0.3/24"]);
        world.add("c1", &second);
        world.check("c1", &second);
        assert!(world.call(Command::Check, "c1", &first).run().error().msg.contains("8080"));
        world.del("c1", &second);
        assert_eq!(world.of_containers(), [""; 0]);
    }
}

#[test]
fn an_add_in_the_other_layout_replaces_too() {
    let world = World::bare();
    for (layout, other) in [("rules", "maps"), ("maps", "rules")] {
        let mappings = json!([tcp(8080, 80)]);
        world.add("c1", &config(keys(other, "lan"), mappings.clone()));
        let config = config(keys(layout, "lan"), mappings);
        world.add("c1", &config);
        world.check("c1", &config);
        // One for each family, and what is masqueraded, and the address.
        let other_is_empty = world.of_containers().len();
        world.del("c1", &config);
        world.add("c1", &config);
        assert_eq!(world.of_containers().len(), other_is_empty);
        world.del("c1", &config);
        assert_eq!(world.of_containers(), [""; 0]);
    }
}

#[test]
fn del_cleans_up_whatever_the_runtime_still_knows() {
    for layout in LAYOUTS {
        let world = World::bare();
        let mut other = config(keys(layout, "lan"), json!([tcp(9090, 90)]));
        other["prevResult"] = result(&["10.1.0.9/24", "fd00:1::9/64"]);
        world.add("other", &other);
        let before = world.state();
        let config = config(
            keys(layout, "lan"),
            json!([tcp(8080, 80), {"hostPort": 53, "containerPort": 53, "protocol": "udp", "hostIP": "192.0.2.1"}]),
        );
        let mut wrong = config.clone();
        wrong["runtimeConfig"] = json!({"portMappings": [{"hostPort": 0, "containerPort": 80}]});
        let mut less = config.clone();
        less["runtimeConfig"] = json!({"portMappings": [tcp(8080, 80)]});
        let mut elsewhere = config.clone();
        elsewhere["backend"] = json!("");
        elsewhere["layout"] = json!(if layout == "maps" { "rules" } else { "maps" });
        for known in [
            config.clone(),
            without(&config, &["prevResult"]),
            without(&config, &["runtimeConfig"]),
            without(&config, &["prevResult", "runtimeConfig"]),
            wrong,
            less,
            elsewhere,
        ] {
            world.add("c1", &config);
            assert_ne!(world.state(), before);
            let call = world.call(Command::Del, "c1", &known).without_env("CNI_NETNS");
            call.run().silent_success();
            assert_eq!(world.state(), before, "{layout} {known}");
            world.del("c1", &known);
            assert_eq!(world.state(), before);
        }
    }
}

#[test]
fn the_containers_other_networks_and_interfaces_keep_their_ports() {
    for layout in LAYOUTS {
        let world = World::bare();
        let lan = config(keys(layout, "lan"), json!([tcp(8080, 80)]));
        let mut wan = config(keys(layout, "wan"), json!([tcp(8081, 80)]));
        wan["prevResult"] = result(&["10.2.0.2/24"]);
        let mut eth1 = config(keys(layout, "lan"), json!([tcp(8082, 80)]));
        eth1["prevResult"] = result(&["10.1.0.3/24"]);
        eth1["prevResult"]["interfaces"][1]["name"] = json!("eth1");
        world.add("c1", &wan);
        world.call(Command::Add, "c1", &eth1).ifname("eth1").run().result();
        let others = world.state();
        for known in
            [lan.clone(), without(&lan, &["prevResult"]), without(&lan, &["prevResult", "runtimeConfig"])]
        {
            world.add("c1", &lan);
            world.del("c1", &known);
            let left = world.state();
            // The tables for IPv6 stay.
            assert!(others.is_subset(&left), "{layout}: {left:#?}");
            assert!(!world.maps(8080), "{layout}: {left:#?}");
            world.check("c1", &wan);
            world.call(Command::Check, "c1", &eth1).ifname("eth1").run().silent_success();
        }
    }
}

#[test]
fn gc_removes_what_is_of_no_valid_attachment_of_this_network() {
    for layout in LAYOUTS {
        let world = World::bare();
        let lan = config(keys(layout, "lan"), json!([tcp(8080, 80)]));
        let mut other = config(keys(layout, "lan"), json!([tcp(8081, 80)]));
        other["prevResult"] = result(&["10.1.0.3/24"]);
        let mut wan = config(keys(layout, "wan"), json!([tcp(8082, 80)]));
        wan["prevResult"] = result(&["10.2.0.2/24"]);
        // A long name and id, so that comments are cut.
        let id = "0123456789abcdef".repeat(4);
        let long_name = "n".repeat(100);
        let mut long = config(keys(layout, &long_name), json!([tcp(8083, 80)]));
        long["prevResult"] = result(&["10.3.0.2/24"]);
        world.add("c1", &lan);
        world.add("c2", &other);
        world.add("c1", &wan);
        world.add(&id, &long);
        let ports = || -> Vec<u16> { (8080..=8083).filter(|port| world.maps(*port)).collect() };
        let gc = |config: &Value, valid: Value| {
            let mut config = without(config, &["prevResult", "runtimeConfig"]);
            config["cni.dev/valid-attachments"] = valid;
            world.call(Command::Gc, "", &config).run().silent_success();
        };
        // Without a list nothing is known to be gone.
        world.call(Command::Gc, "", &without(&lan, &["prevResult"])).run().silent_success();
        gc(&lan, json!([{"containerID": "c1", "ifname": "eth0"}, {"containerID": "c2", "ifname": "eth0"}]));
        assert_eq!(ports(), [8080, 8081, 8082, 8083]);
        gc(&lan, json!([{"containerID": "c2", "ifname": "eth0"}]));
        assert_eq!(ports(), [8081, 8082, 8083], "{layout}");
        gc(&long, json!([{"containerID": id, "ifname": "eth0"}]));
        assert_eq!(ports(), [8081, 8082, 8083], "{layout}");
        gc(&long, json!([]));
        assert_eq!(ports(), [8081, 8082], "{layout}");
        world.check("c2", &other);
        gc(&lan, json!(null));
        gc(&wan, json!([]));
        assert_eq!(world.of_containers(), [""; 0]);
    }
}

/// A GC of network `lan` with these valid interfaces of container c1.
#[track_caller]
fn gc_of_c1(world: &World, backend: &str, ifnames: &[&str]) {
    let mut gc = without(&config(json!({"backend": backend}), json!([])), &["prevResult", "runtimeConfig"]);
    let valid = ifnames.iter().map(|ifname| json!({"containerID": "c1", "ifname": ifname}));
    gc["cni.dev/valid-attachments"] = valid.collect();
    world.call(Command::Gc, "", &gc).run().silent_success();
}

/// The chain that iptables has for container c1 on network `lan`.
fn container_chain() -> Chain {
    Chain::new(&Table::new(Family::Ip, "nat"), "CNI-DN-78be48db7a08b98cf0bb5")
}

#[test]
fn gc_collects_chains_of_iptables_that_no_rule_jumps_to() {
    let world = World::bare();
    let lan = config(json!({"backend": "iptables"}), json!([tcp(8080, 80)]));
    world.add("c1", &lan);
    let before = world.state();
    let (nft, table) = (world.nft(), Table::new(Family::Ip, "nat"));
    // What a killed ADD of the reference plugin leaves, and what its killed DEL does. A jump from elsewhere keeps a chain.
    let [of_add, of_del, kept] =
        ["0", "1", "2"].map(|digit| Chain::new(&table, format!("CNI-DN-{}", digit.repeat(21))));
    let batch =
        [&of_add, &of_del, &kept].into_iter().fold(nft.batch(), |batch, chain| batch.add_chain(chain));
    let to = std::net::SocketAddr::from(([10, 1, 0, 9], 80));
    let elsewhere = Chain::new(&table, "CNI-HOSTPORT-MASQ");
    let batch = batch.add_rule(&Rule::new(&of_add).dport(Protocol::Tcp, 8081).dnat_to_port(to));
    batch.add_rule(&Rule::new(&elsewhere).jump(&kept)).send().unwrap();
    gc_of_c1(&world, "iptables", &["eth0"]);
    let names: Vec<_> = nft.chains(&table).unwrap().into_iter().map(|chain| chain.name).collect();
    let has = |chain: &Chain| names.contains(&chain.name);
    assert_eq!([&of_add, &of_del, &kept, &container_chain()].map(has), [false, false, true, true]);
    let jump = nft.rules(&elsewhere).unwrap().pop().unwrap();
    nft.batch().delete_rule(&jump).delete_chain(&kept).send().unwrap();
    assert_eq!(world.state(), before);
    world.check("c1", &lan);
}

#[test]
fn gc_collects_a_gone_interface_of_a_container_that_has_another_one() {
    for backend in ["iptables", "nftables"] {
        for (valid, gone) in [("eth0", "eth1"), ("eth1", "eth0")] {
            let world = World::bare();
            let mut eth0 = config(json!({"backend": backend}), json!([tcp(8080, 80)]));
            eth0["prevResult"] = result(&["10.1.0.2/24"]);
            let mut eth1 = config(json!({"backend": backend}), json!([tcp(8081, 81)]));
            eth1["prevResult"] = result(&["10.1.0.3/24"]);
            eth1["prevResult"]["interfaces"][1]["name"] = json!("eth1");
            let call = |command, ifname| {
                let config = if ifname == "eth0" { &eth0 } else { &eth1 };
                world.call(command, "c1", config).ifname(ifname).run()
            };
            // The namespace tells that the addresses are those of two interfaces.
            let net = world.container.net().unwrap();
            for (name, address) in [("eth0", "10.1.0.2/24"), ("eth1", "10.1.0.3/24")] {
                let link = net.add_bridge(&Bridge::new(name)).unwrap().index;
                net.add_address(&Address::new(link, address.parse().unwrap())).unwrap();
                call(Command::Add, name).result();
            }
            let all = world.state();
            call(Command::Add, "eth0").result();
            call(Command::Add, "eth1").result();
            assert_eq!(world.state(), all, "{backend}");
            gc_of_c1(&world, backend, &["eth0", "eth1"]);
            assert_eq!(world.state(), all, "{backend}");
            for ifname in ["eth0", "eth1"] {
                call(Command::Check, ifname).silent_success();
            }
            gc_of_c1(&world, backend, &[valid]);
            call(Command::Check, valid).silent_success();
            let missing = call(Command::Check, gone).error_with(ErrorCode::INTERNAL);
            assert!(!missing.msg.is_empty(), "{backend} {valid}");
            call(Command::Del, valid).silent_success();
            assert_eq!(world.of_containers(), [""; 0]);
        }
    }
}

#[test]
fn what_the_reference_plugin_made_is_recognised_and_removed() {
    let world = World::bare();
    let table = Table::new(Family::Ip, "cni_hostport");
    let hostports = Chain::new(&table, "hostports");
    let masquerading = Chain::new(&table, "masquerading");
    let nft = world.host.run(Nft::open).unwrap().unwrap();
    let lan = config(json!({"prevResult": result(&["10.1.0.2/24"])}), json!([tcp(8080, 80)]));
    // Ours make the chains; what follows has no entry in our map.
    world.add("other", &config(json!({}), json!([tcp(9090, 90)])));
    let before = world.state();
    let rule = |address: [u8; 4], port| {
        Rule::new(&hostports).dport(Protocol::Tcp, port).dnat_to_port((address, 80).into()).comment("c1")
    };
    let to_itself = |address: [u8; 4]| {
        let address = std::net::IpAddr::from(address);
        Rule::new(&masquerading).saddr(address).daddr(address).masquerade().comment("c1")
    };
    let local = |address: [u8; 4]| {
        let (from, to) = (std::net::IpAddr::from([127, 0, 0, 1]), std::net::IpAddr::from(address));
        Rule::new(&masquerading).saddr(from).daddr(to).masquerade().comment("c1")
    };
    let elsewhere = [rule([10, 2, 0, 2], 8081), to_itself([10, 2, 0, 2]), local([10, 2, 0, 2])];
    let ours = [rule([10, 1, 0, 2], 8080), to_itself([10, 1, 0, 2]), local([10, 1, 0, 2])];
    let add =
        |rules: &[Rule]| rules.iter().fold(nft.batch(), |batch, rule| batch.add_rule(rule)).send().unwrap();
    add(&elsewhere);
    let with_elsewhere = world.state();
    assert_ne!(with_elsewhere, before);
    for known in [lan.clone(), without(&lan, &["prevResult"]), without(&lan, &["runtimeConfig"])] {
        add(&ours);
        world.check("c1", &lan);
        let is_enough = known.get("runtimeConfig").is_some();
        world.del("c1", &known);
        // Of what the runtime says nothing about, and we do not know either, nothing is removed.
        assert_eq!(world.state() == with_elsewhere, is_enough);
        world.del("c1", &lan);
        assert_eq!(world.state(), with_elsewhere);
    }
}

#[test]
fn check_names_what_is_missing() {
    for layout in LAYOUTS {
        let world = World::bare();
        let config = config(keys(layout, "lan"), json!([tcp(8080, 80)]));
        let check = || world.call(Command::Check, "c1", &config).run().error_with(ErrorCode::INTERNAL).msg;
        assert!(check().contains("is not mapped to"), "{}", check());
        world.add("c1", &config);
        world.check("c1", &config);
        let nft = world.nft();
        let lead = if layout == "maps" {
            let table = Table::new(Family::Inet, "cni_hostport_maps");
            let ports = nft.sets(&table).unwrap().into_iter().find(|set| set.name == "ipv4_ports").unwrap();
            nft.batch().delete_elements(&ports, &nft.elements(&ports).unwrap()).send().unwrap();
            Chain::new(&table, "ports")
        } else {
            nft.batch().flush_chain(&hostports(Family::Ip)).send().unwrap();
            Chain::new(&Table::new(Family::Ip, "cni_hostport"), "hostports_all")
        };
        assert_eq!(check(), "port 8080/tcp is not mapped to 10.1.0.2");
        world.add("c1", &config);
        world.check("c1", &config);
        nft.batch().flush_chain(&lead).send().unwrap();
        let lead = &*lead.name;
        assert!(check().contains(lead), "{}", check());
        world.add("c1", &config);
        world.check("c1", &config);
    }
}

#[test]
fn with_maps_the_newest_add_has_a_port_and_the_others_wait_for_it() {
    let world = World::bare();
    let mappings = json!([tcp(8080, 80), {"hostPort": 8081, "containerPort": 80, "hostIP": "192.0.2.1"}]);
    let configs: Vec<_> = (2..5)
        .map(|n| {
            let mut config = config(keys("maps", "lan"), mappings.clone());
            config["prevResult"] = result(&[&format!("10.1.0.{n}/24"), &format!("fd00:1::{n}/64")]);
            config
        })
        .collect();
    let has_port = |n: usize| {
        let outcome = world.call(Command::Check, &format!("c{n}"), &configs[n]).run();
        outcome.exit_code() == Some(0)
    };
    let mut states = Vec::new();
    for (n, config) in configs.iter().enumerate() {
        states.push(world.state());
        world.add(&format!("c{n}"), config);
        assert_eq!([0, 1, 2].map(has_port), [0, 1, 2].map(|other| other == n));
    }
    let all = world.state();
    // Again: the one has it still, and the other takes it back.
    world.add("c2", &configs[2]);
    assert_eq!(world.state(), all);
    world.add("c0", &configs[0]);
    assert_eq!([0, 1, 2].map(has_port), [true, false, false]);
    world.add("c2", &configs[2]);
    assert_eq!(world.state(), all);
    // One who waits goes, and then one who has it.
    world.del("c1", &without(&configs[1], &["prevResult"]));
    assert_eq!([0, 1, 2].map(has_port), [false, false, true]);
    world.del("c2", &without(&configs[2], &["prevResult", "runtimeConfig"]));
    assert_eq!(world.state(), states[1]);
    assert_eq!([0, 1, 2].map(has_port), [true, false, false]);
    world.add("c1", &configs[1]);
    let mut gc = without(&configs[0], &["prevResult", "runtimeConfig"]);
    gc["cni.dev/valid-attachments"] = json!([{"containerID": "c0", "ifname": "eth0"}]);
    world.call(Command::Gc, "", &gc).run().silent_success();
    assert_eq!(world.state(), states[1]);
    world.del("c0", &configs[0]);
    assert_eq!(world.of_containers(), [""; 0]);
}

#[test]
fn an_add_that_fails_later_takes_its_ports_back_and_gives_those_of_others_back() {
    for layout in LAYOUTS {
        let world = World::bare();
        let mut other = config(keys(layout, "lan"), json!([tcp(8080, 80)]));
        other["prevResult"] = result(&["10.1.0.3/24", "fd00:1::3/64"]);
        world.add("other", &other);
        let before = world.state();
        let config = config(keys(layout, "lan"), json!([tcp(8080, 80), tcp(8081, 81)]));
        let call = Call::add(&FailsLater).host(&world.host).config(&config).netns(&world.container);
        assert_eq!(call.run().error().msg, "later");
        assert_eq!(world.state(), before, "{layout}");
    }
}

/// Something that happens behind the plugin.
struct FailsLater;

impl Plugin for FailsLater {
    type Config = Config;

    fn add(&self, req: &AddRequest<Config>) -> Result<AddResult> {
        let _ = Portmap.add(req)?;
        Err(Error::new(ErrorCode::INTERNAL, "later"))
    }

    fn del(&self, req: &DelRequest<Config>) -> Result<()> {
        Portmap.del(req)
    }

    fn check(&self, req: &CheckRequest<Config>) -> Result<()> {
        Portmap.check(req)
    }
}

#[test]
fn status_says_whether_nftables_can_be_used() {
    let world = World::bare();
    let config = without(&config(json!({}), json!([])), &["prevResult", "runtimeConfig"]);
    world.call(Command::Status, "", &config).run().silent_success();
    let network = FakeNetwork::new();
    let call = Call::status(&Portmap).network(&network).config(&config);
    let error = call.run().error_with(ErrorCode::NOT_AVAILABLE);
    assert_eq!(error.msg, "nftables cannot be used");
}

#[test]
fn status_answers_with_code_50_if_the_configuration_is_invalid() {
    let network = FakeNetwork::new();
    let config = json!({"type": "portmap", "backend": "pf"});
    let error = Call::status(&Portmap).network(&network).config(config).run();
    assert!(error.error_with(ErrorCode::NOT_AVAILABLE).msg.contains("backend"));
}

#[test]
fn without_a_kernel_that_has_nftables_del_succeeds() {
    let network = FakeNetwork::new();
    let config = config(json!({}), json!([tcp(8080, 80)]));
    let del = || Call::del(&Portmap).network(&network).config(&config);
    del().run().silent_success();
}
