//! VLANs of bridges in a kernel that supports them, checked with iproute2.
//!
//! Not every kernel supports them, so `.ci/vm` runs these tests in a virtual machine.

use std::process::Command;
use std::thread;

use cni_skel::Netns;
use cni_skel::net::{Bridge, BridgeVlan, LinkIndex, Net, Veth};
use nix::sched::{CloneFlags, unshare};
use serde_json::{Value, json};

/// A namespace with a bridge and a port, which exists as long as the value.
struct Place {
    netns: Netns,
    net: Net,
    bridge: LinkIndex,
    port: LinkIndex,
}

impl Place {
    #[track_caller]
    fn new(bridge: &Bridge) -> Self {
        let thread = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("make a network namespace");
            Netns::own().expect("open the new network namespace")
        });
        let netns = thread.join().expect("the thread ends");
        let net = netns.net().expect("open the new namespace's network");
        let bridge = net.add_bridge(bridge).expect("make a bridge").index;
        let veth = Veth::new("port", "far").master(bridge);
        let port = net.add_veth(&veth, &netns).expect("make a pair").host.index;
        Self { netns, net, bridge, port }
    }

    /// The VLANs of one link.
    #[track_caller]
    fn of(&self, link: LinkIndex) -> Vec<BridgeVlan> {
        self.net.bridge_vlans().expect("list VLANs").remove(&link).unwrap_or_default()
    }

    /// The port's VLANs, as iproute2 prints them.
    #[track_caller]
    fn vlans(&self) -> Value {
        let run = || Command::new("bridge").args(["-j", "vlan", "show", "dev", "port"]).output();
        let output = self.netns.run(run).expect("enter the namespace").expect("run bridge");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
        said[0]["vlans"].clone()
    }
}

#[test]
fn vlan_filtering_is_off_by_default() {
    for (bridge, filters) in [(Bridge::new("br0"), false), (Bridge::new("br0").vlan_filtering(), true)] {
        let place = Place::new(&bridge);
        let options = place.net.link("br0").unwrap().bridge.unwrap();
        assert_eq!((options.vlan_filtering, options.default_pvid), (Some(filters), Some(1)));
        assert_eq!(place.net.link("port").unwrap().bridge, None);
    }
}

#[test]
fn a_new_port_and_its_bridge_have_the_default_vlan() {
    let place = Place::new(&Bridge::new("br0").vlan_filtering());
    assert_eq!(place.vlans(), json!([{"vlan": 1, "flags": ["PVID", "Egress Untagged"]}]));
    for link in [place.port, place.bridge] {
        assert_eq!(place.of(link), [BridgeVlan::native(1)]);
    }
    let far = place.net.link("far").unwrap().index;
    assert_eq!(place.of(far), []);
}

#[test]
fn iproute2_sees_vlans_that_are_added_and_deleted() {
    let place = Place::new(&Bridge::new("br0").vlan_filtering());
    let wanted = [BridgeVlan::native(100), BridgeVlan::tagged(200), BridgeVlan::tagged_range(300, 302)];
    let (net, port) = (&place.net, place.port);
    net.batch()
        .delete_bridge_vlans(port, &[BridgeVlan::native(1)])
        .add_bridge_vlans(port, &wanted)
        .send()
        .unwrap();
    let seen = json!([
        {"vlan": 100, "flags": ["PVID", "Egress Untagged"]}, {"vlan": 200},
        {"vlan": 300}, {"vlan": 301}, {"vlan": 302},
    ]);
    assert_eq!(place.vlans(), seen);
    assert_eq!(place.of(port), wanted);

    // Adding a VLAN again and deleting a missing one succeed.
    net.add_bridge_vlans(port, &wanted).unwrap();
    net.delete_bridge_vlans(port, &[BridgeVlan::tagged(7)]).unwrap();
    assert_eq!(place.vlans(), seen);

    // A VLAN becomes tagged, and another one becomes the VLAN of untagged packets.
    net.add_bridge_vlans(port, &[BridgeVlan::tagged(100), BridgeVlan::native(200)]).unwrap();
    net.delete_bridge_vlans(port, &[BridgeVlan::tagged_range(301, 302)]).unwrap();
    let changed = [BridgeVlan::tagged(100), BridgeVlan::native(200), BridgeVlan::tagged(300)];
    assert_eq!(place.of(port), changed);
    net.add_bridge_vlans(port, &[BridgeVlan::tagged_range(1, 4094)]).unwrap();
    assert_eq!(place.of(port), [BridgeVlan::tagged_range(1, 4094)]);
    net.delete_bridge_vlans(port, &[BridgeVlan::tagged_range(1, 4094)]).unwrap();
    assert_eq!(place.of(port), []);
}

#[test]
fn a_link_that_is_not_a_port_has_no_vlans() {
    let place = Place::new(&Bridge::new("br0").vlan_filtering());
    let far = place.net.link("far").unwrap().index;
    let refused = place.net.add_bridge_vlans(far, &[BridgeVlan::tagged(7)]).unwrap_err();
    assert!(refused.is_unsupported(), "{refused:?}");
    assert_eq!(refused.to_string(), "cannot add VLANs 7 to far");
    assert!(
        place
            .net
            .add_bridge_vlans(LinkIndex::new(9999).unwrap(), &[BridgeVlan::tagged(7)])
            .unwrap_err()
            .is_not_found()
    );
}
