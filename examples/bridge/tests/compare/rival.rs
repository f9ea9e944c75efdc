//! Another program changes the ruleset in the middle of what the plugin does to it: the plugin looks anew, and neither
//! loses anything.

use std::sync::Arc;

use bridge::Bridge;
use cni_testing::types::{AddResult, Command};
use cni_testing::{Call, IptablesKind, Outcome, Rival, TestNetns, json};
use host_local::HostLocal;
use serde_json::Value;

use crate::node::Node;
use crate::world::with_prev_result;

/// Another program that makes chains of its own, which changes the ruleset and the table, right before each of the first
/// steps of a call that are about rules.
fn rival(node: &Arc<Node>) -> Rival {
    let node = node.clone();
    let change = move |number| {
        node.run("iptables", &["-w", "-t", "nat", "-N", &format!("RIVAL{number}")]);
    };
    Rival::new(change).only_rules().steps(1..=4)
}

/// All rules and chains but the other program's.
fn look(node: &Node) -> Vec<String> {
    let mut lines = node.saved();
    let text = node.world.host.output("nft", &["list", "ruleset"]);
    // Of iptables' tables the rest is known already, and what is counted is by chance.
    let mut tables: Vec<_> = text.split("\n}\n").filter(|table| !table.contains("table ip")).collect();
    tables.sort_unstable();
    lines.extend(tables.join("\n").lines().map(str::to_owned));
    lines.retain(|line| !line.contains("RIVAL"));
    lines
}

fn each_way(test: impl Fn(&dyn Fn() -> Node, &Value)) {
    for (kind, backend) in
        [(IptablesKind::Nft, "iptables"), (IptablesKind::Legacy, "iptables"), (IptablesKind::Nft, "nftables")]
    {
        test(&|| Node::new(kind), &json!({"ipMasq": true, "ipMasqBackend": backend, "macspoofchk": true}));
    }
}

#[test]
fn every_command_gets_its_way_and_the_other_programs_changes_stay() {
    each_way(|node, keys| {
        let (calm, node) = (node(), Arc::new(node()));
        let container = TestNetns::new();
        let config = node.world.config_with(keys.clone());
        let rival = rival(&node);
        let call = |command, id: &str, config: &Value| -> Outcome {
            let call = Call::new(command, &Bridge).rival(&rival).host(&node.world.host).config(config);
            let call = node.on(call.delegate_plugin("host-local", HostLocal));
            let call = if command == Command::Gc { call } else { call.container_id(id).netns(&container) };
            let before = rival.changes();
            let outcome = call.run();
            let made = rival.changes() - before;
            assert!(made > 1, "{command}: {made} changes only, {keys}");
            outcome
        };

        // The names of chains and the comments depend on the container's, and the port's name does.
        let calm_container = TestNetns::new();
        let calm_config = calm.world.config_with(keys.clone());
        let wanted = calm.add("c1", &calm_container, &calm_config);
        let result = call(Command::Add, "c1", &config).result();
        let without_mac = |lines: Vec<String>, result: &AddResult| -> Vec<String> {
            let mac = result.interfaces[2].mac.clone().unwrap();
            lines.into_iter().map(|line| line.replace(&mac, "its mac")).collect()
        };
        assert_eq!(without_mac(look(&node), &result), without_mac(look(&calm), &wanted), "{keys}");
        call(Command::Check, "c1", &with_prev_result(&config, &result)).silent_success();

        calm.del("c1", &calm_container, &calm_config);
        call(Command::Del, "c1", &config).silent_success();
        assert_eq!(look(&node), look(&calm), "{keys}");

        call(Command::Add, "c2", &config).result();
        let mut gc = config.clone();
        gc["cni.dev/valid-attachments"] = json!([]);
        call(Command::Gc, "", &gc).silent_success();
        assert_eq!(look(&node), look(&calm), "{keys}");

        let left = node.saved().iter().filter(|line| line.starts_with(":RIVAL")).count();
        assert_eq!(left, rival.changes(), "{keys}");
    });
}
