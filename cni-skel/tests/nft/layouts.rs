//! The layouts that plugins need, as `nft` lists them.

use std::net::IpAddr;

use cni_skel::nft::{
    Base, Chain, ChainType, DataType, Element, Family, Field, Hook, Rule, Set, Table, Value,
};
use cni_skel::types::Protocol;

use crate::{listed, ruleset};

#[test]
fn masquerading_is_listed_with_its_comments() {
    let (netns, nft) = ruleset();
    let table = Table::new(Family::Inet, "cni_plugins_masquerade").comment("Masquerading for plugins");
    let checks = Chain::new(&table, "masq_checks").comment("from certain IPs (to any outside)");
    let base = Base::new(ChainType::Nat, Hook::Postrouting, Base::SRCNAT);
    let postrouting = Chain::base(&table, "postrouting", base);
    let multicast: ipnet::IpNet = "224.0.0.0/4".parse().expect("a literal");
    let subnet: ipnet::IpNet = "10.1.0.0/16".parse().expect("a literal");
    let address: IpAddr = [10, 1, 0, 7].into();
    nft.batch()
        .add_table(&table)
        .add_chain(&checks)
        .add_chain(&postrouting)
        .flush_chain(&postrouting)
        .add_rule(&Rule::new(&postrouting).daddr(multicast).return_())
        .add_rule(&Rule::new(&postrouting).goto(&checks))
        .add_rule(
            &Rule::new(&checks)
                .saddr(address)
                .not_daddr(subnet)
                .masquerade()
                .comment("1234-5678, net: n, if: eth0, id: c"),
        )
        .send()
        .unwrap();
    let wanted = [
        "table inet cni_plugins_masquerade {",
        "comment \"Masquerading for plugins\"",
        "chain masq_checks {",
        "comment \"from certain IPs (to any outside)\"",
        "ip saddr 10.1.0.7 ip daddr != 10.1.0.0/16 masquerade comment \"1234-5678, net: n, if: eth0, id: c\"",
        "}",
        "chain postrouting {",
        "type nat hook postrouting priority srcnat; policy accept;",
        "ip daddr 224.0.0.0/4 return",
        "goto masq_checks",
        "}",
        "}",
    ];
    assert_eq!(listed(&netns), wanted);

    assert_eq!(nft.tables(Family::Inet).unwrap(), std::slice::from_ref(&table));
    assert_eq!(nft.tables(Family::Ip).unwrap(), []);
    assert_eq!(nft.chains(&table).unwrap(), [checks.clone(), postrouting.clone()]);
    let rules = nft.rules(&checks).unwrap();
    assert_eq!(rules.len(), 1);
    assert_eq!(rules[0].as_comment(), Some("1234-5678, net: n, if: eth0, id: c"));
    assert!(rules[0].handle().is_some());
}

#[test]
fn ports_can_be_kept_in_a_map() {
    let (netns, nft) = ruleset();
    let table = Table::new(Family::Inet, "ports");
    let base = Base::new(ChainType::Nat, Hook::Prerouting, Base::DSTNAT).drops();
    let chain = Chain::base(&table, "in", base);
    for (name, address, data) in [
        ("v4", IpAddr::from([10, 1, 0, 7]), DataType::Ipv4Addr),
        ("v6", "fd00::7".parse().expect("a literal"), DataType::Ipv6Addr),
    ] {
        let map = Set::map(
            &table,
            name,
            &[DataType::InetProto, DataType::InetService],
            &[data, DataType::InetService],
        )
        .comment("who gets what");
        let element = Element::new([Protocol::Tcp.into(), Value::port(8080)])
            .data([address.into(), Value::port(80)])
            .comment("container c");
        let rule = Rule::new(&chain).to_this_machine().dnat_by(&[Field::L4Proto, Field::Dport], &map);
        nft.batch()
            .add_table(&table)
            .add_chain(&chain)
            .add_set(&map)
            .add_elements(&map, std::slice::from_ref(&element))
            .add_rule(&rule)
            .send()
            .unwrap();
        assert_eq!(nft.elements(&map).unwrap(), [element]);
        assert!(nft.sets(&table).unwrap().contains(&map));
        assert!(nft.rules(&chain).unwrap().last().expect("a rule").does_the_same(&rule));
    }
    let wanted = [
        "table inet ports {",
        "map v4 {",
        "type inet_proto . inet_service : ipv4_addr . inet_service",
        "comment \"who gets what\"",
        "elements = { tcp . 8080 comment \"container c\" : 10.1.0.7 . 80 }",
        "}",
        "map v6 {",
        "type inet_proto . inet_service : ipv6_addr . inet_service",
        "comment \"who gets what\"",
        "elements = { tcp . 8080 comment \"container c\" : fd00::7 . 80 }",
        "}",
        "chain in {",
        "type nat hook prerouting priority dstnat; policy drop;",
        "fib daddr type local meta nfproto ipv4 dnat ip to meta l4proto . th dport map @v4",
        "fib daddr type local meta nfproto ipv6 dnat ip6 to meta l4proto . th dport map @v6",
        "}",
        "}",
    ];
    assert_eq!(listed(&netns), wanted);
}
