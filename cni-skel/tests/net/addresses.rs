//! Addresses and neighbours.

use cni_skel::net::{Address, Bridge, LinkIndex, Neighbour};
use cni_skel::types::MacAddr;
use ipnet::IpNet;

use crate::{chain, network};

fn cidr(text: &str) -> IpNet {
    text.parse().expect("a literal")
}

#[test]
fn addresses_are_added_listed_and_deleted() {
    let (_netns, net) = network();
    let index = net.add_bridge(&Bridge::new("br0")).unwrap().index;
    let v4 = Address::new(index, cidr("10.1.2.3/24"));
    let narrow = Address::new(index, cidr("10.9.0.1/31"));
    let v6 = Address::new(index, cidr("fd00:1::3/64")).no_dad();
    for address in [&v4, &narrow, &v6] {
        net.add_address(address).unwrap();
    }

    let listed = net.addresses(Some(index)).unwrap();
    assert_eq!(
        listed.iter().map(|a| a.address).collect::<Vec<_>>(),
        [v4.address, narrow.address, v6.address]
    );
    assert_eq!(listed[0].broadcast, Some([10, 1, 2, 255].into()));
    assert_eq!(listed[1].broadcast, None);
    assert!(listed[0].flags.is_permanent());
    assert!(listed[2].flags.is_no_dad());

    // What the kernel lists is what can be given back to it.
    for address in &listed {
        net.delete_address(address).unwrap();
    }
    assert_eq!(net.addresses(Some(index)).unwrap(), []);
}

#[test]
fn an_ipv6_address_is_tentative_unless_asked_otherwise() {
    let (_netns, net) = network();
    let index = net.add_bridge(&Bridge::new("br0")).unwrap().index;
    net.set_up(index).unwrap();
    net.add_address(&Address::new(index, cidr("fd00::1/64"))).unwrap();
    net.add_address(&Address::new(index, cidr("fd00::2/64")).no_dad()).unwrap();
    let tentative = |wanted: &str| {
        let listed = net.addresses(Some(index)).unwrap();
        listed.into_iter().find(|a| a.address == cidr(wanted)).expect("it is listed").flags.is_tentative()
    };
    assert!(tentative("fd00::1/64"));
    assert!(!tentative("fd00::2/64"));
}

#[test]
fn only_the_addresses_of_the_link_are_listed() {
    let (_netns, net) = network();
    let first = net.add_bridge(&Bridge::new("br0")).unwrap().index;
    let second = net.add_bridge(&Bridge::new("br1")).unwrap().index;
    net.add_address(&Address::new(first, cidr("10.0.0.1/24"))).unwrap();
    net.add_address(&Address::new(second, cidr("10.0.1.1/24"))).unwrap();
    assert_eq!(net.addresses(Some(second)).unwrap().len(), 1);
    assert_eq!(net.addresses(None).unwrap().len(), 2);
    assert!(net.addresses(LinkIndex::new(4242)).unwrap_err().is_not_found());
}

#[test]
fn an_address_that_is_there_or_not_is_told_apart() {
    let (_netns, net) = network();
    let index = net.add_bridge(&Bridge::new("br0")).unwrap().index;
    for address in ["10.1.2.3/24", "fd00::1/64"] {
        let address = Address::new(index, cidr(address));
        net.add_address(&address).unwrap();
        let again = net.add_address(&address).unwrap_err();
        assert!(again.is_exists(), "{}", chain(&again));
        assert_eq!(again.to_string(), format!("cannot add address {} to br0", address.address));
        net.delete_address(&address).unwrap();
        let gone = net.delete_address(&address).unwrap_err();
        assert!(gone.is_not_found(), "{}", chain(&gone));
    }
}

#[test]
fn neighbours_are_added_listed_and_deleted() {
    let (_netns, net) = network();
    let index = net.add_bridge(&Bridge::new("br0")).unwrap().index;
    net.set_up(index).unwrap();
    let mac = MacAddr::from_bytes(&[2, 0, 0, 0, 0, 5]).expect("six bytes");
    for address in ["10.1.2.9", "fd00::9"] {
        let neighbour = Neighbour::new(index, address.parse().unwrap(), mac.clone());
        net.add_neighbour(&neighbour).unwrap();
        assert!(net.neighbours(Some(index)).unwrap().contains(&neighbour));
        assert!(net.neighbours(None).unwrap().contains(&neighbour));
        assert!(net.add_neighbour(&neighbour).unwrap_err().is_exists());
        net.delete_neighbour(&neighbour).unwrap();
        assert!(!net.neighbours(Some(index)).unwrap().iter().any(|n| n.address == neighbour.address));
    }
}
