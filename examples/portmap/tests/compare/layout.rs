//! The kernel objects, as `nft` lists them.

use cni_testing::json;

use crate::world::{World, config, tcp};

#[test]
fn the_rules_are_the_reference_plugins() {
    let world = World::bare();
    let mappings = json!([
        tcp(8080, 80),
        {"hostPort": 53, "containerPort": 5353, "protocol": "UDP", "hostIP": "192.0.2.1"},
        {"hostPort": 9, "containerPort": 9, "protocol": "sctp", "hostIP": "::"},
    ]);
    world.add("c1", &config(json!({}), mappings));
    let lines = world.host.ruleset();
    let text = lines.join("\n");
    let ip = "\
table ip cni_hostport {
comment \"CNI portmap plugin\"
map attachments {
type ifname : ipv4_addr
comment \"Address of each attachment\"
elements = { \"4dbb6579c57f4b4\" comment \"a442bdc0d9fc678e-f4d01f2ef4b92245, if: eth0, net: lan, id: c1\" : 10.1.0.2 }
}
chain hostip_hostports {
}
chain hostports {
tcp dport 8080 dnat to 10.1.0.2:80 comment \"c1\"
ip daddr 192.0.2.1 udp dport 53 dnat to 10.1.0.2:5353 comment \"c1\"
}
chain hostports_all {
jump hostip_hostports
jump hostports
}
chain late_prerouting {
type nat hook prerouting priority dstnat + 10; policy accept;
fib daddr type local jump hostports_all
}
chain late_output {
type nat hook output priority -90; policy accept;
fib daddr type local jump hostports_all
}
chain masquerading {
type nat hook postrouting priority srcnat; policy accept;
ip saddr 10.1.0.2 ip daddr 10.1.0.2 masquerade comment \"c1\"
ip saddr 127.0.0.1 ip daddr 10.1.0.2 masquerade comment \"c1\"
}
}";
    assert!(text.contains(ip), "{text}");
    let ip6 = [
        "tcp dport 8080 dnat to [fd00:1::2]:80 comment \"c1\"",
        "sctp dport 9 dnat to [fd00:1::2]:9 comment \"c1\"",
        "ip6 saddr fd00:1::2 ip6 daddr fd00:1::2 masquerade comment \"c1\"",
    ];
    let rules_of_ip6: Vec<_> =
        lines.iter().filter(|line| line.contains("fd00") && !line.starts_with("elements")).collect();
    assert_eq!(rules_of_ip6, ip6);
}

#[test]
fn the_maps_are_ours() {
    let world = World::bare();
    let mappings = json!([tcp(8080, 80), {"hostPort": 53, "containerPort": 5353, "protocol": "udp", "hostIP": "192.0.2.1"}]);
    world.add("c1", &config(json!({"layout": "maps"}), mappings));
    let text = world.host.ruleset().join("\n");
    let comment = "comment \"a442bdc0d9fc678e-f4d01f2ef4b92245, if: eth0, net: lan, id: c1\"";
    for part in [
        "table inet cni_hostport_maps {\ncomment \"CNI portmap plugin, layout maps\"".to_owned(),
        format!(
            "map ipv4_ports_of_address {{\ntype ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service\n\
             elements = {{ 192.0.2.1 . udp . 53 {comment} : 10.1.0.2 . 5353 }}\n}}"
        ),
        format!(
            "map ipv4_ports {{\ntype inet_proto . inet_service : ipv4_addr . inet_service\n\
             elements = {{ tcp . 8080 {comment} : 10.1.0.2 . 80 }}\n}}"
        ),
        format!("elements = {{ tcp . 8080 {comment} : fd00:1::2 . 80 }}"),
        format!("elements = {{ \"4dbb6579c57f4b4\" {comment} : 10.1.0.2 . 0x00000002 }}"),
        "chain ports {\n\
         dnat ip to ip daddr . meta l4proto . th dport map @ipv4_ports_of_address\n\
         meta nfproto ipv4 dnat ip to meta l4proto . th dport map @ipv4_ports\n\
         dnat ip6 to ip6 daddr . meta l4proto . th dport map @ipv6_ports_of_address\n\
         meta nfproto ipv6 dnat ip6 to meta l4proto . th dport map @ipv6_ports\n}"
            .to_owned(),
        "chain prerouting {\ntype nat hook prerouting priority dstnat + 10; policy accept;\n\
         fib daddr type local jump ports\n}"
            .to_owned(),
        "chain postrouting {\n\
         type nat hook postrouting priority srcnat; policy accept;\n\
         ip saddr . ip daddr @ipv4_masquerade masquerade\n\
         ip daddr @ipv4_masquerade_all ct status dnat masquerade\n\
         ip6 saddr . ip6 daddr @ipv6_masquerade masquerade\n\
         ip6 daddr @ipv6_masquerade_all ct status dnat masquerade\n}"
            .to_owned(),
    ] {
        assert!(text.contains(&part), "{text}\nlacks\n{part}");
    }
}

#[test]
fn without_snat_and_with_masq_all_other_packets_are_masqueraded() {
    for (keys, masquerading) in [
        (json!({"snat": false}), vec![]),
        (
            json!({"masqAll": true}),
            vec![
                "ip daddr 10.1.0.2 ct status dnat masquerade comment \"c1\"",
                "ip6 daddr fd00:1::2 ct status dnat masquerade comment \"c1\"",
            ],
        ),
    ] {
        let world = World::bare();
        world.add("c1", &config(keys.clone(), json!([tcp(8080, 80)])));
        let lines = world.host.ruleset();
        let found: Vec<_> = lines.iter().filter(|line| line.contains("masquerade")).collect();
        assert_eq!(found, masquerading, "{keys}");
    }
}
