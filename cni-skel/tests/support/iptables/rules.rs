//! Each kind of rule, and what is no rule.

use std::net::IpAddr;

use cni_skel::iptables::{Family, Rule};
use cni_skel::types::{ErrorCode, Protocol};

use super::world::{Kind, World};

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn net(text: &str) -> ipnet::IpNet {
    text.parse().unwrap()
}

pub(crate) const COMMENT: &str = r#"name: "net" id: "it's \ c""#;

/// Rules with their chain, and the words that `iptables-save` has for them.
pub(crate) fn ipv4() -> Vec<(&'static str, Rule, String)> {
    let comment = r#"-m comment --comment "name: \"net\" id: \"it\'s \\ c\"""#;
    let rule = Rule::new;
    let texts = [
        (
            "OUT",
            rule().daddr(net("10.1.0.0/16")).comment(COMMENT).accept(),
            format!("-d 10.1.0.0/16 {comment} -j ACCEPT"),
        ),
        (
            "OUT",
            rule().not_daddr(net("224.0.0.0/4")).comment(COMMENT).masquerade(),
            format!("! -d 224.0.0.0/4 {comment} -j MASQUERADE"),
        ),
        (
            "OUT",
            rule().saddr(net("10.1.3.9/20")).oifname("eth0").return_(),
            "-s 10.1.0.0/20 -o eth0 -j RETURN".to_owned(),
        ),
        (
            "OUT",
            rule().mark(0x2000, 0x2000).masquerade(),
            "-m mark --mark 0x2000/0x2000 -j MASQUERADE".to_owned(),
        ),
        ("OUT", rule().mark(7, u32::MAX).masquerade(), "-m mark --mark 0x7 -j MASQUERADE".to_owned()),
        (
            "POSTROUTING",
            rule().saddr(ip("10.1.0.5")).comment("plain").jump("OUT"),
            "-s 10.1.0.5/32 -m comment --comment plain -j OUT".to_owned(),
        ),
        ("MARKS", rule().set_mark(0x2000, 0x2000), "-j MARK --set-xmark 0x2000/0x2000".to_owned()),
        ("PREROUTING", rule().to_this_machine().jump("IN"), "-m addrtype --dst-type LOCAL -j IN".to_owned()),
        ("OUTPUT", rule().to_this_machine().jump("IN"), "-m addrtype --dst-type LOCAL -j IN".to_owned()),
        (
            "IN",
            rule().comment("x y").dports(Protocol::Tcp, &[80, 443]).jump("MARKS"),
            r#"-p tcp -m comment --comment "x y" -m multiport --dports 80,443 -j MARKS"#.to_owned(),
        ),
        (
            "IN",
            rule().dports(Protocol::Sctp, &[80]).jump("MARKS"),
            "-p sctp -m multiport --dports 80 -j MARKS".to_owned(),
        ),
        (
            "IN",
            rule().saddr(net("10.0.0.0/8")).daddr(ip("192.0.2.1")).dport(Protocol::Tcp, 8080).jump("MARKS"),
            "-s 10.0.0.0/8 -d 192.0.2.1/32 -p tcp -m tcp --dport 8080 -j MARKS".to_owned(),
        ),
        (
            "IN",
            rule().iifname("eth+").dport(Protocol::Udp, 53).dnat_to_port("10.1.0.5:5353".parse().unwrap()),
            "-i eth+ -p udp -m udp --dport 53 -j DNAT --to-destination 10.1.0.5:5353".to_owned(),
        ),
        (
            "IN",
            rule().dport(Protocol::Sctp, 53).dnat_to(ip("10.1.0.5")),
            "-p sctp -m sctp --dport 53 -j DNAT --to-destination 10.1.0.5".to_owned(),
        ),
        (
            "IN",
            rule().not_saddr(ip("127.0.0.1")).protocol(Protocol::Tcp).accept(),
            "! -s 127.0.0.1/32 -p tcp -j ACCEPT".to_owned(),
        ),
    ];
    texts.into()
}

pub(crate) fn ipv6() -> Vec<(&'static str, Rule, String)> {
    let rule = Rule::new;
    let texts = [
        (
            "OUT",
            rule().daddr(net("fd00:1::/64")).comment("c").accept(),
            "-d fd00:1::/64 -m comment --comment c -j ACCEPT",
        ),
        ("OUT", rule().not_daddr(net("ff00::/8")).masquerade(), "! -d ff00::/8 -j MASQUERADE"),
        ("OUT", rule().saddr(net("fd00:1::/61")).accept(), "-s fd00:1::/61 -j ACCEPT"),
        ("POSTROUTING", rule().saddr(ip("fd00:1::5")).jump("OUT"), "-s fd00:1::5/128 -j OUT"),
        ("MARKS", rule().set_mark(1, 3), "-j MARK --set-xmark 0x1/0x3"),
        (
            "IN",
            rule().dports(Protocol::Udp, &[1, 65535]).jump("MARKS"),
            "-p udp -m multiport --dports 1,65535 -j MARKS",
        ),
        (
            "IN",
            rule().dport(Protocol::Tcp, 80).dnat_to_port("[fd00:1::5]:8080".parse().unwrap()),
            "-p tcp -m tcp --dport 80 -j DNAT --to-destination [fd00:1::5]:8080",
        ),
        ("PREROUTING", rule().to_this_machine().jump("IN"), "-m addrtype --dst-type LOCAL -j IN"),
    ];
    texts.map(|(chain, rule, words)| (chain, rule, words.to_owned())).into()
}

pub(crate) fn all(family: Family) -> Vec<(&'static str, Rule, String)> {
    if family == Family::Ipv4 { ipv4() } else { ipv6() }
}

#[track_caller]
pub(crate) fn add(world: &World, family: Family) {
    let nat = world.nat(family);
    let send = || {
        let mut batch = nat.batch().create_chain("OUT").create_chain("IN").create_chain("MARKS");
        for (chain, rule, _) in all(family) {
            batch = batch.append_rule(chain, &rule);
        }
        batch.send()
    };
    world.in_netns(send).unwrap();
}

pub(crate) fn what_contradicts_itself_is_refused_and_nothing_is_done(kind: Kind) {
    let rule = Rule::new;
    let refused = [
        rule().saddr(ip("fd00::1")).accept(),
        rule().dnat_to(ip("fd00::1")),
        rule().not_daddr(net("0.0.0.0/0")).accept(),
        rule().comment("a\nCOMMIT\n*filter").accept(),
        rule().comment("x".repeat(256)).accept(),
        rule().iifname("").accept(),
        rule().iifname("a b").accept(),
        rule().oifname("0123456789abcdef").accept(),
        rule().dports(Protocol::Tcp, &[]).accept(),
        rule().dports(Protocol::Tcp, &[1; 16]).accept(),
        rule().protocol(Protocol::Udp).dport(Protocol::Tcp, 1).accept(),
        rule().dnat_to_port("10.0.0.1:80".parse().unwrap()),
        rule().mark(4, 3).accept(),
        rule().jump("two words"),
        rule().jump("-j"),
        rule().jump("x".repeat(29)),
        rule().accept().return_(),
    ];
    let world = World::new(kind);
    let nat = world.nat(Family::Ipv4);
    for rule in &refused {
        let sent = || nat.batch().create_chain("MADE").append_rule("OUTPUT", rule).send();
        let error = world.in_netns(sent).unwrap_err();
        assert_eq!(error.code(), ErrorCode::INTERNAL, "{rule}");
    }
    for chain in ["", "a b", "x\n-P", "-N", "x]"] {
        let sent = || nat.batch().create_chain(chain).send();
        assert!(world.in_netns(sent).is_err(), "{chain:?}");
    }
    assert_eq!(world.count(Family::Ipv4), (0, 0), "{kind:?}");
}

pub(crate) fn no_comment_breaks_out_of_its_quotes(kind: Kind) {
    let comments = [
        r#"" -j ACCEPT "#,
        r#"\" -j ACCEPT"#,
        r"\\",
        r"\",
        "'",
        r#"'"'"#,
        "#",
        "-j",
        "a  b",
        "\u{e9}",
        " ",
        "!",
    ];
    let world = World::new(kind);
    let nat = world.nat(Family::Ipv4);
    for comment in comments {
        let rule = Rule::new().comment(comment).return_();
        world.in_netns(|| nat.batch().reset_chain("C").append_rule("C", &rule).send()).unwrap();
        let listed = world.rules(Family::Ipv4, "C");
        assert_eq!(listed, [rule], "{kind:?}");
        assert_eq!(world.count(Family::Ipv4), (1, 1), "{kind:?}");
    }
}

pub(crate) fn whether_a_rule_leads_to_a_chain_is_known_without_a_look_at_all_rules(kind: Kind) {
    let world = World::new(kind);
    let has_jump_to = |name: &str| {
        let mut is = false;
        world.look(Family::Ipv4, |listing| is = listing.has_jump_to(name).unwrap());
        is
    };
    assert!(!has_jump_to("TO"), "{kind:?}");
    let nat = world.nat(Family::Ipv4);
    let inside = Rule::new().masquerade();
    world.in_netns(|| nat.batch().add_chain("TO").append_rule("TO", &inside).send()).unwrap();
    assert!(!has_jump_to("TO"), "{kind:?}");
    let lead = Rule::new().comment("-j other").jump("TO");
    world.in_netns(|| nat.batch().append_rule("POSTROUTING", &lead).send()).unwrap();
    assert!(has_jump_to("TO") && !has_jump_to("other"), "{kind:?}");
}
