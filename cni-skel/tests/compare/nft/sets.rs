//! Sets: every type of value, and those that are not ours.

use std::net::IpAddr;

use cni_skel::net::LinkIndex;
use cni_skel::nft::{Element, Family, Rule, Set, Value};

use super::{listed, nft_does, nft_says};
use crate::support::nft::{ruleset, table_and_chain};

#[test]
fn every_type_of_key_is_what_nft_takes_it_for() {
    let (netns, nft) = ruleset();
    let (table, _) = table_and_chain(Family::Inet);
    nft.batch().add_table(&table).send().unwrap();
    let ip: IpAddr = [10, 1, 0, 7].into();
    let ip6: IpAddr = "fd00::7".parse().expect("a literal");
    let types = [
        ("ipv4_addr", "10.1.0.7", Value::from(ip)),
        ("ipv6_addr", "fd00::7", ip6.into()),
        ("ether_addr", "02:00:00:00:00:01", Value::ether([2, 0, 0, 0, 0, 1])),
        ("inet_proto", "udp", cni_skel::types::Protocol::Udp.into()),
        ("inet_service", "8080", Value::port(8080)),
        ("ifname", "\"eth0\"", Value::ifname("eth0").expect("a name")),
        ("iface_index", "\"lo\"", Value::ifindex(LinkIndex::new(1).expect("not 0"))),
        ("mark", "0x00002000", Value::mark(0x2000)),
        ("fib_addrtype", "local", Value::fib_local()),
    ];
    for (name, text, value) in types {
        let set = Set::new(&table, "s", &[value.data_type()]);
        let element = Element::new([value]);
        nft.batch().add_set(&set).add_elements(&set, std::slice::from_ref(&element)).send().unwrap();
        let says = listed(&netns).join(" ");
        let wanted = format!("type {name} elements = {{ {text} }}");
        assert!(says.contains(&wanted), "{says} lacks {wanted}");
        // What it reads is what we read, should it say the same itself.
        nft_does(&netns, &format!("flush set inet t s\nadd element inet t s {{ {text} }}"));
        assert_eq!(nft.elements(&set).unwrap(), [element]);
        assert_eq!(nft.sets(&table).unwrap(), std::slice::from_ref(&set));
        nft.batch().delete_set(&set).send().unwrap();
    }
}

#[test]
fn sets_that_we_could_not_describe_are_passed_over() {
    let (netns, nft) = ruleset();
    let (table, chain) = table_and_chain(Family::Ip);
    nft_does(
        &netns,
        "add table ip t
         add set ip t a { type ipv4_addr; flags interval; }
         add set ip t b { type icmp_type; }
         add chain ip t c
         add rule ip t c ip saddr { 10.0.0.1, 10.0.0.2 } limit rate 1/second log prefix \"x\" accept",
    );
    assert_eq!(nft.sets(&table).unwrap(), []);
    let rules = nft.rules(&chain).unwrap();
    assert_eq!(rules.len(), 1);
    assert!(!rules[0].does_the_same(&Rule::new(&chain).accept()));
    nft.batch().delete_rule(&rules[0]).send().unwrap();
    assert!(!nft_says(&netns, &["list", "chain", "ip", "t", "c"]).contains("limit"));
}
