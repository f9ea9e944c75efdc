//! What container engines pass to plugins, replayed to ours: every call is answered, and nothing is left.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use cni_skel::Netns;
use cni_testing::types::Command;
use cni_testing::{Binary, Call, Outcome, Snapshot, TestNetns, isolation, workspace_plugin};
use serde_json::Value;

/// One call as it was recorded.
struct Recorded {
    plugin: String,
    env: BTreeMap<String, String>,
    stdin: String,
}

impl Recorded {
    fn parse(text: &str) -> Self {
        let mut lines = text.lines();
        let plugin = lines.next().unwrap().to_owned();
        let mut env = BTreeMap::new();
        for line in lines {
            if line.starts_with('{') {
                return Self { plugin, env, stdin: line.to_owned() };
            }
            let (name, value) = line.split_once('=').unwrap();
            env.insert(name.to_owned(), value.to_owned());
        }
        panic!("a call without stdin: {text}");
    }

    fn command(&self) -> Command {
        self.env["CNI_COMMAND"].parse().unwrap()
    }

    fn netns(&self) -> &str {
        &self.env["CNI_NETNS"]
    }

    /// Makes the call, with another namespace in all places where the recorded one is.
    fn replay(&self, program: &Path, netns: Option<&TestNetns>) -> Outcome {
        let there = |text: &str| match netns {
            Some(netns) => text.replace(self.netns(), netns.path().to_str().unwrap()),
            None => text.to_owned(),
        };
        let call = Call::new(self.command(), Binary::at(program)).stdin(there(&self.stdin));
        let call = self.env.iter().fold(call, |call, (name, value)| call.env(name, there(value)));
        call.plugin_path(program.parent().unwrap()).run()
    }
}

/// The calls of all steps of an engine, in order.
fn calls_of(engine: &str) -> Vec<(PathBuf, Vec<Recorded>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/engines").join(engine);
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let files: BTreeSet<_> = files.collect();
    let parse = |file: PathBuf| {
        let text = fs::read_to_string(&file).unwrap();
        let calls = text.split("\n\n").filter(|call| !call.trim().is_empty()).map(Recorded::parse).collect();
        (file, calls)
    };
    files.into_iter().map(parse).collect()
}

/// The program of a plugin that this workspace has.
fn program(plugin: &str) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(plugin);
    source.is_dir().then(|| {
        let _ = workspace_plugin("host-local");
        workspace_plugin(plugin)
    })
}

/// Runs a test on a host of its own, with empty folders in place of those where plugins keep state.
fn on_a_host<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    let on_host = || {
        isolation::enter_in_thread().unwrap();
        isolation::cover(&isolation::STATE_FOLDERS.iter().map(PathBuf::from).collect()).unwrap();
        test()
    };
    thread::scope(|scope| scope.spawn(on_host).join())
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// All that an attachment could leave on the host: what is shared and what is remembered on purpose is left out.
fn left() -> Vec<String> {
    let snapshot = Snapshot::of_netns(&Netns::own().unwrap()).unwrap();
    let snapshot = snapshot.with_folder(Path::new("/var/lib/cni")).unwrap();
    let is_its = |line: &str, parts: &[&str]| parts.iter().any(|part| line.contains(part));
    let is_shared = |line: &str| {
        is_its(line, &["/lock", "/last_reserved_ip."])
            || ["folder ", "sysctl "].iter().any(|kind| line.starts_with(kind))
    };
    // Containers' addresses, chains and ids; elements of maps and what leads to a port are theirs alone.
    let of_container = ["10.77.", "10.88.", "fd77", "CNI-DN-", "nftables: element", "dnat", "DNAT", "id: "];
    let is_left = |line: &&str| match line.strip_prefix("nftables: ") {
        // The chain that all ports share has a name with DNAT in it.
        Some(rule) => is_its(&rule.replace("CNI-HOSTPORT-DNAT", ""), &of_container),
        None => is_its(line, &["veth", "networks/"]),
    };
    snapshot.lines().filter(|line| !is_shared(line)).filter(is_left).map(str::to_owned).collect()
}

#[track_caller]
fn assert_answered(call: &Recorded, outcome: &Outcome) {
    match call.command() {
        Command::Version => {
            assert!(!outcome.clone().success().json()["supportedVersions"].as_array().unwrap().is_empty());
        }
        Command::Add => {
            let config: Value = serde_json::from_str(&call.stdin).unwrap();
            assert_eq!(outcome.clone().success().json()["cniVersion"], config["cniVersion"], "{outcome}");
            outcome.result();
        }
        _ => {
            outcome.clone().silent_success();
        }
    }
}

/// Replays all that an engine did on one host. Gives back the ADDs that failed, and how many calls there were.
fn replay(steps: &[(PathBuf, Vec<Recorded>)]) -> (Vec<Outcome>, usize) {
    let mut namespaces = BTreeMap::new();
    let (mut failed, mut count) = (Vec::new(), 0);
    for call in steps.iter().flat_map(|(_, calls)| calls) {
        let Some(program) = program(&call.plugin) else { continue };
        let is_path = call.netns().starts_with('/');
        let netns =
            is_path.then(|| &*namespaces.entry(call.netns().to_owned()).or_insert_with(TestNetns::new));
        let outcome = call.replay(&program, netns);
        count += 1;
        if call.command() == Command::Add && outcome.exit_code() != Some(0) {
            failed.push(outcome);
        } else {
            assert_answered(call, &outcome);
        }
    }
    (failed, count)
}

#[test]
fn what_podman_passes_is_answered_and_leaves_nothing() {
    let steps = calls_of("podman-4.3");
    assert!(steps.len() > 10, "there are {} steps only", steps.len());
    on_a_host(|| {
        let (failed, count) = replay(&steps);
        assert!(count > 60, "there were {count} calls only");
        // podman asked for an address that another container had.
        assert_eq!(failed.len(), 1, "{failed:?}");
        assert!(failed[0].error().msg.contains("10.77.1.77"), "{}", failed[0]);
        assert_eq!(left(), [""; 0]);
    });
}

#[test]
fn an_attachment_of_podmans_is_seen_by_what_looks_for_leftovers() {
    let steps = calls_of("podman-4.3");
    let add = |call: &&Recorded| call.plugin == "bridge" && call.command() == Command::Add;
    let add = steps.iter().flat_map(|(_, calls)| calls).find(add).unwrap();
    on_a_host(|| {
        let netns = TestNetns::new();
        assert_answered(add, &add.replay(&program("bridge").unwrap(), Some(&netns)));
        let left = left();
        for what in ["veth", "nftables: ", "networks/"] {
            assert!(left.iter().any(|line| line.contains(what)), "no {what} in {left:?}");
        }
    });
}

#[test]
fn podman_asks_for_the_version_with_an_environment_that_would_do_for_nothing_else() {
    let steps = calls_of("podman-4.3");
    let mut versions =
        steps.iter().flat_map(|(_, calls)| calls).filter(|call| call.command() == Command::Version);
    let version = versions.next().unwrap();
    assert_eq!((version.netns(), version.env["CNI_CONTAINERID"].as_str()), ("dummy", ""));
}

#[test]
fn what_containerd_passes_is_answered_and_leaves_nothing() {
    let steps = calls_of("containerd-1.6");
    let texts = || steps.iter().flat_map(|(_, calls)| calls).map(|call| call.stdin.as_str());
    // What is peculiar to it has been recorded: other keys than the convention's, and an empty address.
    assert!(texts().any(|text| text.contains(r#""Protocol":"udp","HostIP":"""#)));
    assert!(texts().any(|text| text.contains(r#""IngressBurst":4294967295"#)));
    on_a_host(|| {
        let (failed, count) = replay(&steps);
        assert!(count > 30, "there were {count} calls only");
        // A pod asked for port 70000.
        assert_eq!(failed.len(), 1, "{failed:?}");
        assert!(failed[0].error().msg.starts_with("runtimeConfig.portMappings[0]"), "{}", failed[0]);
        assert_eq!(left(), [""; 0]);
    });
}

#[test]
fn the_ports_that_containerd_passes_are_mapped() {
    let steps = calls_of("containerd-1.6");
    let calls: Vec<_> = steps.iter().flat_map(|(_, calls)| calls).collect();
    let udp =
        calls.iter().position(|call| call.plugin == "portmap" && call.stdin.contains(r#""HostPort":5353"#));
    let add = calls[udp.unwrap()];
    assert_eq!(add.command(), Command::Add);
    on_a_host(|| {
        let netns = TestNetns::new();
        assert_answered(add, &add.replay(&program("portmap").unwrap(), Some(&netns)));
        let left = left();
        for port in [8080_u16, 5353] {
            // In the network's order for nftables, and in the machine's for an extension of iptables.
            let is_mapped = |line: &String| {
                [port.to_be_bytes(), port.to_ne_bytes()]
                    .iter()
                    .any(|bytes| line.contains(&format!("{:02x}{:02x}", bytes[0], bytes[1])))
            };
            assert!(left.iter().any(is_mapped), "no {port} in {left:?}");
        }
    });
}
