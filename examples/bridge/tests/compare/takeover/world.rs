//! A host with one container, and whose plugins make a call on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::thread;

use cni_skel::net::{Address, Bridge, Net};
use cni_testing::types::Command;
use cni_testing::{Binary, Call, Outcome, Snapshot, TestNetns, json, reference_plugin, workspace_plugin};
use serde_json::Value;
use tempfile::TempDir;

/// Whose plugins make a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Ours,
    Theirs,
}

pub(crate) use Side::{Ours, Theirs};

/// What either plugin sets in the container. DIFFERENCE: `keep_addr_on_down` is set by ours, as by later versions of the
/// reference; Debian's does not do it yet.
const SYSCTLS: [&str; 4] = [
    "ipv4/conf/eth0/arp_notify",
    "ipv6/conf/eth0/disable_ipv6",
    "ipv6/conf/lo/disable_ipv6",
    "ipv6/conf/eth0/accept_dad",
];

impl Side {
    pub(crate) fn program(self, plugin: &str) -> PathBuf {
        match self {
            Ours if plugin == "bridge" => env!("CARGO_BIN_EXE_bridge").into(),
            Ours => workspace_plugin(plugin),
            Theirs => reference_plugin(plugin),
        }
    }

    /// The folder with its IPAM plugin.
    pub(crate) fn folder(self) -> PathBuf {
        self.program("host-local").parent().unwrap().to_owned()
    }
}

/// An option of the bridge plugin, and what comes with it.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) keys: Value,
    pub(crate) args: &'static str,
    /// Another address that the bridge has before.
    pub(crate) bridge_address: Option<&'static str>,
}

impl Case {
    pub(crate) fn new(name: &'static str, keys: Value) -> Self {
        Self { name, keys, args: "", bridge_address: None }
    }
}

/// Every option that Debian's version has, but VLANs, for which not every kernel is made.
pub(crate) fn cases() -> Vec<Case> {
    let mac = "02:00:00:00:00:77";
    let force = json!({"isGateway": true, "forceAddress": true});
    vec![
        Case::new("none", json!({})),
        Case::new("isGateway", json!({"isGateway": true})),
        Case::new("isDefaultGateway", json!({"isDefaultGateway": true})),
        Case { bridge_address: Some("10.1.0.99/24"), ..Case::new("forceAddress", force) },
        Case::new("ipMasq", json!({"isGateway": true, "ipMasq": true})),
        Case::new("mtu", json!({"mtu": 1400, "isGateway": true})),
        Case::new("hairpinMode", json!({"hairpinMode": true})),
        Case::new("promiscMode", json!({"promiscMode": true})),
        Case::new("enabledad", json!({"enabledad": true})),
        Case::new("macspoofchk", json!({"macspoofchk": true, "runtimeConfig": {"mac": mac}})),
        Case::new("runtimeConfig.mac", json!({"runtimeConfig": {"mac": mac}, "capabilities": {"mac": true}})),
        Case::new("args.cni.mac", json!({"args": {"cni": {"mac": mac}}})),
        Case { args: "IgnoreUnknown=1;MAC=02:00:00:00:00:77", ..Case::new("CNI_ARGS", json!({})) },
        Case::new(
            "dns",
            json!({"dns": {
                "nameservers": ["10.1.0.1"], "domain": "example.com", "search": ["a.example.com"], "options": ["ndots:2"]
            }}),
        ),
        Case::new("ipam", json!({"ipam": {}})),
    ]
}

/// Does this with each option, all at once: most of it is waiting for the kernel.
pub(crate) fn each_case(step: impl Fn(&Case) + Sync) {
    // Built once, before anybody waits for it.
    let _ = (Ours.folder(), Theirs.folder());
    thread::scope(|scope| {
        let step = &step;
        let runs: Vec<_> = cases().into_iter().map(|case| scope.spawn(move || step(&case))).collect();
        for run in runs {
            run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
}

/// A host with one container.
pub(crate) struct World {
    pub(crate) case: Case,
    pub(crate) host: TestNetns,
    pub(crate) container: TestNetns,
    pub(crate) state: TempDir,
}

impl World {
    pub(crate) fn new(case: &Case) -> Self {
        let state = tempfile::tempdir().unwrap();
        let world = Self { case: case.clone(), host: TestNetns::new(), container: TestNetns::new(), state };
        if let Some(address) = case.bridge_address {
            let net = world.host.net().unwrap();
            let bridge = net.add_bridge(&Bridge::new("br0")).unwrap();
            net.add_address(&Address::new(bridge.index, address.parse().unwrap())).unwrap();
            net.set_up(bridge.index).unwrap();
        }
        world
    }

    pub(crate) fn config(&self) -> Value {
        let mut config = json!({
            "cniVersion": "1.0.0", "name": "lan", "type": "bridge", "bridge": "br0",
            "ipam": {
                "type": "host-local", "dataDir": self.state.path(), "routes": [{"dst": "10.9.0.0/16", "gw": "10.1.0.1"}],
                "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]],
            },
        });
        for (key, value) in self.case.keys.as_object().unwrap() {
            config[key] = value.clone();
        }
        config
    }

    /// A call of one side's bridge plugin, with the IPAM plugin of the same or the other.
    pub(crate) fn call(
        &self,
        command: Command,
        bridge: Side,
        ipam: Side,
        prev_result: Option<&Value>,
    ) -> Outcome {
        let mut config = self.config();
        if let Some(prev_result) = prev_result {
            config["prevResult"] = prev_result.clone();
        }
        let call = Call::new(command, Binary::at(bridge.program("bridge"))).config(config);
        let call = call.host(&self.host).netns(&self.container).plugin_path(ipam.folder());
        let call = if self.case.args.is_empty() { call } else { call.args(self.case.args) };
        call.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").run()
    }

    #[track_caller]
    pub(crate) fn add(&self, side: Side) -> Value {
        self.call(Command::Add, side, side, None).success().json()
    }

    /// All that is to be seen, under names that do not depend on who made it.
    pub(crate) fn look(&self) -> Vec<String> {
        let host = self.host.net().unwrap();
        let mut lines = Vec::new();
        let mut veth = "-".to_owned();
        for link in host.links().unwrap() {
            let is_up = link.flags.is_up();
            match link.kind.as_deref() {
                Some("veth") => {
                    let port = link.port.as_ref().map(|port| (port.hairpin, port.isolated));
                    lines.push(format!("port: up {is_up}, mtu {}, hairpin and isolated {port:?}", link.mtu));
                    veth = link.name;
                }
                _ => lines.push(format!("{}: up {is_up}, promisc {}", link.name, link.flags.is_promisc())),
            }
        }
        lines.extend(links_and_more("host", &host, &veth));
        lines.extend(links_and_more("container", &self.container.net().unwrap(), "-"));
        lines.extend(files(self.state.path()));
        let sysctls = |names: &[&str]| {
            names.iter().map(|name| format!("{name} = {:?}", sysctl(name))).collect::<Vec<_>>()
        };
        let of_bridge = ["ipv4/ip_forward", "ipv6/conf/all/forwarding", "ipv6/conf/br0/accept_ra"];
        lines.extend(self.host.run(|| sysctls(&of_bridge)).unwrap());
        lines.extend(self.container.run(|| sysctls(&SYSCTLS)).unwrap());
        // A rule names the port.
        lines.extend(
            self.host.run(rules).unwrap().iter().map(|line| line.replace(&format!("\"{veth}\""), "the port")),
        );
        lines
    }
}

fn sysctl(name: &str) -> Option<String> {
    fs::read_to_string(Path::new("/proc/sys/net").join(name)).ok()
}

/// Everything but hardware addresses that the kernel makes up, and what only one side gives the host's end: its name and
/// its alias.
fn links_and_more(place: &str, net: &Net, veth: &str) -> Vec<String> {
    let given = "mac 02:00:00:00:00:77";
    let snapshot = Snapshot::of(net).unwrap();
    let lines = snapshot.lines().map(|line| {
        let parts = line.split(", ").map(|part| part.trim_end_matches(')'));
        let is_told =
            |part: &&str| !part.starts_with("alias ") && (!part.starts_with("mac ") || *part == given);
        let parts = parts.filter(is_told);
        format!("{place}: {}", parts.collect::<Vec<_>>().join(", ").replace(veth, "the port"))
    });
    let mut lines: Vec<_> = lines.collect();
    lines.sort();
    lines
}

pub(crate) fn files(folder: &Path) -> Vec<String> {
    let snapshot = Snapshot::default().with_folder(folder).unwrap();
    snapshot.lines().map(str::to_owned).collect()
}

/// What packet filters there are.
pub(crate) fn rules() -> Vec<String> {
    let mut lines = Vec::new();
    for (program, args) in
        [("nft", &["list", "ruleset"][..]), ("iptables-save", &[]), ("ip6tables-save", &[])]
    {
        let output = Process::new(program).args(args).output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let lasting = text.lines().filter(|line| !line.starts_with('#')).map(without_counters);
        lines.extend(lasting.map(|line| format!("{program}: {line}")));
    }
    lines
}

/// A rule or a policy without what it has counted: `counter packets 1 bytes 60`, `[1:60]`.
fn without_counters(line: &str) -> String {
    let words = line.split(' ').map(|word| word.trim_start_matches('['));
    let is_count = |word: &str| {
        let word = word.trim_end_matches(']');
        !word.is_empty() && word.chars().all(|c| c.is_ascii_digit() || c == ':')
    };
    let mut before = "";
    let mut kept = Vec::new();
    for word in words {
        let counts = ["packets", "bytes", "ACCEPT", "-"].contains(&before) && is_count(word);
        if !counts {
            kept.push(word);
        }
        before = word;
    }
    kept.join(" ")
}

/// Compares two looks, and prints what is in one of them only.
#[track_caller]
pub(crate) fn assert_same(left: &[String], right: &[String], about: &str) {
    let without = |lines: &[String], others: &[String]| {
        lines.iter().filter(|line| !others.contains(line)).cloned().collect::<Vec<_>>()
    };
    let (left_only, right_only) = (without(left, right), without(right, left));
    assert!(left == right, "{about}\nonly left: {left_only:#?}\nonly right: {right_only:#?}");
}
