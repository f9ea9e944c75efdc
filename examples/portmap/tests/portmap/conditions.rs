//! Conditions: each network has its own.

use cni_testing::json;

use crate::world::{World, config, result, tcp};

#[test]
fn conditions_are_in_the_rules_of_their_network_only() {
    let world = World::bare();
    let conditions =
        json!({"conditionsV4": ["ip", "daddr", "!=", "10.9.0.0/16"], "conditionsV6": ["iifname", "eth0"]});
    let strict = config(conditions, json!([tcp(8080, 80)]));
    let mut open = config(json!({"name": "wan"}), json!([tcp(8081, 81)]));
    open["prevResult"] = result(&["10.2.0.2/24"]);
    world.add("c1", &strict);
    world.add("c1", &open);
    let lines = world.host.ruleset();
    for line in [
        "ip daddr != 10.9.0.0/16 tcp dport 8080 dnat to 10.1.0.2:80 comment \"c1\"",
        "iifname \"eth0\" tcp dport 8080 dnat to [fd00:1::2]:80 comment \"c1\"",
        "tcp dport 8081 dnat to 10.2.0.2:81 comment \"c1\"",
    ] {
        assert!(lines.iter().any(|l| l == line), "{lines:#?}");
    }
    assert_eq!(lines.iter().filter(|l| *l == "fib daddr type local jump hostports_all").count(), 4);
    world.check("c1", &strict);
    world.check("c1", &open);
    world.del("c1", &strict);
    world.check("c1", &open);
    world.del("c1", &open);
    assert_eq!(world.of_containers(), [""; 0]);
}

#[test]
fn the_reference_plugins_ways_to_the_ports_are_closed_by_the_next_add_and_ours_by_the_last_del() {
    let world = World::bare();
    let lan = config(json!({}), json!([tcp(8080, 80)]));
    world.add("c1", &lan);
    let nft = |words: &str| world.host.output("nft", &words.split(' ').collect::<Vec<_>>());
    // As the reference plugin had it up to version 1.8: no look at the destination.
    nft("add chain ip cni_hostport prerouting { type nat hook prerouting priority -100; }");
    nft("add rule ip cni_hostport prerouting jump hostports");
    let mut other = config(json!({}), json!([tcp(8081, 80)]));
    other["prevResult"] = result(&["10.1.0.3/24"]);
    world.add("c2", &other);
    let text = world.host.ruleset().join("\n");
    assert!(text.contains("hook prerouting priority dstnat; policy accept;\n}"), "{text}");
    world.check("c1", &lan);
    // And as it has it now, when the node goes back to it.
    nft("add rule ip cni_hostport prerouting iifname \"eth0\" fib daddr type local jump hostports_all");
    nft("add rule ip cni_hostport hostports tcp dport 80 dnat to 10.1.0.9:80 comment \"theirs\"");
    world.del("c1", &lan);
    world.check("c2", &other);
    world.del("c2", &other);
    let text = world.host.ruleset().join("\n");
    assert!(!text.contains("late_"), "{text}");
    assert!(text.contains("iifname \"eth0\" fib daddr type local jump hostports_all"), "{text}");
    assert!(text.contains("10.1.0.9:80 comment \"theirs\""), "{text}");
}
