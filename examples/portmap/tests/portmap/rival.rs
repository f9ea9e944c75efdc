//! Another program changes the ruleset in the middle of what the plugin does to it: the plugin looks anew, and neither
//! loses anything.

use std::io;
use std::path::PathBuf;
use std::process::Command as Process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cni_skel::seam::{Operation, Watch, World};
use cni_skel::{AddRequest, CheckRequest, DelRequest, GcRequest, Plugin, Result};
use cni_testing::json;
use cni_testing::types::{AddResult, Command};
use portmap::{Config, Portmap};
use serde_json::Value;

use crate::takeover::{KINDS, Node};
use crate::world::{config, tcp};

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
        self.step(|| Portmap.add(req))
    }

    fn del(&self, req: &DelRequest<Config>) -> Result<()> {
        self.step(|| Portmap.del(req))
    }

    fn check(&self, req: &CheckRequest<Config>) -> Result<()> {
        self.step(|| Portmap.check(req))
    }

    fn gc(&self, req: &GcRequest<Config>) -> Result<()> {
        self.step(|| Portmap.gc(req))
    }
}

/// All rules and chains but the other program's, and what makes up the table that it has them in.
fn look(node: &Node) -> Vec<String> {
    let mut lines = node.saved();
    // Of iptables' tables the rest is known already, and what is counted is by chance.
    let is_known = |line: &String| line.contains("counter packets") || line.contains("table ip nat");
    lines.extend(node.world.state().into_iter().filter(|line| !is_known(line)));
    lines.retain(|line| !line.contains("RIVAL"));
    lines
}

#[test]
fn every_command_gets_its_way_and_the_other_programs_changes_stay() {
    let mappings = json!([tcp(8080, 80), {"hostPort": 5000, "containerPort": 53, "protocol": "udp"}]);
    for (kind, keys) in [
        (KINDS[0], json!({"backend": "nftables"})),
        (KINDS[0], json!({"layout": "maps"})),
        (KINDS[0], json!({"backend": "iptables"})),
        (KINDS[1], json!({"backend": "iptables"})),
    ] {
        let config = config(keys, mappings.clone());
        let (calm, node) = (Node::new(kind), Node::new(kind));
        let rival = Arc::new(Rival {
            netns: node.world.host.path().to_owned(),
            programs: node.folder.path().to_owned(),
            changes: AtomicU32::new(0),
            left: AtomicU32::new(0),
        });
        let plugin = Disturbed(rival.clone());
        let both = |command, id: &str, config: &Value| {
            calm.ours(command, id, config);
            let before = rival.changes.load(Ordering::SeqCst);
            let outcome = node.call(command, &plugin, id, config).run();
            assert_eq!(outcome.exit_code(), Some(0), "{outcome}");
            let made = rival.changes.load(Ordering::SeqCst) - before;
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
        let made = rival.changes.load(Ordering::SeqCst);
        let left = node.saved().iter().filter(|line| line.starts_with(":RIVAL")).count();
        assert_eq!(left, made as usize, "{config}");
    }
}
