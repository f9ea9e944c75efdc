//! Many pods at once on a busy node with a thousand other containers: all of them start, then all of them end.
//!
//! Forty pods are tested with the other tests. `.ci/many` runs the ignored tests, with two hundred, and prints times.

use std::collections::BTreeSet;
use std::fs;
use std::hint;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command as Program, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use cni_testing::types::Command;
use cni_testing::{Binary, Call, Iptables, IptablesKind, Snapshot, TestNetns, json, workspace_plugin};
use portmap::Portmap;
use serde_json::Value;

use crate::world::tcp;

/// How many containers have rules already.
const OTHERS: u16 = 1_000;
/// How many threads keep the processors busy.
const BUSY_LOOPS: usize = 6;
/// The time that kubelet gives the start of a pod.
const TIMEOUT: Duration = Duration::from_secs(240);
/// The host ports of the other containers, and behind them those of the pods.
const FIRST_PORT: u16 = 10_000;

/// How ports and masquerading are set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setup {
    NftRules,
    NftMaps,
    Iptables(IptablesKind),
}

impl Setup {
    fn kind(self) -> IptablesKind {
        if let Self::Iptables(kind) = self { kind } else { IptablesKind::Nft }
    }

    /// The keys of portmap, and the backend of `bridge`.
    fn keys(self) -> (Value, &'static str) {
        match self {
            Self::NftRules => (json!({"backend": "nftables"}), "nftables"),
            Self::NftMaps => (json!({"backend": "nftables", "layout": "maps"}), "nftables"),
            Self::Iptables(_) => (json!({"backend": "iptables"}), "iptables"),
        }
    }
}

/// The plugins' programs.
struct Plugins {
    bridge: PathBuf,
    portmap: PathBuf,
    host_local: PathBuf,
}

/// A host, and what the calls of its runtime have in common.
struct Node {
    setup: Setup,
    host: TestNetns,
    iptables: Iptables,
    data_dir: tempfile::TempDir,
    plugins: Plugins,
}

/// A container, and its number.
struct Pod {
    number: u16,
    netns: TestNetns,
}

/// How long the calls of one pod took.
struct Times {
    bridge: Duration,
    portmap: Duration,
}

impl Node {
    fn new(setup: Setup) -> Self {
        let plugins = Plugins {
            bridge: workspace_plugin("bridge"),
            portmap: workspace_plugin("portmap"),
            host_local: workspace_plugin("host-local"),
        };
        let host = TestNetns::new();
        let net = host.net().unwrap();
        net.set_up(net.link("lo").unwrap().index).unwrap();
        let data_dir = tempfile::tempdir().unwrap();
        Self { setup, host, iptables: Iptables::new(setup.kind()), data_dir, plugins }
    }

    fn bridge_config(&self) -> Value {
        json!({
            "cniVersion": "1.1.0", "name": "lan", "type": "bridge", "bridge": "cni0", "isGateway": true,
            "ipMasq": true, "ipMasqBackend": self.setup.keys().1,
            "ipam": {
                "type": "host-local", "dataDir": self.data_dir.path(),
                "ranges": [[{"subnet": "10.88.0.0/16"}]], "routes": [{"dst": "0.0.0.0/0"}],
            },
        })
    }

    fn portmap_config(&self, number: u16) -> Value {
        let mut config = self.setup.keys().0;
        config["cniVersion"] = json!("1.1.0");
        config["name"] = json!("lan");
        config["type"] = json!("portmap");
        config["runtimeConfig"] = json!({"portMappings": [tcp(FIRST_PORT + number, 80)]});
        config
    }

    /// Calls a program for a pod, and returns its result and the time that it took.
    fn call(&self, command: Command, program: &Path, pod: &Pod, config: &Value) -> (Value, Duration) {
        let call =
            Call::new(command, Binary::at(program).timeout(TIMEOUT)).host(&self.host).netns(&pod.netns);
        let call = call.container_id(&format!("pod-{}", pod.number)).config(config).iptables(&self.iptables);
        let call = call.plugin_path(self.plugins.host_local.parent().unwrap());
        let start = Instant::now();
        let outcome = call.run();
        let took = start.elapsed();
        assert_eq!(outcome.exit_code(), Some(0), "{outcome}");
        (if command == Command::Add { outcome.json() } else { Value::Null }, took)
    }

    /// Starts a pod. Returns its result, as a runtime keeps it.
    fn add(&self, pod: &Pod) -> (Value, Times) {
        let (result, bridge) = self.call(Command::Add, &self.plugins.bridge, pod, &self.bridge_config());
        let mut config = self.portmap_config(pod.number);
        config["prevResult"] = result;
        let (result, portmap) = self.call(Command::Add, &self.plugins.portmap, pod, &config);
        (result, Times { bridge, portmap })
    }

    fn del(&self, pod: &Pod, result: &Value) -> Times {
        let [mut ports, mut link] = [self.portmap_config(pod.number), self.bridge_config()];
        ports["prevResult"] = result.clone();
        link["prevResult"] = result.clone();
        let (_, portmap) = self.call(Command::Del, &self.plugins.portmap, pod, &ports);
        let (_, bridge) = self.call(Command::Del, &self.plugins.bridge, pod, &link);
        Times { bridge, portmap }
    }

    /// Adds the rules of other containers.
    fn fill(&self) {
        match self.setup {
            Setup::Iptables(_) => self.fill_iptables(),
            Setup::NftRules | Setup::NftMaps => self.fill_nftables(),
        }
    }

    /// Adds them as text. The plugins would need minutes for a thousand ADDs with legacy iptables.
    fn fill_iptables(&self) {
        let mut script = "*nat\n".to_owned();
        for n in 0..OTHERS {
            let (address, port) = (address(n), FIRST_PORT + n);
            let (ports, masquerade) = (format!("CNI-DN-{n:021x}"), format!("CNI-{n:024x}"));
            script += &format!(
                ":{ports} - [0:0]\n:{masquerade} - [0:0]\n\
                 -A CNI-HOSTPORT-DNAT -p tcp -m comment --comment \"dnat name: \\\"lan\\\" id: \\\"other-{n}\\\"\" \
                 -m multiport --dports {port} -j {ports}\n\
                 -A {ports} -s 10.88.0.0/16 -p tcp -m tcp --dport {port} -j CNI-HOSTPORT-SETMARK\n\
                 -A {ports} -s 127.0.0.1/32 -p tcp -m tcp --dport {port} -j CNI-HOSTPORT-SETMARK\n\
                 -A {ports} -p tcp -m tcp --dport {port} -j DNAT --to-destination {address}:80\n\
                 -A POSTROUTING -s {address}/32 -m comment --comment \"name: \\\"lan\\\" id: \\\"other-{n}\\\"\" -j {masquerade}\n\
                 -A {masquerade} -d 10.88.0.0/16 -m comment --comment \"name: \\\"lan\\\" id: \\\"other-{n}\\\"\" -j ACCEPT\n\
                 -A {masquerade} ! -d 224.0.0.0/4 -m comment --comment \"name: \\\"lan\\\" id: \\\"other-{n}\\\"\" -j MASQUERADE\n",
            );
        }
        script += "COMMIT\n";
        let restore = || {
            let mut program = Program::new(self.iptables.folder().join("iptables-restore"));
            program.arg("--noflush").envs(self.iptables.env()).stdin(Stdio::piped());
            let mut running = program.spawn().unwrap();
            running.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
            assert!(running.wait().unwrap().success());
        };
        self.host.run(restore).unwrap();
    }

    fn fill_nftables(&self) {
        let netns = TestNetns::new();
        for n in 0..OTHERS {
            let mut config = self.portmap_config(n);
            config["prevResult"] = json!({
                "cniVersion": "1.1.0", "ips": [{"address": format!("{}/16", address(n)), "interface": 0}],
                "interfaces": [{"name": "eth0", "sandbox": "/run/netns/other"}],
            });
            let call = Call::add(&Portmap).host(&self.host).netns(&netns).container_id(&format!("other-{n}"));
            call.config(config).run().result();
        }
        // The rule of `bridge` is copied, each with another comment.
        let template = Pod { number: OTHERS, netns: TestNetns::new() };
        let (result, _) = self.add(&template);
        let address = result["ips"][0]["address"].as_str().unwrap().trim_end_matches("/16").to_owned();
        let rules = self.host.ruleset();
        let rule = rules.iter().find(|rule| rule.contains(&format!("saddr {address} "))).unwrap();
        let rule = rule.split(" comment").next().unwrap();
        let copy =
            |n| format!("add rule inet cni_plugins_masquerade masq_checks {rule} comment \"other-{n}\"\n");
        let script = self.data_dir.path().join("script");
        fs::write(&script, (0..OTHERS).map(copy).collect::<String>()).unwrap();
        self.host.output("nft", &["-f", script.to_str().unwrap()]);
        fs::remove_file(script).unwrap();
        self.del(&template, &result);
    }

    /// Everything on the host except the order of rules, and the addresses in use.
    fn state(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let snapshot = Snapshot::of_netns(self.host.netns()).unwrap();
        let names = fs::read_dir(self.data_dir.path().join("lan")).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        (snapshot.lines().map(str::to_owned).collect(), names.collect())
    }
}

/// The address of another container.
fn address(n: u16) -> String {
    format!("10.88.{}.{}", 200 + n / 250, n % 250 + 1)
}

/// Keeps the processors busy until it is dropped.
fn with_busy_loops<T>(step: impl FnOnce() -> T) -> T {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..BUSY_LOOPS {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    hint::spin_loop();
                }
            });
        }
        let over = Over(&is_over);
        let outcome = step();
        drop(over);
        outcome
    })
}

/// Ends the busy loops, also after a panic.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Takes a step for each pod, all at once. Returns the outcomes and how long all of them took.
fn at_once<T: Send>(pods: &[Pod], step: impl Fn(usize, &Pod) -> T + Sync) -> (Vec<T>, Duration) {
    let (start_line, step) = (Barrier::new(pods.len() + 1), &step);
    thread::scope(|scope| {
        let start_line = &start_line;
        let run = |(n, pod)| {
            scope.spawn(move || {
                start_line.wait();
                step(n, pod)
            })
        };
        let threads: Vec<_> = pods.iter().enumerate().map(run).collect();
        start_line.wait();
        let start = Instant::now();
        let outcomes = threads.into_iter().map(|thread| thread.join().expect("a call failed")).collect();
        (outcomes, start.elapsed())
    })
}

fn print(setup: Setup, command: &str, times: &[Times], wall: Duration) {
    let figures = |of: fn(&Times) -> Duration| {
        let mut sorted: Vec<_> = times.iter().map(of).collect();
        sorted.sort();
        format!("median {:.2?}, max {:.2?}", sorted[sorted.len() / 2], sorted[sorted.len() - 1])
    };
    eprintln!(
        "{setup:?}, {} {command}: bridge {}; portmap {}; all {wall:.2?}",
        times.len(),
        figures(|times| times.bridge),
        figures(|times| times.portmap)
    );
}

/// One test at a time: each measures with its own busy loops.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[track_caller]
fn all_succeed_and_nothing_is_left(setup: Setup, count: u16) {
    let _alone = alone();
    let node = Node::new(setup);
    // What all containers share is there before, and stays.
    let first = Pod { number: OTHERS, netns: TestNetns::new() };
    let (result, _) = node.add(&first);
    node.del(&first, &result);
    node.fill();
    let before = node.state();
    let pods: Vec<_> = (0..count).map(|n| Pod { number: OTHERS + n, netns: TestNetns::new() }).collect();
    with_busy_loops(|| {
        let (added, wall) = at_once(&pods, |_, pod| node.add(pod));
        let (results, times): (Vec<_>, Vec<_>) = added.into_iter().unzip();
        print(setup, "ADD", &times, wall);
        let (addresses, ports) = (addresses(&results), node.state().0.len());
        assert_eq!(addresses.len(), usize::from(count));
        assert!(ports >= before.0.len() + usize::from(count));
        let (times, wall) = at_once(&pods, |n, pod| node.del(pod, &results[n]));
        print(setup, "DEL", &times, wall);
    });
    let after = node.state();
    let left: Vec<_> = after.0.difference(&before.0).chain(before.0.difference(&after.0)).collect();
    assert!(left.is_empty(), "{left:#?}");
    assert_eq!(after.1, before.1);
}

fn addresses(results: &[Value]) -> BTreeSet<String> {
    results.iter().map(|result| result["ips"][0]["address"].as_str().unwrap().to_owned()).collect()
}

const LEGACY: Setup = Setup::Iptables(IptablesKind::Legacy);
const NFT: Setup = Setup::Iptables(IptablesKind::Nft);

#[test]
fn forty_pods_at_once_with_rules_of_nftables() {
    all_succeed_and_nothing_is_left(Setup::NftRules, 40);
}

#[test]
fn forty_pods_at_once_with_maps_of_nftables() {
    all_succeed_and_nothing_is_left(Setup::NftMaps, 40);
}

#[test]
fn forty_pods_at_once_with_iptables_nft() {
    all_succeed_and_nothing_is_left(NFT, 40);
}

#[test]
fn forty_pods_at_once_with_legacy_iptables() {
    all_succeed_and_nothing_is_left(LEGACY, 40);
}

#[test]
#[ignore = "takes minutes: .ci/many runs it"]
fn two_hundred_pods_at_once_with_rules_of_nftables() {
    all_succeed_and_nothing_is_left(Setup::NftRules, 200);
}

#[test]
#[ignore = "takes minutes: .ci/many runs it"]
fn two_hundred_pods_at_once_with_maps_of_nftables() {
    all_succeed_and_nothing_is_left(Setup::NftMaps, 200);
}

#[test]
#[ignore = "takes minutes: .ci/many runs it"]
fn two_hundred_pods_at_once_with_iptables_nft() {
    all_succeed_and_nothing_is_left(NFT, 200);
}

#[test]
#[ignore = "takes minutes: .ci/many runs it"]
fn two_hundred_pods_at_once_with_legacy_iptables() {
    all_succeed_and_nothing_is_left(LEGACY, 200);
}
