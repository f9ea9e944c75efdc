//! A node is switched over from the reference plugins to these and back, at any moment in a container's life: the world
//! is then as if one of them had been alone.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::thread;

use cni_skel::net::{Address, Bridge, Net};
use cni_testing::types::Command;
use cni_testing::{Binary, Call, Outcome, Snapshot, TestNetns, json, workspace_plugin};
use serde_json::Value;
use tempfile::TempDir;

/// Whose plugins make a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Ours,
    Theirs,
}

use Side::{Ours, Theirs};

/// Debian's `containernetworking-plugins`.
const THEIR_FOLDER: &str = "/usr/lib/cni";
/// What either plugin sets in the container. DIFFERENCE: `keep_addr_on_down` is set by ours, as by later versions of the
/// reference; Debian's does not do it yet.
const SYSCTLS: [&str; 4] = [
    "ipv4/conf/eth0/arp_notify",
    "ipv6/conf/eth0/disable_ipv6",
    "ipv6/conf/lo/disable_ipv6",
    "ipv6/conf/eth0/accept_dad",
];

impl Side {
    fn program(self, plugin: &str) -> PathBuf {
        match self {
            Ours if plugin == "bridge" => env!("CARGO_BIN_EXE_bridge").into(),
            Ours => workspace_plugin(plugin),
            Theirs => {
                let program = Path::new(THEIR_FOLDER).join(plugin);
                assert!(
                    program.is_file(),
                    "install Debian's containernetworking-plugins: {}",
                    program.display()
                );
                program
            }
        }
    }

    /// The folder with its IPAM plugin.
    fn folder(self) -> PathBuf {
        self.program("host-local").parent().unwrap().to_owned()
    }
}

/// An option of the bridge plugin, and what comes with it.
#[derive(Clone)]
struct Case {
    name: &'static str,
    keys: Value,
    args: &'static str,
    /// Another address that the bridge has before.
    bridge_address: Option<&'static str>,
}

impl Case {
    fn new(name: &'static str, keys: Value) -> Self {
        Self { name, keys, args: "", bridge_address: None }
    }
}

/// Every option that Debian's version has, but VLANs, for which not every kernel is made.
fn cases() -> Vec<Case> {
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
fn each_case(step: impl Fn(&Case) + Sync) {
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
struct World {
    case: Case,
    host: TestNetns,
    container: TestNetns,
    state: TempDir,
}

impl World {
    fn new(case: &Case) -> Self {
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

    fn config(&self) -> Value {
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
    fn call(&self, command: Command, bridge: Side, ipam: Side, prev_result: Option<&Value>) -> Outcome {
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
    fn add(&self, side: Side) -> Value {
        self.call(Command::Add, side, side, None).success().json()
    }

    /// All that is to be seen, under names that do not depend on who made it.
    fn look(&self) -> Vec<String> {
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

fn files(folder: &Path) -> Vec<String> {
    let snapshot = Snapshot::default().with_folder(folder).unwrap();
    snapshot.lines().map(str::to_owned).collect()
}

/// What packet filters there are.
fn rules() -> Vec<String> {
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

/// The interfaces of a result: name, whether there is a hardware address, and whether it is in the container. The port's
/// name is by chance.
fn interfaces(result: &Value) -> Vec<(String, bool, bool)> {
    let interfaces = result["interfaces"].as_array().unwrap().iter();
    interfaces
        .map(|interface| {
            let name = interface["name"].as_str().unwrap();
            let name = if name.starts_with("veth") { "the port" } else { name };
            (name.to_owned(), interface["mac"].is_string(), interface["sandbox"].is_string())
        })
        .collect()
}

/// Compares two looks, and prints what is in one of them only.
#[track_caller]
fn assert_same(left: &[String], right: &[String], about: &str) {
    let without = |lines: &[String], others: &[String]| {
        lines.iter().filter(|line| !others.contains(line)).cloned().collect::<Vec<_>>()
    };
    let (left_only, right_only) = (without(left, right), without(right, left));
    assert!(left == right, "{about}\nonly left: {left_only:#?}\nonly right: {right_only:#?}");
}

#[test]
fn add_leaves_the_same_world_whoever_makes_it() {
    each_case(|case| {
        let [ours, theirs] = [Ours, Theirs].map(|side| {
            let world = World::new(case);
            let result = world.add(side);
            (result, world.look())
        });
        assert_same(&ours.1, &theirs.1, case.name);
        let is_masqueraded = ours.1.iter().any(|line| line.contains("-j MASQUERADE"));
        assert_eq!(is_masqueraded, case.name == "ipMasq", "{}", case.name);
        let is_checked = ours.1.iter().any(|line| line.contains("ether saddr 02:00:00:00:00:77 return"));
        assert_eq!(is_checked, case.name == "macspoofchk", "{}", case.name);
        for key in ["ips", "routes"] {
            assert_eq!(ours.0[key], theirs.0[key], "{}: {key} of the result", case.name);
        }
        // Where there is nothing to say the older reference says so.
        let dns = |result: &Value| result["dns"].as_object().cloned().unwrap_or_default();
        assert_eq!(dns(&ours.0), dns(&theirs.0), "{}: dns of the result", case.name);
        assert_eq!(interfaces(&ours.0), interfaces(&theirs.0), "{}: interfaces of the result", case.name);
    });
}

#[test]
fn each_deletes_what_the_other_has_added() {
    each_case(|case| {
        let after = |add: Side, del: Side| {
            let world = World::new(case);
            let result = world.add(add);
            let _ = world.call(Command::Del, del, del, Some(&result)).silent_success();
            let once = world.look();
            let _ = world.call(Command::Del, add, add, Some(&result)).silent_success();
            assert_same(&world.look(), &once, &format!("{}: {add:?} DEL once more", case.name));
            once
        };
        let alone = after(Theirs, Theirs);
        for (add, del) in [(Ours, Ours), (Ours, Theirs), (Theirs, Ours)] {
            let about = format!("{}: {add:?} ADD, {del:?} DEL", case.name);
            assert_same(&after(add, del), &alone, &about);
        }
    });
}

#[test]
fn each_finds_what_the_other_has_added_to_be_right() {
    each_case(|case| {
        for (add, check) in [(Ours, Theirs), (Theirs, Ours)] {
            // DIFFERENCE: without an IPAM plugin the reference's CHECK always fails.
            let has_ipam = case.name != "ipam";
            if check == Theirs && !has_ipam {
                continue;
            }
            let world = World::new(case);
            let result = world.add(add);
            let before = world.look();
            let _ = world.call(Command::Check, check, check, Some(&result)).silent_success();
            assert_same(&world.look(), &before, &format!("{}: CHECK changed something", case.name));
            // And it would notice: the address has gone, or the interface.
            let net = world.container.net().unwrap();
            if has_ipam {
                let address =
                    net.addresses(None).unwrap().into_iter().find(|a| a.address.to_string() == "10.1.0.2/24");
                net.delete_address(&address.unwrap()).unwrap();
            } else {
                net.delete_link(net.link("eth0").unwrap().index).unwrap();
            }
            let outcome = world.call(Command::Check, check, check, Some(&result));
            assert_eq!(outcome.exit_code(), Some(1), "{}: {outcome}", case.name);
        }
    });
}

#[test]
fn bridge_and_ipam_plugin_are_switched_over_one_by_one() {
    let case = Case::new("isDefaultGateway", json!({"isDefaultGateway": true}));
    let sides = [Ours, Theirs];
    let pairs: Vec<_> = sides.into_iter().flat_map(|bridge| sides.map(|ipam| (bridge, ipam))).collect();
    let mut worlds = Vec::new();
    for add in &pairs {
        for del in &pairs {
            let world = World::new(&case);
            let result = world.call(Command::Add, add.0, add.1, None).success().json();
            let added = world.look();
            let _ = world.call(Command::Check, del.0, del.1, Some(&result)).silent_success();
            // Half of them by an engine that has forgotten the result.
            let known = (add.0 == del.0).then_some(&result);
            let _ = world.call(Command::Del, del.0, del.1, known).silent_success();
            worlds.push((format!("ADD {add:?}, DEL {del:?}"), (added, world.look())));
        }
    }
    for (who, (added, deleted)) in &worlds {
        assert_same(added, &worlds[0].1.0, who);
        assert_same(deleted, &worlds[0].1.1, who);
    }
}

#[test]
fn containers_of_both_share_a_bridge_and_its_addresses() {
    let case = Case::new("isDefaultGateway", json!({"isDefaultGateway": true}));
    let world = World::new(&case);
    let containers: Vec<_> = (0..6).map(|_| TestNetns::new()).collect();
    let call = |command, n: usize, side: Side| {
        let call = Call::new(command, Binary::at(side.program("bridge"))).config(world.config());
        let call = call.host(&world.host).netns(&containers[n]).container_id(&format!("c{n}"));
        call.plugin_path(side.folder()).run()
    };
    let side = |n: usize| if n.is_multiple_of(2) { Ours } else { Theirs };
    let mut addresses = Vec::new();
    for n in 0..containers.len() {
        addresses.push(call(Command::Add, n, side(n)).result().ips[0].address.to_string());
    }
    let wanted: Vec<_> = (2..8).map(|n| format!("10.1.0.{n}/24")).collect();
    assert_eq!(addresses, wanted);
    for n in 0..containers.len() {
        let _ = call(Command::Del, n, side(n + 1)).silent_success();
    }
    let left = world.look();
    assert!(!left.iter().any(|line| line.contains("the port") || line.contains("c0")), "{left:?}");
}

/// A container on a node that has been switched over and back.
struct Attachment {
    by: Side,
    network: &'static str,
    id: &'static str,
    netns: Option<TestNetns>,
    result: Value,
}

/// A node with containers of both on two networks, with masquerading and a port for each.
struct MixedNode {
    host: TestNetns,
    state: TempDir,
}

impl MixedNode {
    fn call(&self, command: Command, side: Side, plugin: &str, network: &str) -> (Call<'_, Binary>, Value) {
        let version = if command == Command::Gc { "1.1.0" } else { "1.0.0" };
        let mut config = json!({"cniVersion": version, "name": network, "type": plugin});
        let number = u8::from(network == "other");
        if plugin == "bridge" {
            config["bridge"] = json!(format!("br{number}"));
            config["isDefaultGateway"] = json!(true);
            config["ipMasq"] = json!(true);
            config["ipam"] = json!({"type": "host-local", "dataDir": self.state.path(),
                "ranges": [[{"subnet": format!("10.{number}.0.0/24")}], [{"subnet": format!("fd00:{number}::/64")}]]});
        }
        let call = Call::new(command, Binary::at(side.program(plugin))).host(&self.host);
        (call.plugin_path(side.folder()).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), config)
    }

    fn add(&self, by: Side, network: &'static str, id: &'static str, port: u16) -> Attachment {
        let netns = TestNetns::new();
        let (call, config) = self.call(Command::Add, by, "bridge", network);
        let result = call.config(config).container_id(id).netns(&netns).run().success().json();
        let (call, mut config) = self.call(Command::Add, by, "portmap", network);
        config["prevResult"] = result.clone();
        config["runtimeConfig"] =
            json!({"portMappings": [{"hostPort": port, "containerPort": 80, "protocol": "tcp"}]});
        let _ = call.config(config).container_id(id).netns(&netns).run().success();
        Attachment { by, network, id, netns: Some(netns), result }
    }

    /// Asks one side's bridge plugin whether an attachment is all right.
    fn check(&self, by: Side, attachment: &Attachment) {
        let (call, mut config) = self.call(Command::Check, by, "bridge", attachment.network);
        config["prevResult"] = attachment.result.clone();
        let call = call.config(config).container_id(attachment.id).netns(attachment.netns.as_ref().unwrap());
        let _ = call.run().silent_success();
    }

    /// What is on the host, a line each.
    fn look(&self) -> Vec<String> {
        let net = self.host.net().unwrap();
        let mut lines: Vec<_> = Snapshot::of(&net).unwrap().lines().map(str::to_owned).collect();
        lines.extend(files(self.state.path()));
        lines.extend(self.host.run(rules).unwrap());
        lines
    }
}

#[test]
fn gc_takes_what_is_dead_and_leaves_what_lives_whoever_made_it() {
    let node = MixedNode { host: TestNetns::new(), state: tempfile::tempdir().unwrap() };
    let mut living = vec![
        node.add(Theirs, "lan", "theirs-lives", 8001),
        node.add(Ours, "lan", "ours-lives", 8002),
        node.add(Theirs, "other", "theirs-elsewhere", 8003),
        node.add(Ours, "other", "ours-elsewhere", 8004),
    ];
    let (host_ports, addresses): (Vec<_>, Vec<_>) = [
        (8005, node.add(Theirs, "lan", "theirs-died", 8005)),
        (8006, node.add(Ours, "lan", "ours-died", 8006)),
    ]
    .into_iter()
    .map(|(port, died)| {
        drop(died.netns);
        let ips = died.result["ips"].as_array().unwrap().iter();
        let ips: Vec<_> =
            ips.map(|ip| ip["address"].as_str().unwrap().split('/').next().unwrap().to_owned()).collect();
        (port.to_string(), ips)
    })
    .unzip();
    // This one's namespace has not gone, and so its end on the host has not.
    let pinned = node.add(Ours, "lan", "ours-pinned", 8007);
    let is_left = |what: &str| node.look().iter().any(|line| line.contains(what));
    assert!(is_left("theirs-died") && is_left("ours-died") && is_left("cni:lan:ours-pinned:eth0"));

    let inside =
        |attachment: &Attachment| Snapshot::of(&attachment.netns.as_ref().unwrap().net().unwrap()).unwrap();
    let before: Vec<_> = living.iter().map(inside).collect();
    let valid: Vec<_> = living
        .iter()
        .filter(|attachment| attachment.network == "lan")
        .map(|attachment| json!({"containerID": attachment.id, "ifname": "eth0"}))
        .collect();
    for _ in 0..2 {
        for plugin in ["bridge", "portmap"] {
            let (call, mut config) = node.call(Command::Gc, Ours, plugin, "lan");
            config["cni.dev/valid-attachments"] = json!(valid);
            let _ = call.config(config).run().silent_success();
        }
        let look = node.look();
        for dead in ["theirs-died", "ours-died", "ours-pinned"]
            .iter()
            .map(|name| (*name).to_owned())
            .chain(host_ports.iter().chain(addresses.iter().flatten()).map(|text| format!(" {text}")))
        {
            // Addresses have a space before them, and none of them is the start of another.
            let left: Vec<_> = look.iter().filter(|line| line.contains(dead.as_str())).collect();
            assert!(left.is_empty(), "{dead}: {left:#?}");
        }
        for (attachment, before) in living.iter().zip(&before) {
            inside(attachment).assert_same_as(before);
            for by in [Ours, Theirs] {
                node.check(by, attachment);
            }
            let of_it = look.iter().filter(|line| line.contains(attachment.id)).count();
            assert!(of_it > 8, "{}, by {:?}: {look:#?}", attachment.id, attachment.by);
        }
    }
    assert!(pinned.netns.as_ref().unwrap().net().unwrap().find_link("eth0").unwrap().is_none());

    // And what lives can be deleted by the other.
    while let Some(attachment) = living.pop() {
        let by = if attachment.by == Ours { Theirs } else { Ours };
        for plugin in ["portmap", "bridge"] {
            let (call, mut config) = node.call(Command::Del, by, plugin, attachment.network);
            config["prevResult"] = attachment.result.clone();
            config["runtimeConfig"] =
                json!({"portMappings": [{"hostPort": 1, "containerPort": 80, "protocol": "tcp"}]});
            let netns = attachment.netns.as_ref().unwrap();
            let _ = call.config(config).container_id(attachment.id).netns(netns).run().silent_success();
        }
        let left: Vec<_> = node.look().into_iter().filter(|line| line.contains(attachment.id)).collect();
        assert!(left.is_empty(), "{left:#?}");
    }
}

#[test]
fn loopback_is_taken_over_in_every_direction() {
    let call = |command, side: Side, container: &TestNetns, prev_result: Option<Value>| {
        let mut config = json!({"cniVersion": "1.0.0", "name": "lo", "type": "loopback"});
        if let Some(prev_result) = prev_result {
            config["prevResult"] = prev_result;
        }
        let call = Call::new(command, Binary::at(side.program("loopback"))).config(config);
        call.ifname("lo").netns(container).run()
    };
    let look = |container: &TestNetns| Snapshot::of(&container.net().unwrap()).unwrap();
    let mut worlds = Vec::new();
    for add in [Ours, Theirs] {
        for del in [Ours, Theirs] {
            let container = TestNetns::new();
            let result = call(Command::Add, add, &container, None).success().json();
            let added = look(&container);
            let _ = call(Command::Check, del, &container, Some(result.clone())).silent_success();
            let _ = call(Command::Del, del, &container, Some(result)).silent_success();
            worlds.push((added, look(&container)));
        }
    }
    assert!(worlds.iter().all(|world| *world == worlds[0]), "{worlds:#?}");
    assert_ne!(worlds[0].0, worlds[0].1, "lo was never up");
}
