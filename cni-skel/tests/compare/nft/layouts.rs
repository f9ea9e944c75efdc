//! The layouts that plugins need, as `nft` lists them.

use super::listed;
use crate::support::nft::{layouts, ruleset};

#[test]
fn masquerading_is_listed_with_its_comments() {
    let (netns, nft) = ruleset();
    let _ = layouts::masquerading(&nft);
    let wanted = [
        "table inet cni_plugins_masquerade {",
        "comment \"Masquerading for plugins\"",
        "chain masq_checks {",
        "comment \"from certain IPs (to any outside)\"",
        "ip saddr 10.1.0.7 ip daddr != 10.1.0.0/16 masquerade comment \"1234-5678, net: n, if: eth0, id: c\"",
        "}",
        "chain postrouting {",
        "type nat hook postrouting priority srcnat; policy accept;",
        "ip daddr 224.0.0.0/4 return",
        "goto masq_checks",
        "}",
        "}",
    ];
    assert_eq!(listed(&netns), wanted);
}

#[test]
fn ports_can_be_kept_in_a_map() {
    let (netns, nft) = ruleset();
    layouts::ports(&nft);
    let wanted = [
        "table inet ports {",
        "map v4 {",
        "type inet_proto . inet_service : ipv4_addr . inet_service",
        "comment \"who gets what\"",
        "elements = { tcp . 8080 comment \"container c\" : 10.1.0.7 . 80 }",
        "}",
        "map v6 {",
        "type inet_proto . inet_service : ipv6_addr . inet_service",
        "comment \"who gets what\"",
        "elements = { tcp . 8080 comment \"container c\" : fd00::7 . 80 }",
        "}",
        "chain in {",
        "type nat hook prerouting priority dstnat; policy drop;",
        "fib daddr type local meta nfproto ipv4 dnat ip to meta l4proto . th dport map @v4",
        "fib daddr type local meta nfproto ipv6 dnat ip6 to meta l4proto . th dport map @v6",
        "}",
        "}",
    ];
    assert_eq!(listed(&netns), wanted);
}
