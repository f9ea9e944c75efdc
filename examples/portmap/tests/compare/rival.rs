//! Another program changes the ruleset in the middle of what the plugin does to it: the plugin looks anew, and neither
//! loses anything.

use std::sync::Arc;

use cni_testing::types::Command;
use cni_testing::{IptablesKind, Rival, json};
use portmap::Portmap;
use serde_json::Value;

use crate::takeover::Node;
use crate::world::{config, tcp};

/// Another program that makes chains of its own, which changes the ruleset and the table, right before each of the first
/// steps of a call that are about rules.
fn rival(node: &Arc<Node>) -> Rival {
    let node = node.clone();
    Rival::new(move |number| node.does(&format!("-N RIVAL{number}"))).only_rules().steps(1..=4)
}

/// All rules and chains but the other program's, and what makes up the table that it has them in.
fn look(node: &Node) -> Vec<String> {
    let mut lines = node.saved();
    // Of iptables' tables the rest is known already.
    let is_known = |line: &String| line.contains(" ip nat") || line.contains(" ip6 nat");
    lines.extend(node.world.state().into_iter().filter(|line| !is_known(line)));
    lines.retain(|line| !line.contains("RIVAL"));
    lines
}

#[test]
fn every_command_gets_its_way_and_the_other_programs_changes_stay() {
    let mappings = json!([tcp(8080, 80), {"hostPort": 5000, "containerPort": 53, "protocol": "udp"}]);
    for (kind, keys) in [
        (IptablesKind::Nft, json!({"backend": "nftables"})),
        (IptablesKind::Nft, json!({"layout": "maps"})),
        (IptablesKind::Nft, json!({"backend": "iptables"})),
        (IptablesKind::Legacy, json!({"backend": "iptables"})),
    ] {
        let config = config(keys, mappings.clone());
        let (calm, node) = (Node::new(kind), Arc::new(Node::new(kind)));
        let rival = rival(&node);
        let both = |command, id: &str, config: &Value| {
            calm.ours(command, id, config);
            let before = rival.changes();
            let outcome = node.call(command, &Portmap, id, config).rival(&rival).run();
            assert_eq!(outcome.exit_code(), Some(0), "{outcome}");
            let made = rival.changes() - before;
            assert!(made > 1, "{command}: {made} changes only, {config}");
            assert_eq!(look(&node), look(&calm), "{kind} {command}: {config}");
        };
        // Others of the node that nobody may lose.
        let mut other = config.clone();
        other["runtimeConfig"]["portMappings"] = json!([tcp(9090, 90)]);
        both(Command::Add, "other", &other);
        both(Command::Add, "c1", &config);
        both(Command::Check, "c1", &config);
        both(Command::Add, "c1", &config);
        both(Command::Del, "c1", &config);
        both(Command::Add, "c2", &config);
        let mut gc = config.clone();
        gc["cni.dev/valid-attachments"] = json!([{"containerID": "other", "ifname": "eth0"}]);
        both(Command::Gc, "", &gc);
        let left = node.saved().iter().filter(|line| line.starts_with(":RIVAL")).count();
        assert_eq!(left, rival.changes(), "{config}");
    }
}
