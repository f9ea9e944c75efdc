//! The kernel objects of both layouts. How `nft` lists them is in the target `compare`.

use std::net::IpAddr;

use cni_skel::nft::{Base, Chain, ChainType, Family, Hook, Rule, Table};
use cni_testing::json;
use cni_testing::types::Protocol;

use crate::world::{World, config, hostports, tcp};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Asserts that a chain has these rules with these comments, in this order.
#[track_caller]
fn assert_rules(world: &World, chain: &Chain, wanted: &[Rule]) {
    let listed = world.nft().rules(chain).unwrap();
    let is_same = |(listed, wanted): (&Rule, &Rule)| {
        listed.does_the_same(wanted) && listed.as_comment() == wanted.as_comment()
    };
    let are_same = listed.len() == wanted.len() && listed.iter().zip(wanted).all(is_same);
    assert!(are_same, "{listed:#?} is not {wanted:#?}");
}

#[test]
fn the_rules_are_the_reference_plugins() {
    let world = World::bare();
    let mappings = json!([
        tcp(8080, 80),
        {"hostPort": 53, "containerPort": 5353, "protocol": "UDP", "hostIP": "192.0.2.1"},
        {"hostPort": 9, "containerPort": 9, "protocol": "sctp", "hostIP": "::"},
    ]);
    world.add("c1", &config(json!({}), mappings));
    let nft = world.nft();
    for (family, address) in [(Family::Ip, "10.1.0.2"), (Family::Ip6, "fd00:1::2")] {
        let table = Table::new(family, "cni_hostport");
        let address = ip(address);
        let chain = hostports(family);
        let rule = |chain| Rule::new(chain).comment("c1");
        let tcp = rule(&chain).dport(Protocol::Tcp, 8080).dnat_to_port((address, 80).into());
        let last = match family {
            Family::Ip => rule(&chain)
                .daddr(ip("192.0.2.1"))
                .dport(Protocol::Udp, 53)
                .dnat_to_port((address, 5353).into()),
            _ => rule(&chain).dport(Protocol::Sctp, 9).dnat_to_port((address, 9).into()),
        };
        assert_rules(&world, &chain, &[tcp, last]);
        let [by_address, all] = ["hostip_hostports", "hostports_all"].map(|name| Chain::new(&table, name));
        assert_rules(&world, &by_address, &[]);
        assert_rules(&world, &all, &[Rule::new(&all).jump(&by_address), Rule::new(&all).jump(&chain)]);
        for (name, hook, priority) in
            [("late_prerouting", Hook::Prerouting, Base::DSTNAT + 10), ("late_output", Hook::Output, -90)]
        {
            let base = Base::new(ChainType::Nat, hook, priority);
            let late = nft.find_chain(&Chain::new(&table, name)).unwrap().unwrap();
            assert_eq!(late.base, Some(base), "{name}");
            assert_rules(&world, &late, &[Rule::new(&late).to_this_machine().jump(&all)]);
        }
        let masquerading = Chain::new(&table, "masquerading");
        let own = rule(&masquerading).saddr(address).daddr(address).masquerade();
        let local = rule(&masquerading).saddr(ip("127.0.0.1")).daddr(address);
        let wanted = if family == Family::Ip { vec![own, local.masquerade()] } else { vec![own] };
        assert_rules(&world, &masquerading, &wanted);
    }
}

#[test]
fn without_snat_and_with_masq_all_other_packets_are_masqueraded() {
    for (keys, count) in [(json!({"snat": false}), 0), (json!({"masqAll": true}), 1)] {
        let world = World::bare();
        world.add("c1", &config(keys.clone(), json!([tcp(8080, 80)])));
        for (family, address) in [(Family::Ip, "10.1.0.2"), (Family::Ip6, "fd00:1::2")] {
            let chain = Chain::new(&Table::new(family, "cni_hostport"), "masquerading");
            let rule = Rule::new(&chain).daddr(ip(address)).ct_status_dnat().masquerade().comment("c1");
            assert_rules(&world, &chain, &vec![rule; count]);
        }
    }
}
