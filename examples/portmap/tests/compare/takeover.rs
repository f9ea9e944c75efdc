//! Debian's plugin and ours on one node, with iptables of either kind: whoever made what the other removes or checks, the
//! world is the same as with one of them alone.

use std::os::unix::fs::symlink;

use cni_testing::types::Command;
use cni_testing::{Binary, Call, Iptables, IptablesKind, Subject, json, reference_plugin};
use portmap::Portmap;
use serde_json::Value;

use crate::world::{World, config, result, tcp, without};

/// A host with one kind of iptables.
pub(crate) struct Node {
    pub(crate) world: World,
    pub(crate) programs: Iptables,
}

impl Node {
    pub(crate) fn new(kind: IptablesKind) -> Self {
        Self::around(World::bare(), kind)
    }

    /// A host on which a first container has come and gone, so that what belongs to no container is there.
    pub(crate) fn used(kind: IptablesKind, config: &Value) -> Self {
        let node = Self::new(kind);
        node.ours(Command::Add, "first", config);
        node.ours(Command::Del, "first", config);
        node
    }

    pub(crate) fn around(world: World, kind: IptablesKind) -> Self {
        Self { world, programs: Iptables::new(kind) }
    }

    pub(crate) fn call<S: Subject + Sync>(
        &self,
        command: Command,
        subject: S,
        id: &str,
        config: &Value,
    ) -> Call<'_, S> {
        let call = Call::new(command, subject).host(&self.world.host).config(config);
        let call = call.iptables(&self.programs);
        match command {
            Command::Gc | Command::Status => call,
            _ => call.container_id(id).netns(&self.world.container),
        }
    }

    #[track_caller]
    pub(crate) fn ours(&self, command: Command, id: &str, config: &Value) {
        let outcome = self.call(command, &Portmap, id, config).run();
        assert_eq!(outcome.exit_code(), Some(0), "{outcome}");
    }

    #[track_caller]
    fn debians(&self, command: Command, id: &str, config: &Value) {
        let outcome = self.call(command, Binary::at(reference_plugin("portmap")), id, config).run();
        assert_eq!(outcome.exit_code(), Some(0), "{outcome}");
    }

    /// Debian's CHECK looks for the rules of either family in both, and can succeed only where `ip6tables` is not there and
    /// the container has no IPv6 address.
    #[track_caller]
    fn debians_check(&self, id: &str, config: &Value) {
        let mut config = config.clone();
        config["prevResult"]["ips"].as_array_mut().unwrap().truncate(1);
        let folder = tempfile::tempdir().unwrap();
        symlink(self.programs.folder().join("iptables"), folder.path().join("iptables")).unwrap();
        let call = self.call(Command::Check, Binary::at(reference_plugin("portmap")), id, &config);
        let outcome = call.env("PATH", folder.path()).run();
        assert_eq!(outcome.exit_code(), Some(0), "{outcome}");
    }

    /// Chains and rules of both families, and what `nft` shows besides.
    #[track_caller]
    pub(crate) fn saved(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for name in ["iptables-save", "ip6tables-save"] {
            let text = self.programs.run(&self.world.host, name, &["-t", "nat"]);
            let of_family = text.lines().filter(|line| !line.starts_with('#'));
            // What is counted depends on what the machine sent meanwhile, and which of its own chains are there on who was
            // the first to need them.
            let without_counts = of_family.map(|line| line.trim_end_matches(" [0:0]").to_owned());
            lines.extend(without_counts.filter(|line| !line.starts_with(':') || line.ends_with(" -")));
        }
        lines.retain(|line| line != "*nat" && line != "COMMIT");
        let nft = self.world.host.output("nft", &["list", "tables"]);
        lines.extend(nft.lines().filter(|line| !line.ends_with(" nat")).map(str::to_owned));
        lines
    }

    #[track_caller]
    pub(crate) fn does(&self, words: &str) {
        self.runs("iptables", words);
    }

    /// Runs `iptables` or `ip6tables` in table nat.
    #[track_caller]
    fn runs(&self, program: &str, words: &str) {
        let args: Vec<_> = ["-w", "-t", "nat"].into_iter().chain(words.split(' ')).collect();
        self.programs.run(&self.world.host, program, &args);
    }
}

pub(crate) fn of_iptables(keys: Value, mappings: Value) -> Value {
    let mut config = config(json!({"cniVersion": "1.0.0", "backend": "iptables"}), mappings);
    for (key, value) in keys.as_object().unwrap() {
        config[key] = value.clone();
    }
    config["prevResult"]["cniVersion"] = json!("1.0.0");
    config
}

/// Every option that Debian's version has.
fn options() -> Vec<Value> {
    let mappings = json!([
        tcp(8080, 80),
        {"hostPort": 53, "containerPort": 5353, "protocol": "udp", "hostIP": "192.0.2.1"},
        {"hostPort": 54, "containerPort": 5353, "protocol": "udp", "hostIP": "2001:db8::1"},
        {"hostPort": 9, "containerPort": 9, "protocol": "sctp", "hostIP": "0.0.0.0"},
    ]);
    let many: Vec<_> = (8000..8017).map(|port| tcp(port, 80)).collect();
    let mut all: Vec<_> = [
        json!({}),
        json!({"snat": false}),
        json!({"markMasqBit": 14}),
        json!({"externalSetMarkChain": "KUBE-MARK-MASQ"}),
        json!({"conditionsV4": ["!", "-d", "192.168.5.0/24", "-i", "eth0"], "conditionsV6": ["!", "-s", "fd00:9::/64"]}),
        json!({"conditionsV4": ["-m", "conntrack", "--ctstate", "NEW"]}),
    ]
    .into_iter()
    .map(|keys| of_iptables(keys, mappings.clone()))
    .collect();
    all.push(of_iptables(json!({}), json!(many)));
    all.push(of_iptables(json!({"prevResult": result(&["10.1.0.2/24"])}), json!([tcp(8080, 80)])));
    all
}

/// A node on which another container has ports already, by whichever plugin.
fn node(kind: IptablesKind, config: &Value) -> Node {
    let node = Node::new(kind);
    node.does("-N KUBE-MARK-MASQ");
    node.runs("ip6tables", "-N KUBE-MARK-MASQ");
    let mut other = of_iptables(json!({"markMasqBit": 13}), json!([tcp(9090, 90)]));
    other["prevResult"]["ips"] = config["prevResult"]["ips"].clone();
    node.debians(Command::Add, "other", &other);
    node
}

#[track_caller]
fn assert_same(is: &[String], wanted: &[String], about: &str) {
    let count = |lines: &[String], line: &String| lines.iter().filter(|other| *other == line).count();
    let only = |some: &[String], others: &[String]| -> Vec<String> {
        some.iter().filter(|line| count(some, line) > count(others, line)).cloned().collect()
    };
    let (more, less) = (only(is, wanted), only(wanted, is));
    assert!(is == wanted, "{about}\ntoo much: {more:#?}\ntoo little: {less:#?}\nof: {is:#?}");
}

#[test]
fn whoever_adds_checks_and_deletes_the_world_is_the_same() {
    each_option(IptablesKind::Nft);
}

#[test]
fn with_the_older_iptables_it_is_the_same_too() {
    each_option(IptablesKind::Legacy);
}

#[track_caller]
fn each_option(kind: IptablesKind) {
    {
        for mut config in options() {
            if kind == IptablesKind::Legacy {
                // DIFFERENCE: the older ip6tables says of rules that they are there when others are that differ in a port or
                // a mark, and Debian's plugin then leaves them out.
                config["prevResult"]["ips"].as_array_mut().unwrap().truncate(1);
            }
            let about = format!("{kind} {config}");
            let [alone, taken_over, given_back, ours] = [(); 4].map(|()| node(kind, &config));
            alone.debians(Command::Add, "c1", &config);
            let added = alone.saved();
            for node in [&taken_over, &given_back, &ours] {
                match std::ptr::eq(node, &taken_over) {
                    true => node.debians(Command::Add, "c1", &config),
                    false => node.ours(Command::Add, "c1", &config),
                }
                assert_same(&node.saved(), &added, &about);
            }
            taken_over.ours(Command::Check, "c1", &config);
            ours.ours(Command::Check, "c1", &config);
            given_back.debians_check("c1", &config);
            // Again, by the other.
            taken_over.ours(Command::Add, "c1", &config);
            given_back.debians(Command::Add, "c1", &config);
            ours.ours(Command::Add, "c1", &config);
            for node in [&taken_over, &given_back, &ours] {
                assert_same(&node.saved(), &added, &about);
            }
            alone.debians(Command::Del, "c1", &config);
            taken_over.ours(Command::Del, "c1", &config);
            given_back.debians(Command::Del, "c1", &config);
            ours.ours(Command::Del, "c1", &without(&config, &["prevResult"]));
            let deleted = alone.saved();
            assert_ne!(deleted, added);
            for node in [&taken_over, &given_back, &ours] {
                assert_same(&node.saved(), &deleted, &about);
                node.ours(Command::Del, "c1", &config);
                assert_same(&node.saved(), &deleted, &about);
            }
        }
    }
}

#[test]
fn the_first_container_of_a_node_is_no_exception() {
    for kind in IptablesKind::BOTH {
        let config = of_iptables(json!({}), json!([tcp(8080, 80)]));
        let [debians, ours] = [(); 2].map(|()| Node::new(kind));
        debians.debians(Command::Add, "c1", &config);
        ours.ours(Command::Add, "c1", &config);
        assert_same(&ours.saved(), &debians.saved(), &kind.to_string());
        ours.debians_check("c1", &config);
        ours.debians(Command::Del, "c1", &config);
        debians.ours(Command::Del, "c1", &config);
        assert_same(&ours.saved(), &debians.saved(), &kind.to_string());
    }
}

#[test]
fn what_old_reference_plugins_made_goes_too() {
    for kind in IptablesKind::BOTH {
        let config = of_iptables(json!({}), json!([tcp(8080, 80)]));
        let node = Node::used(kind, &config);
        let before = node.saved();
        for words in [
            "-N CNI-HOSTPORT-SNAT",
            "-N CNI-SN-78be48db7a08b98cf0bb5",
            "-A CNI-SN-78be48db7a08b98cf0bb5 -j ACCEPT",
            "-A CNI-HOSTPORT-SNAT -s 127.0.0.1 -j CNI-SN-78be48db7a08b98cf0bb5",
        ] {
            node.does(words);
        }
        node.ours(Command::Del, "c1", &config);
        node.does("-X CNI-HOSTPORT-SNAT");
        assert_eq!(node.saved(), before, "{kind}");
    }
}
