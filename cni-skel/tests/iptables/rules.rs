//! Each kind of rule, made by us and by the program: it is the same.

use std::net::IpAddr;

use cni_skel::iptables::{Family, Rule};
use cni_skel::types::{ErrorCode, Protocol};

use crate::world::{Kind, World};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn net(text: &str) -> ipnet::IpNet {
    text.parse().unwrap()
}

const COMMENT: &str = r#"name: "net" id: "it's \ c""#;

/// Rules with their chain, and the words that `iptables-save` has for them.
fn ipv4() -> Vec<(&'static str, Rule, String)> {
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

fn ipv6() -> Vec<(&'static str, Rule, String)> {
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

fn all(family: Family) -> Vec<(&'static str, Rule, String)> {
    if family == Family::Ipv4 { ipv4() } else { ipv6() }
}

#[track_caller]
fn add(world: &World, family: Family) {
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

fn each(mut test: impl FnMut(&World, Family)) {
    for kind in Kind::BOTH {
        for family in Family::ALL {
            test(&World::new(kind), family);
        }
    }
}

#[test]
fn a_rule_shows_as_iptables_save_prints_it() {
    for (_, rule, words) in ipv4().into_iter().chain(ipv6()) {
        assert_eq!(rule.to_string(), words);
    }
}

#[test]
fn the_program_sees_our_rules_as_its_own() {
    each(|world, family| {
        add(world, family);
        let saved = world.saved(family);
        for (chain, _, words) in all(family) {
            assert!(saved.contains(&format!("-A {chain} {words}")), "{words} is not in {saved:#?}");
            world.does(family, &format!("-C {chain} {words}"));
        }
        assert_eq!(saved.iter().filter(|line| line.starts_with("-A")).count(), all(family).len());
        for (chain, _, words) in all(family) {
            world.does(family, &format!("-D {chain} {words}"));
        }
        for chain in ["OUT", "IN", "MARKS"] {
            world.does(family, &format!("-X {chain}"));
        }
        assert!(world.saved(family).is_empty());
    });
}

#[test]
fn we_see_the_programs_rules_as_our_own() {
    each(|world, family| {
        for chain in ["OUT", "IN", "MARKS"] {
            world.does(family, &format!("-N {chain}"));
        }
        for (chain, _, words) in all(family) {
            world.does(family, &format!("-A {chain} {words}"));
        }
        for chain in ["OUT", "IN", "MARKS", "PREROUTING", "OUTPUT", "POSTROUTING"] {
            let listed = world.rules(family, chain);
            let wanted: Vec<_> =
                all(family).into_iter().filter(|(of, ..)| *of == chain).map(|(_, rule, _)| rule).collect();
            assert_eq!(listed, wanted, "{:?} {chain}", world.kind());
        }
        let nat = world.nat(family);
        let clear = || {
            nat.transaction(|listing, mut batch| {
                for chain in ["PREROUTING", "OUTPUT", "POSTROUTING", "IN", "OUT", "MARKS"] {
                    for rule in listing.rules(chain)? {
                        batch = batch.delete_rule(&rule);
                    }
                }
                Ok(batch.delete_chain("IN").delete_chain("OUT").delete_chain("MARKS"))
            })
        };
        world.in_netns(clear).unwrap();
        assert!(world.saved(family).is_empty());
    });
}

#[test]
fn what_a_rule_does_not_say_in_our_words_is_listed_and_can_be_deleted() {
    let foreign = [
        "-p icmp -j MASQUERADE",
        "-j MASQUERADE --random",
        "! -p tcp -s 10.0.0.0/8 -j ACCEPT",
        "-p tcp -m tcp --sport 80 -j ACCEPT",
        "-p tcp -m tcp --dport 80:90 -j ACCEPT",
        "-p tcp -m tcp ! --dport 80 -j ACCEPT",
        "-p tcp -m multiport ! --dports 80 -j ACCEPT",
        "-p tcp -m multiport --dports 80:90 -j ACCEPT",
        "-m addrtype ! --dst-type LOCAL -j ACCEPT",
        "-m addrtype --dst-type LOCAL --limit-iface-out -j ACCEPT",
        "-m statistic --mode random --probability 0.5 -j ACCEPT",
        "-m comment --comment c -m conntrack --ctstate NEW -j ACCEPT",
        "-p tcp -j MASQUERADE --to-ports 1000-2000",
        "-j LOG",
    ];
    for kind in Kind::BOTH {
        let world = World::new(kind);
        for words in foreign {
            world.does(Family::Ipv4, &format!("-A POSTROUTING {words}"));
        }
        let ours = ipv4().into_iter().map(|(_, rule, _)| rule);
        let mut ours: Vec<_> = ours.chain([Rule::new().accept(), Rule::new().masquerade()]).collect();
        ours.push(Rule::new().comment("c").accept());
        let listed = world.rules(Family::Ipv4, "POSTROUTING");
        assert_eq!(listed.len(), foreign.len());
        assert!(listed.iter().all(|rule| !ours.contains(rule)), "{kind:?}: {listed:#?}");
        let nat = world.nat(Family::Ipv4);
        let clear = || {
            nat.transaction(|listing, batch| {
                let rules = listing.rules("POSTROUTING")?;
                Ok(rules.iter().fold(batch, |batch, rule| batch.delete_rule(rule)))
            })
        };
        world.in_netns(clear).unwrap();
        assert!(world.saved(Family::Ipv4).is_empty(), "{kind:?}");
    }
}

#[test]
fn conditions_are_read_where_we_have_words_for_them() {
    let words = ["!", "-s", "10.9.0.0/16", "-i", "eth0", "-m", "mark", "!", "--mark", "0x1/0xff"];
    let rule = Rule::new().dport(Protocol::Tcp, 80).conditions(&words).unwrap().accept();
    let shown = "! -s 10.9.0.0/16 -i eth0 -p tcp -m tcp --dport 80 -m mark ! --mark 0x1/0xff -j ACCEPT";
    assert_eq!(rule.to_string(), shown);
    let world = World::new(Kind::Nft);
    let nat = world.nat(Family::Ipv4);
    world.in_netns(|| nat.batch().append_rule("OUTPUT", &rule).send()).unwrap();
    assert_eq!(world.saved(Family::Ipv4), [format!("-A OUTPUT {shown}")]);
}

#[test]
fn conditions_that_only_the_program_knows_are_its_work() {
    each(|world, family| {
        let words = ["-m", "statistic", "--mode", "random", "--probability", "0.5"];
        let rule = Rule::new().conditions(&words).unwrap().comment("then").accept();
        let nat = world.nat(family);
        world.in_netns(|| nat.batch().add_chain("IN").append_rule("IN", &rule).send()).unwrap();
        let saved = world.saved(family);
        assert!(saved[1].starts_with("-A IN -m statistic --mode random --probability 0.5"), "{saved:?}");
        assert!(saved[1].ends_with("-m comment --comment then -j ACCEPT"), "{saved:?}");
    });
}

#[test]
fn what_is_no_condition_is_refused() {
    let refused: [&[&str]; 10] = [
        &["-j", "ACCEPT"],
        &["-jACCEPT"],
        &["--jump", "ACCEPT"],
        &["--tabl", "filter"],
        &["-t", "filter"],
        &["-A", "INPUT"],
        &["-s"],
        &["-s", "here"],
        &["-m", "comment", "--comment", "a\nCOMMIT"],
        &[""],
    ];
    for words in refused {
        let error = Rule::new().conditions(words).unwrap_err();
        assert_eq!(error.code(), ErrorCode::INVALID_NETWORK_CONFIG, "{words:?}");
    }
}

#[test]
fn what_contradicts_itself_is_refused_and_nothing_is_done() {
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
    for kind in Kind::BOTH {
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
        assert!(world.saved(Family::Ipv4).is_empty(), "{kind:?}");
    }
}

#[test]
fn no_comment_breaks_out_of_its_quotes() {
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
    for kind in Kind::BOTH {
        let world = World::new(kind);
        let nat = world.nat(Family::Ipv4);
        for comment in comments {
            let rule = Rule::new().comment(comment).return_();
            world.in_netns(|| nat.batch().reset_chain("C").append_rule("C", &rule).send()).unwrap();
            let listed = world.rules(Family::Ipv4, "C");
            assert_eq!(listed, [rule], "{kind:?}");
            let saved = world.saved(Family::Ipv4);
            assert!(saved.len() == 2 && saved[1].ends_with("-j RETURN"), "{saved:?}");
        }
    }
}

#[test]
fn whether_a_rule_leads_to_a_chain_is_known_without_a_look_at_all_rules() {
    for kind in Kind::BOTH {
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
}
