//! Conditions: each network has its own.

use std::net::SocketAddr;

use cni_skel::nft::{Base, Chain, ChainType, Family, Hook, Rule, Table};
use cni_testing::json;
use cni_testing::types::Protocol;

use crate::world::{World, config, hostports, result, tcp};

#[test]
fn conditions_are_in_the_rules_of_their_network_only() {
    let world = World::bare();
    let conditions =
        json!({"conditionsV4": ["ip", "daddr", "!=", "10.9.0.0/16"], "conditionsV6": ["iifname", "eth0"]});
    let strict = config(conditions, json!([tcp(8080, 80)]));
    let mut open = config(json!({"name": "wan"}), json!([tcp(8081, 81)]));
    open["prevResult"] = result(&["10.2.0.2/24"]);
    world.add("c1", &strict);
    world.add("c1", &open);
    let rule = |family| Rule::new(&hostports(family)).comment("c1");
    let elsewhere: ipnet::IpNet = "10.9.0.0/16".parse().unwrap();
    for wanted in [
        rule(Family::Ip).not_daddr(elsewhere).dport(Protocol::Tcp, 8080).dnat_to_port(to("10.1.0.2:80")),
        rule(Family::Ip6).iifname("eth0").dport(Protocol::Tcp, 8080).dnat_to_port(to("[fd00:1::2]:80")),
        rule(Family::Ip).dport(Protocol::Tcp, 8081).dnat_to_port(to("10.2.0.2:81")),
    ] {
        assert!(world.has(&wanted), "{wanted} is not in {:#?}", world.rules());
    }
    let is_lead = |rule: &&Rule| rule.jump_target() == Some("hostports_all");
    assert_eq!(world.rules().iter().filter(is_lead).count(), 4);
    world.check("c1", &strict);
    world.check("c1", &open);
    world.del("c1", &strict);
    world.check("c1", &open);
    world.del("c1", &open);
    assert_eq!(world.of_containers(), [""; 0]);
}

#[test]
fn the_reference_plugins_ways_to_the_ports_are_closed_by_the_next_add_and_ours_by_the_last_del() {
    let world = World::bare();
    let lan = config(json!({}), json!([tcp(8080, 80)]));
    world.add("c1", &lan);
    let nft = world.nft();
    // As the reference plugin had it up to version 1.8: no look at the destination.
    let table = Table::new(Family::Ip, "cni_hostport");
    let base = Base::new(ChainType::Nat, Hook::Prerouting, Base::DSTNAT);
    let prerouting = Chain::base(&table, "prerouting", base);
    let [all, hostports] = ["hostports_all", "hostports"].map(|name| Chain::new(&table, name));
    let old = Rule::new(&prerouting).jump(&hostports);
    nft.batch().add_chain(&prerouting).add_rule(&old).send().unwrap();
    let mut other = config(json!({}), json!([tcp(8081, 80)]));
    other["prevResult"] = result(&["10.1.0.3/24"]);
    world.add("c2", &other);
    assert!(nft.rules(&prerouting).unwrap().is_empty());
    world.check("c1", &lan);
    // And as it has it now, when the node goes back to it.
    let lead = Rule::new(&prerouting).iifname("eth0").to_this_machine().jump(&all);
    let theirs =
        Rule::new(&hostports).dport(Protocol::Tcp, 80).dnat_to_port(to("10.1.0.9:80")).comment("theirs");
    nft.batch().add_rule(&lead).add_rule(&theirs).send().unwrap();
    world.del("c1", &lan);
    world.check("c2", &other);
    world.del("c2", &other);
    let chains = nft.chains(&table).unwrap();
    assert!(chains.iter().all(|chain| !chain.name.starts_with("late_")), "{chains:?}");
    assert!(world.has(&lead) && world.has(&theirs), "{:#?}", world.rules());
}

fn to(text: &str) -> SocketAddr {
    text.parse().unwrap()
}
