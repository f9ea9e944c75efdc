//! Waiting for the kernel's notifications.

use std::thread;
use std::time::{Duration, Instant};

use cni_skel::net::{Address, Bridge, OperState, Veth};

use crate::{chain, network};

const LONG: Duration = Duration::from_secs(20);

#[test]
fn a_link_that_is_up_already_is_not_waited_for() {
    let (_host_ns, host) = network();
    let (inside_ns, inside) = network();
    let pair = host.add_veth(&Veth::new("veth0", "eth0").up(), &inside_ns).unwrap();
    inside.set_up(inside.link("eth0").unwrap().index).unwrap();
    let link = host.wait_until_up(pair.host.index, LONG).unwrap();
    assert_eq!(link.oper_state, OperState::Up);
}

#[test]
fn a_wait_ends_for_a_link_whose_state_stays_unknown() {
    let (_netns, net) = network();
    let lo = net.link("lo").unwrap().index;
    net.set_up(lo).unwrap();
    assert_eq!(net.wait_until_up(lo, LONG).unwrap().oper_state, OperState::Unknown);
}

#[test]
fn a_wait_ends_when_the_peer_comes_up() {
    let (_host_ns, host) = network();
    let (inside_ns, inside) = network();
    let pair = host.add_veth(&Veth::new("veth0", "eth0").up(), &inside_ns).unwrap();
    let peer = inside.link("eth0").unwrap().index;
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(50));
            inside.set_up(peer).unwrap();
        });
        let link = host.wait_until_up(pair.host.index, LONG).unwrap();
        assert_eq!(link.oper_state, OperState::Up);
    });
    // The handle has left the group and answers as before.
    assert_eq!(host.link("veth0").unwrap().oper_state, OperState::Up);
}

#[test]
fn a_wait_ends_at_its_timeout() {
    let (_netns, net) = network();
    let index = net.add_bridge(&Bridge::new("br0")).unwrap().index;
    let start = Instant::now();
    let failed = net.wait_until_up(index, Duration::from_millis(30)).unwrap_err();
    assert!(failed.is_timeout(), "{}", chain(&failed));
    assert_eq!(failed.to_string(), "cannot wait any longer for br0");
    assert!(start.elapsed() >= Duration::from_millis(30));
}

#[test]
fn a_wait_ends_when_the_link_is_deleted() {
    let (_netns, net) = network();
    let other = _netns.net().unwrap();
    let index = net.add_bridge(&Bridge::new("br0")).unwrap().index;
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(50));
            other.delete_link(index).unwrap();
        });
        let failed = net.wait_until_up(index, LONG).unwrap_err();
        assert!(failed.is_not_found(), "{}", chain(&failed));
    });
}

#[test]
fn a_wait_for_addresses_ends_when_duplicates_were_looked_for() {
    let (_host_ns, host) = network();
    let (inside_ns, inside) = network();
    let pair = host.add_veth(&Veth::new("veth0", "eth0").up(), &inside_ns).unwrap();
    let eth0 = inside.link("eth0").unwrap().index;
    inside.add_address(&Address::new(eth0, "fd00::2/64".parse().unwrap())).unwrap();
    inside.set_up(eth0).unwrap();
    let is_over = |addresses: &[Address]| {
        !addresses.is_empty() && addresses.iter().all(|address| !address.flags.is_tentative())
    };
    let addresses = inside.wait_for_addresses(eth0, LONG, is_over).unwrap();
    assert!(addresses.iter().any(|address| address.address.to_string() == "fd00::2/64"), "{addresses:?}");
    // They are so already.
    inside.wait_for_addresses(eth0, Duration::ZERO, is_over).unwrap();
    let failed = inside.wait_for_addresses(eth0, Duration::from_millis(30), <[_]>::is_empty).unwrap_err();
    assert!(failed.is_timeout(), "{}", chain(&failed));
    assert_eq!(failed.to_string(), "cannot wait any longer for the addresses of eth0");
    pair.delete().unwrap();
}

#[test]
fn a_duplicate_is_told_from_a_wait_that_is_over() {
    let (host_ns, host) = network();
    let (inside_ns, inside) = network();
    let pair = host.add_veth(&Veth::new("veth0", "eth0").up(), &inside_ns).unwrap();
    let address = "fd00::2/64".parse().unwrap();
    host.add_address(&Address::new(pair.host.index, address).no_dad()).unwrap();
    let eth0 = inside.link("eth0").unwrap().index;
    inside.set_up(eth0).unwrap();
    host.wait_until_up(pair.host.index, LONG).unwrap();
    inside.add_address(&Address::new(eth0, address)).unwrap();
    let has_failed = |addresses: &[Address]| addresses.iter().any(|address| address.flags.is_dad_failed());
    inside.wait_for_addresses(eth0, LONG, has_failed).unwrap();
    drop(host_ns);
}
