//! Making, finding, changing and deleting links.

use std::sync::atomic::{AtomicBool, Ordering};

use cni_skel::Sysctl;
use cni_skel::net::{Bridge, LinkIndex, OperState, Veth};
use cni_skel::types::MacAddr;

use crate::{chain, network};

fn mac(last: u8) -> MacAddr {
    MacAddr::from_bytes(&[0x02, 0, 0, 0, 0, last]).expect("six bytes")
}

#[test]
fn a_veth_is_made_with_all_that_was_asked_for() {
    let (_host_ns, host) = network();
    let (inside_ns, inside) = network();
    let bridge = host.add_bridge(&Bridge::new("br0").mac(mac(9))).unwrap();
    host.set_up(bridge.index).unwrap();

    let veth = Veth::new("veth1234", "eth0")
        .mtu(1400)
        .mac(mac(1))
        .peer_mac(mac(2))
        .up()
        .master(bridge.index)
        .alias("cni:net:id:eth0")
        .hairpin(true)
        .isolated(true);
    let pair = host.add_veth(&veth, &inside_ns).unwrap();

    let here = host.link("veth1234").unwrap();
    assert_eq!(here.index, pair.host.index);
    assert_eq!(here.kind.as_deref(), Some("veth"));
    assert_eq!((here.mtu, here.mac.clone(), here.master), (1400, Some(mac(1)), Some(bridge.index)));
    assert_eq!(here.alias.as_deref(), Some("cni:net:id:eth0"));
    assert!(here.flags.is_up());
    assert!(here.link_netns_id.is_some());
    let port = here.port.expect("it is a port of a bridge");
    assert!(port.hairpin && port.isolated);

    let there = inside.link("eth0").unwrap();
    assert_eq!(Some(there.index), here.peer);
    assert_eq!((there.mtu, there.mac), (1400, Some(mac(2))));
    assert!(!there.flags.is_up());

    pair.delete().unwrap();
    assert_eq!(host.find_link("veth1234").unwrap(), None);
    assert_eq!(inside.find_link("eth0").unwrap(), None);
    pair.delete().expect("a second delete is not an error");
}

#[test]
fn a_veth_that_cannot_be_finished_is_not_there() {
    let (_host_ns, host) = network();
    let (inside_ns, inside) = network();
    let failed = host.add_veth(&Veth::new("veth0", "eth0").hairpin(true), &inside_ns).unwrap_err();
    assert!(
        chain(&failed).starts_with("cannot set the bridge port options of veth0: "),
        "{}",
        chain(&failed)
    );
    assert_eq!(host.links().unwrap().len(), 1);
    assert_eq!(inside.links().unwrap().len(), 1);
}

#[test]
fn a_veth_whose_name_is_taken_leaves_the_other_alone() {
    let (_host_ns, host) = network();
    let (inside_ns, inside) = network();
    let first = host.add_veth(&Veth::new("veth0", "eth0").alias("first"), &inside_ns).unwrap();

    let taken_here = host.add_veth(&Veth::new("veth0", "eth1").alias("second"), &inside_ns).unwrap_err();
    assert!(taken_here.is_exists(), "{}", chain(&taken_here));
    assert_eq!(chain(&taken_here), "cannot add veth veth0 with peer eth1: File exists (os error 17)");
    let taken_there = host.add_veth(&Veth::new("veth1", "eth0"), &inside_ns).unwrap_err();
    assert!(taken_there.is_exists(), "{}", chain(&taken_there));

    assert_eq!(host.link("veth0").unwrap().alias.as_deref(), Some("first"));
    assert_eq!(host.link("veth0").unwrap().index, first.host.index);
    assert_eq!(host.find_link("veth1").unwrap(), None);
    assert_eq!(inside.find_link("eth1").unwrap(), None);
}

#[test]
fn names_that_the_kernel_would_replace_are_refused() {
    let (_host_ns, host) = network();
    let (inside_ns, _) = network();
    for name in ["", "veth%d", "a/b", "a b", "a\0b", "..", "sixteencharsname"] {
        let failed = host.add_veth(&Veth::new("veth0", name), &inside_ns).unwrap_err();
        assert!(chain(&failed).ends_with("invalid name of a link"), "{name}: {}", chain(&failed));
        assert!(host.add_veth(&Veth::new(name, "eth0"), &inside_ns).is_err());
        assert!(host.add_bridge(&Bridge::new(name)).is_err());
    }
    assert_eq!(host.links().unwrap().len(), 1);
}

#[test]
fn a_bridge_is_down_and_has_what_was_asked_for() {
    let (_netns, net) = network();
    let bridge = net.add_bridge(&Bridge::new("cni0").mtu(1450).mac(mac(7))).unwrap();
    assert_eq!(bridge.kind.as_deref(), Some("bridge"));
    assert_eq!((bridge.mtu, bridge.mac.clone()), (1450, Some(mac(7))));
    assert!(!bridge.flags.is_up());

    let again = net.add_bridge(&Bridge::new("cni0")).unwrap_err();
    assert!(again.is_exists());
    assert_eq!(net.link("cni0").unwrap(), bridge);
}

#[test]
fn a_link_is_changed_as_asked() {
    let (_netns, net) = network();
    let index = net.add_bridge(&Bridge::new("br0")).unwrap().index;
    net.set_mtu(index, 1300).unwrap();
    net.set_mac(index, &mac(3)).unwrap();
    net.set_alias(index, "hello").unwrap();
    net.set_promisc(index, true).unwrap();
    net.rename(index, "br1").unwrap();
    net.set_up(index).unwrap();
    let link = net.link_by_index(index).unwrap();
    assert_eq!((link.name.as_str(), link.mtu, link.mac), ("br1", 1300, Some(mac(3))));
    assert_eq!((link.alias.as_deref(), link.promiscuity), (Some("hello"), 1));
    assert!(link.flags.is_up() && link.flags.is_promisc());

    net.set_promisc(index, false).unwrap();
    net.set_alias(index, "").unwrap();
    net.set_down(index).unwrap();
    let link = net.link("br1").unwrap();
    assert!(!link.flags.is_up() && !link.flags.is_promisc());
    assert_eq!(link.alias, None);
}

#[test]
fn a_port_is_attached_changed_and_detached() {
    let (_host_ns, host) = network();
    let (inside_ns, _) = network();
    let bridge = host.add_bridge(&Bridge::new("br0")).unwrap().index;
    let port = host.add_veth(&Veth::new("veth0", "eth0"), &inside_ns).unwrap().host.index;
    assert_eq!(host.link_by_index(port).unwrap().port, None);
    host.set_master(port, Some(bridge)).unwrap();
    host.set_hairpin(port, true).unwrap();
    let settings = host.link_by_index(port).unwrap().port.unwrap();
    assert!(settings.hairpin && !settings.isolated);
    host.set_isolated(port, true).unwrap();
    host.set_hairpin(port, false).unwrap();
    let settings = host.link_by_index(port).unwrap().port.unwrap();
    assert!(!settings.hairpin && settings.isolated);
    host.set_master(port, None).unwrap();
    assert_eq!(host.link_by_index(port).unwrap().master, None);
}

#[test]
fn what_is_not_there_is_not_found() {
    let (_netns, net) = network();
    let missing = net.link("nope").unwrap_err();
    assert!(missing.is_not_found());
    assert_eq!(chain(&missing), "cannot find link nope: No such device (os error 19)");
    assert!(net.link("a-name-longer-than-fifteen").unwrap_err().is_not_found());
    assert!(net.link_by_index(LinkIndex::new(4242).unwrap()).unwrap_err().is_not_found());
    let missing = net.delete_link(LinkIndex::new(4242).unwrap()).unwrap_err();
    assert!(missing.is_not_found());
    assert_eq!(chain(&missing), "cannot delete link 4242: No such device (os error 19)");
    assert!(net.link("").is_err());
}

#[test]
fn link_zero_is_never_deleted() {
    let (_netns, net) = network();
    net.add_bridge(&Bridge::new("br0")).unwrap();
    assert_eq!(net.links().unwrap().len(), 2);
}

#[test]
fn an_error_names_the_link_by_its_name() {
    let (_netns, net) = network();
    let index = net.add_bridge(&Bridge::new("br0")).unwrap().index;
    let failed = net.set_mtu(index, 1).unwrap_err();
    assert_eq!(failed.to_string(), "cannot set mtu 1 on br0");
    assert_eq!(failed.kernel_text(), Some("mtu less than device minimum"));
    assert_eq!(
        chain(&failed),
        "cannot set mtu 1 on br0: Invalid argument (os error 22): mtu less than device minimum"
    );
}

#[test]
fn every_link_is_listed_however_many_there_are() {
    let (_netns, net) = network();
    for n in 0..80 {
        net.add_bridge(&Bridge::new(format!("br{n}"))).unwrap();
    }
    let links = net.links().unwrap();
    assert_eq!(links.len(), 81);
    assert_eq!(links[0].name, "lo");
    assert!(links[1..].iter().zip(0..).all(|(link, n)| link.name == format!("br{n}")));
}

#[test]
fn a_list_is_whole_although_links_come_and_go_meanwhile() {
    let (netns, net) = network();
    for n in 0..80 {
        net.add_bridge(&Bridge::new(format!("br{n}"))).unwrap();
    }
    let other = netns.net().unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let index = other.add_bridge(&Bridge::new("passing")).unwrap().index;
                other.delete_link(index).unwrap();
            }
        });
        for _ in 0..200 {
            // An error is an honest answer; a list that lacks something is not.
            if let Ok(links) = net.links() {
                assert_eq!(links.iter().filter(|link| link.name.starts_with("br")).count(), 80);
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn the_handle_works_from_any_thread_and_from_several() {
    let (_netns, net) = network();
    std::thread::scope(|scope| {
        for n in 0..8 {
            let net = net.clone();
            scope.spawn(move || {
                let name = format!("br{n}");
                net.add_bridge(&Bridge::new(&*name)).unwrap();
                assert_eq!(net.link(&name).unwrap().oper_state, OperState::Down);
            });
        }
    });
    assert_eq!(net.links().unwrap().len(), 9);
}

#[test]
fn a_link_with_a_dot_in_its_name_has_sysctls() {
    let (netns, net) = network();
    net.add_bridge(&Bridge::new("br0.5")).unwrap();
    netns
        .run(|| {
            let arp_notify = Sysctl::ipv4("br0.5", "arp_notify").unwrap();
            assert!(arp_notify.write("1").unwrap());
            assert_eq!(arp_notify.read().unwrap().as_deref(), Some("1"));
            assert!(Sysctl::ipv6("br0.5", "accept_ra").unwrap().write("0").unwrap());
        })
        .unwrap();
}
