//! The layouts that plugins need.

use std::net::IpAddr;

use cni_skel::nft::{
    Base, Chain, ChainType, DataType, Element, Family, Field, Hook, Nft, Rule, Set, Table, Value,
};
use cni_skel::types::Protocol;

/// Makes rules that masquerade. Returns their table, and the chains with the checks and behind the hook.
pub(crate) fn masquerading(nft: &Nft) -> (Table, Chain, Chain) {
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
        .expect("the kernel takes it");
    (table, checks, postrouting)
}

/// Makes maps of ports for both families, and looks whether they come back as they were.
pub(crate) fn ports(nft: &Nft) {
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
            .expect("the kernel takes it");
        assert_eq!(nft.elements(&map).expect("the kernel takes it"), [element]);
        assert!(nft.sets(&table).expect("the kernel takes it").contains(&map));
        assert!(nft.rules(&chain).expect("the kernel takes it").last().expect("a rule").does_the_same(&rule));
    }
}
