//! Another program changes the ruleset in the middle of what the plugin does to it: the plugin looks anew, and neither
//! loses anything.

use std::io;
use std::path::PathBuf;
use std::process::Command as Process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bridge::{Bridge, Config};
use cni_skel::seam::{Operation, Watch, World};
use cni_skel::{AddRequest, CheckRequest, DelRequest, GcRequest, Plugin, Result};
use cni_testing::types::{AddResult, Command};
use cni_testing::{Call, Outcome, TestNetns, json};
use host_local::HostLocal;
use serde_json::Value;

use crate::node::{Kind, Node};
use crate::world::with_prev_result;

/// How often in a call the other program changes something, each time right before a step of the plugin's.
const TIMES: u32 = 4;
/// The part of netlink that is nftables.
const NFTABLES: u16 = 10;

/// Another program, at work in the host's namespace.
#[derive(Debug)]
struct Rival {
    netns: PathBuf,
    programs: PathBuf,
    changes: AtomicU32,
    left: AtomicU32,
}

impl Rival {
    fn new(node: &Node) -> Self {
        let (netns, programs) = (node.world.host.path().to_owned(), node.programs.path().to_owned());
        Self { netns, programs, changes: AtomicU32::new(0), left: AtomicU32::new(0) }
    }

    /// Makes a chain of its own, which changes the ruleset and the table.
    fn change(&self) {
        let name = format!("RIVAL{}", self.changes.fetch_add(1, Ordering::SeqCst));
        let mut process = Process::new("nsenter");
        process.arg(format!("--net={}", self.netns.display())).arg(self.programs.join("iptables"));
        process.args(["-w", "-t", "nat", "-N", &name]);
        let output = process.env("XTABLES_LOCKFILE", self.programs.join("lock")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Watch for Rival {
    fn before(&self, operation: &Operation<'_>) -> io::Result<()> {
        let is_about_rules = match operation {
            Operation::Request(kind) => kind >> 8 == NFTABLES,
            Operation::Program(name) => name.contains("tables"),
            _ => false,
        };
        let takes_one = |left: u32| left.checked_sub(1);
        if is_about_rules && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, takes_one).is_ok() {
            self.change();
        }
        Ok(())
    }

    fn after(&self, _: &Operation<'_>) -> io::Result<()> {
        Ok(())
    }
}

/// The plugin, while the other program is at work.
struct Disturbed(Arc<Rival>);

impl Disturbed {
    fn step<T>(&self, step: impl FnOnce() -> T) -> T {
        self.0.left.store(TIMES, Ordering::SeqCst);
        World::new().watch(self.0.clone()).run(step)
    }
}

impl Plugin for Disturbed {
    type Config = Config;

    fn add(&self, req: &AddRequest<Config>) -> Result<AddResult> {
        self.step(|| Bridge.add(req))
    }

    fn del(&self, req: &DelRequest<Config>) -> Result<()> {
        self.step(|| Bridge.del(req))
    }

    fn check(&self, req: &CheckRequest<Config>) -> Result<()> {
        self.step(|| Bridge.check(req))
    }

    fn gc(&self, req: &GcRequest<Config>) -> Result<()> {
        self.step(|| Bridge.gc(req))
    }
}

/// All rules and chains but the other program's.
fn look(node: &Node) -> Vec<String> {
    let mut lines = node.saved();
    let nft =
        node.world.host.run(|| Process::new("nft").args(["list", "ruleset"]).output().unwrap()).unwrap();
    let text = String::from_utf8(nft.stdout).unwrap();
    // Of iptables' tables the rest is known already, and what is counted is by chance.
    let mut tables: Vec<_> = text.split("\n}\n").filter(|table| !table.contains("table ip")).collect();
    tables.sort_unstable();
    lines.extend(tables.join("\n").lines().map(str::to_owned));
    lines.retain(|line| !line.contains("RIVAL"));
    lines
}

fn each_way(test: impl Fn(&dyn Fn() -> Node, &Value)) {
    for (kind, backend) in [(Kind::Nft, "iptables"), (Kind::Legacy, "iptables"), (Kind::Nft, "nftables")] {
        test(&|| Node::new(kind), &json!({"ipMasq": true, "ipMasqBackend": backend, "macspoofchk": true}));
    }
}

#[test]
fn every_command_gets_its_way_and_the_other_programs_changes_stay() {
    each_way(|node, keys| {
        let (calm, node) = (node(), node());
        let container = TestNetns::new();
        let config = node.world.config_with(keys.clone());
        let rival = Arc::new(Rival::new(&node));
        let plugin = Disturbed(rival.clone());
        let call = |command, id: &str, config: &Value| -> Outcome {
            let call = Call::new(command, &plugin).host(&node.world.host).config(config);
            let call = node.on(call.delegate_plugin("host-local", HostLocal));
            let call = if command == Command::Gc { call } else { call.container_id(id).netns(&container) };
            let before = rival.changes.load(Ordering::SeqCst);
            let outcome = call.run();
            let made = rival.changes.load(Ordering::SeqCst) - before;
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
        let _ = call(Command::Check, "c1", &with_prev_result(&config, &result)).silent_success();

        calm.del("c1", &calm_container, &calm_config);
        let _ = call(Command::Del, "c1", &config).silent_success();
        assert_eq!(look(&node), look(&calm), "{keys}");

        let _ = call(Command::Add, "c2", &config).result();
        let mut gc = config.clone();
        gc["cni.dev/valid-attachments"] = json!([]);
        let _ = call(Command::Gc, "", &gc).silent_success();
        assert_eq!(look(&node), look(&calm), "{keys}");

        let made = rival.changes.load(Ordering::SeqCst);
        let left = node.saved().iter().filter(|line| line.starts_with(":RIVAL")).count();
        assert_eq!(left, made as usize, "{keys}");
    });
}
