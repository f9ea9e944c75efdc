//! Sets: changes of elements.

use std::net::IpAddr;

use cni_skel::nft::{DataType, Element, Family, Field, Rule, Set, Value};

use crate::{chain_of, ruleset, table_and_chain};

#[test]
fn elements_come_and_go() {
    let (_netns, nft) = ruleset();
    let (table, chain) = table_and_chain(Family::Ip);
    let set = Set::new(&table, "s", &[DataType::Ipv4Addr, DataType::IfName]);
    let element = |last: u8| {
        let address: IpAddr = [10, 1, 0, last].into();
        Element::new([address.into(), Value::ifname("eth0").expect("a name")])
    };
    let all: Vec<_> = (0..=255).map(element).collect();
    let rule = Rule::new(&chain).is_not_in(&[Field::IpSaddr, Field::IifName], &set).drop();
    let batch = nft.batch().add_table(&table).add_chain(&chain).add_set(&set);
    batch.add_elements(&set, &all).add_rule(&rule).send().unwrap();
    assert_eq!(nft.elements(&set).unwrap().len(), 256);
    assert!(nft.has_element(&set, |found| *found == element(255)).unwrap());
    assert!(!nft.has_element(&set, |found| found.comment.is_some()).unwrap());
    let missing = Set::new(&table, "missing", &set.key);
    assert!(!nft.has_element(&missing, |_| true).unwrap(), "there is no set");
    assert!(nft.rules(&chain).unwrap()[0].does_the_same(&rule));

    nft.batch().delete_elements(&set, &all[1..]).send().unwrap();
    assert_eq!(nft.elements(&set).unwrap(), [element(0)]);
    // An element that is there already is no error.
    nft.batch().add_elements(&set, &all[..1]).send().unwrap();
    let failed = nft.batch().delete_elements(&set, &all[1..]).send().unwrap_err();
    assert!(failed.is_not_found(), "{failed:?}");
    assert_eq!(failed.to_string(), "cannot delete elements of set ip t s");
    let wrong = Element::new([Value::port(80)]);
    let failed = nft.batch().add_elements(&set, &[wrong]).send().unwrap_err();
    assert_eq!(chain_of(&failed), "cannot change the ruleset: an element has other types than its set");
}

#[test]
fn elements_are_found_by_their_keys() {
    let (_netns, nft) = ruleset();
    let (table, _) = table_and_chain(Family::Inet);
    let types = [DataType::InetProto, DataType::InetService];
    let map = Set::map(&table, "m", &types, &[DataType::Ipv4Addr]);
    let key = |port: u16| vec![cni_skel::types::Protocol::Tcp.into(), Value::port(port)];
    // Neither the table is there, nor the map, nor the element.
    assert_eq!(nft.find_elements(&map, &[key(1)]).unwrap(), [None]);
    nft.batch().add_table(&table).send().unwrap();
    assert_eq!(nft.find_elements(&map, &[key(1)]).unwrap(), [None]);
    let all: Vec<_> = (1..=200)
        .map(|port| {
            let address: IpAddr = [10, 1, 0, 7].into();
            Element::new(key(port)).data([address.into()]).comment(format!("number {port}"))
        })
        .collect();
    nft.batch().add_set(&map).add_elements(&map, &all).send().unwrap();
    let keys: Vec<_> = (100..300).map(key).collect();
    let found = nft.find_elements(&map, &keys).unwrap();
    assert_eq!(found.len(), 200);
    for (element, port) in found.iter().zip(100..) {
        assert_eq!(element.as_ref(), all.get(port - 1));
    }
    assert!(found[100].is_some() && found[101].is_none());
    let failed = nft.find_elements(&map, &[vec![Value::port(1)]]).unwrap_err();
    assert!(chain_of(&failed).ends_with("an element has other types than its set"), "{}", chain_of(&failed));
}
