//! What ADD makes, as `nft` and `ip` show it.

use cni_testing::{TestNetns, json};

use crate::world::{World, host_end};

#[test]
fn masquerading_has_the_rules_of_the_reference_plugin() {
    let world = World::new();
    let container = TestNetns::new();
    world.add("c1", &container, &world.config_with(json!({"ipMasq": true})));
    let comment = "comment \"a442bdc0d9fc678e-f4d01f2ef4b92245, net: lan, if: eth0, id: c1\"";
    let wanted = [
        "table inet cni_plugins_masquerade {",
        "comment \"Masquerading for plugins from github.com/containernetworking/plugins\"",
        "chain masq_checks {",
        "comment \"Masquerade traffic from certain IPs to any (non-multicast) IP outside their subnet\"",
        &format!("ip saddr 10.1.0.2 ip daddr != 10.1.0.0/24 masquerade {comment}"),
        &format!("ip6 saddr fd00:1::2 ip6 daddr != fd00:1::/64 masquerade {comment}"),
        "}",
        "chain postrouting {",
        "type nat hook postrouting priority srcnat; policy accept;",
        "ip daddr 224.0.0.0/4 return",
        "ip6 daddr ff00::/8 return",
        "goto masq_checks",
        "}",
        "}",
    ];
    assert_eq!(world.host.ruleset(), wanted);
}

#[test]
fn macspoofchk_has_the_chains_and_rules_of_the_reference_plugin() {
    let world = World::new();
    let container = TestNetns::new();
    let result = world.add("c1", &container, &world.config_with(json!({"macspoofchk": true})));
    let (port, mac) = (&result.interfaces[1].name, result.interfaces[2].mac.as_deref().unwrap());
    let comment = "comment \"macspoofchk-c1-eth0\"";
    let wanted = [
        "table bridge nat {",
        "chain PREROUTING {",
        "type filter hook prerouting priority dstnat; policy accept;",
        &format!("iifname \"{port}\" jump cni-br-iface-c1-eth0 {comment}"),
        "}",
        "chain cni-br-iface-c1-eth0 {",
        &format!("jump cni-br-iface-c1-eth0-mac {comment}"),
        "}",
        "chain cni-br-iface-c1-eth0-mac {",
        &format!("ether saddr {mac} return {comment}"),
        &format!("drop {comment}"),
        "}",
        "}",
    ];
    assert_eq!(world.host.ruleset(), wanted);
}

#[test]
fn both_ends_have_the_queue_that_the_kernel_gives_them() {
    // The reference plugin's end on the host has none.
    let world = World::new();
    let container = TestNetns::new();
    world.add("c1", &container, &world.config());
    for (netns, name) in [(&world.host, host_end(&world.net()).name), (&container, "eth0".to_owned())] {
        let text = netns.output("ip", &["-o", "link", "show", "dev", &name]);
        assert!(text.contains(" qlen 1000"), "{text}");
    }
}
