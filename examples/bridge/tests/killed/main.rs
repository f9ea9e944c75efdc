//! ADDs that are killed, with rules of nftables in each layout; those of the older iptables are in the target `compare`.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

#[path = "mod.rs"]
mod killed;

use cni_skel::net::Link;
use cni_testing::TestNetns;
use cni_testing::types::Command;
use killed::{Plugin, Way, World, build};

/// The hosts on which this goes on at the same time, by what makes their rules: most of it is waiting for the kernel.
const KILLED_ON: [Way; 8] = [
    Way::Iptables,
    Way::Nftables,
    Way::Maps,
    Way::Iptables,
    Way::Nftables,
    Way::Maps,
    Way::Iptables,
    Way::Nftables,
];

#[test]
fn an_end_that_was_killed_before_it_had_its_alias_is_deleted_without_the_namespace() {
    build();
    let host = TestNetns::new();
    let world = World::new(Way::Iptables);
    host.run(|| world.call(Command::Add, Plugin::Bridge, "c1").run().success()).unwrap();
    let is_veth = |link: &Link| link.kind.as_deref() == Some("veth");
    let end = || host.net().unwrap().links().unwrap().into_iter().find(is_veth);
    let name = end().unwrap().name;
    let net = host.net().unwrap();
    net.set_alias(net.link(&name).unwrap().index, "").unwrap();
    assert_eq!(end().unwrap().alias, None);
    let del = || world.call(Command::Del, Plugin::Bridge, "c1").without_env("CNI_NETNS").run();
    host.run(|| del().silent_success()).unwrap();
    assert!(end().is_none());
}
