//! Prints CONFORMANCE.md: what the conformance suite finds in Debian's plugins and in those of this repository.
//!
//! ```console
//! $ cargo run --package cni-testing --example conformance_table > cni-testing/CONFORMANCE.md
//! ```
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use cni_testing::conformance::{Level, Report, Suite, checks};
use cni_testing::{Binary, isolation, json, workspace_plugin};
use serde_json::Value;

const DEBIAN: &str = "/usr/lib/cni";
/// Those of this repository, as far as they are there.
const OURS: [&str; 7] = ["bridge", "host-local", "loopback", "static", "passthrough", "pair", "portmap"];
const THEIRS: [&str; 10] = [
    "bridge",
    "host-local",
    "loopback",
    "static",
    "portmap",
    "macvlan",
    "ptp",
    "tuning",
    "firewall",
    "bandwidth",
];

/// Seen with the Go plugins when the machine has much else to do.
const ONE_WAITS: &str =
    "One of the calls did not end within thirty seconds, on two busy cores; not in every run, and rarely.";

/// What deviations come from, for all plugins (`*`) or one of them.
const REASONS: &[(&str, &str, &str)] = &[
    (
        "env/bad-container-id-named",
        "*",
        "The message says `containerID`; the specification wants the variable's name.",
    ),
    (
        "env/bad-ifname-named",
        "*",
        "The message says `interface name`; the specification wants the variable's name.",
    ),
    (
        "version/echo",
        "*",
        "The common Go library does not read stdin for VERSION and always says its own newest version.",
    ),
    ("error/version", "*", "The common Go library's error objects have no `cniVersion`."),
    ("env/no-cni-path", "*", "The common Go library demands CNI_PATH for every command but VERSION."),
    (
        "add/own-netns",
        "*",
        "This release does not compare the namespaces, and makes the interface on the host.",
    ),
    (
        "add/own-netns",
        "loopback",
        "This release does not compare the namespaces, and sets the host's `lo` up.",
    ),
    (
        "del/own-netns",
        "*",
        "This release does not compare the namespaces, and deletes the host's link of that name.",
    ),
    (
        "del/own-netns",
        "loopback",
        "This release does not compare the namespaces, and sets the host's `lo` down.",
    ),
    ("check/no-result", "*", "CHECK without `prevResult` succeeds."),
    (
        "delegation/error-leaves-nothing",
        "*",
        "What was made before the IPAM plugin was called is not taken away when that fails.",
    ),
    (
        "delegation/missing-plugin",
        "*",
        "What was made before the IPAM plugin was looked for is not taken away when it is missing.",
    ),
    ("delegation/error-del", "*", "The IPAM plugin gets no DEL after its own ADD has failed."),
    (
        "delegation/del-error",
        "*",
        "When the IPAM plugin's DEL fails, DEL stops there and leaves the interface.",
    ),
    ("del/ipam-removed", "*", "DEL calls an IPAM plugin without a name."),
    (
        "add/second-interface",
        "ptp",
        "Both interfaces get a route to the same gateway, and the second one is refused by the kernel.",
    ),
    (
        "add/shape",
        "loopback",
        "Without a `prevResult` the result is always in the newest shape, whatever version was asked.",
    ),
    (
        "check/after-add",
        "portmap",
        "CHECK looks for IPv6 rules, which ADD of a container with IPv4 alone does not make.",
    ),
    ("check/later-route", "portmap", "CHECK fails anyway: see `check/after-add`."),
    (
        "chain/keeps-unknown",
        "*",
        "`prevResult` is decoded and encoded again, and loses what the types do not have.",
    ),
    (
        "chain/result-without-version",
        "*",
        "An empty `cniVersion` in `prevResult` is taken for a version of another family.",
    ),
    ("chain/without-result", "*", "The error has code 999, as every error of these plugins."),
    ("env/bare", "*", "It starts `iptables`, which it finds by PATH."),
    (
        "del/netns-gone-leaves-nothing",
        "tuning",
        "The file with the values to be restored stays when the namespace is gone.",
    ),
    (
        "del/no-result-leaves-nothing",
        "firewall",
        "The rules are found by the addresses in `prevResult` alone.",
    ),
    ("load/parallel-add", "bridge", ONE_WAITS),
    ("load/parallel-add", "macvlan", ONE_WAITS),
    ("load/parallel-add", "bandwidth", ONE_WAITS),
    ("load/parallel-unique", "bridge", ONE_WAITS),
    ("load/parallel-unique", "macvlan", ONE_WAITS),
    ("load/parallel-unique", "bandwidth", ONE_WAITS),
    ("load/parallel-mixed", "bridge", ONE_WAITS),
    ("load/parallel-mixed", "macvlan", ONE_WAITS),
    ("load/parallel-mixed", "bandwidth", ONE_WAITS),
    (
        "load/parallel-add",
        "portmap",
        "Two calls at once make the shared chain, and the slower one fails because it is there; not in every run.",
    ),
    (
        "add/unwritten-result-leaves-nothing",
        "firewall",
        "DEL finds the rules by `prevResult` alone, and of a result that was lost there is none.",
    ),
    (
        "delegation/gc-goes-on",
        "pair",
        "It leaves GC to its IPAM plugin. The pair of a container that is gone has gone with it.",
    ),
    ("check/link-down", "pair", "CHECK compares addresses alone: the example is to stay short."),
    ("load/read-only-state-code", "*", "The error has code 999, as every error of these plugins."),
    (
        "load/terminated",
        "macvlan",
        "Told to end before it renames the link, it leaves it under a temporary name that DEL does not know; not in every run.",
    ),
    (
        "load/terminated",
        "firewall",
        "DEL finds the rules by `prevResult` alone, and after an ADD that was told to end there is none.",
    ),
    (
        "load/killed",
        "macvlan",
        "Killed before it renames the link, it leaves it under a temporary name that DEL does not know; not in every run.",
    ),
    (
        "load/killed",
        "firewall",
        "DEL finds the rules by `prevResult` alone, and after an ADD that was killed there is none.",
    ),
];

fn config(plugin: &str, version: &str) -> Value {
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.22.0.0/26"}]]});
    let mut config = json!({"cniVersion": version, "name": "lan", "type": plugin});
    let more = match plugin {
        "bridge" => json!({"bridge": "cni7", "isDefaultGateway": true, "ipam": ipam}),
        "host-local" => json!({"ipam": ipam}),
        "static" => json!({"ipam": {"type": "static", "addresses": [{"address": "10.22.0.9/24"}]}}),
        "portmap" => {
            let port = json!({"hostPort": 8080, "containerPort": 80, "protocol": "tcp"});
            json!({"snat": true, "runtimeConfig": {"portMappings": [port]}})
        }
        "macvlan" => json!({"master": "uplink0", "ipam": ipam}),
        "ptp" => json!({"ipam": ipam}),
        "pair" => json!({"host": "pair", "ipam": ipam}),
        "tuning" => json!({"mtu": 1400}),
        "bandwidth" => {
            json!({"ingressRate": 1_000_000, "ingressBurst": 1_000_000, "egressRate": 1_000_000, "egressBurst": 1_000_000})
        }
        _ => json!({}),
    };
    if let (Value::Object(config), Value::Object(more)) = (&mut config, more) {
        config.extend(more);
    }
    config
}

fn main() -> ExitCode {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let ours = OURS.into_iter().filter(|name| examples.join(name).is_dir());
    let ours: Vec<(&str, PathBuf)> = ours.map(|name| (name, built(name))).collect();
    if let Err(why) = isolation::enter() {
        eprintln!("conformance_table: {why}");
        return ExitCode::from(2);
    }
    let mut reports = Vec::new();
    for name in THEIRS {
        let program = Path::new(DEBIAN).join(name);
        reports.push((name, "Debian", run(&program, &config(name, "1.0.0"), DEBIAN.as_ref())));
    }
    for (name, program) in ours {
        let folder = program.parent().unwrap_or(Path::new("/")).to_owned();
        reports.push((name, "ours", run(&program, &config(name, "1.1.0"), &folder)));
    }
    print(&reports);
    ExitCode::SUCCESS
}

/// A plugin of the workspace, whose package may have another name than its program.
fn built(name: &str) -> PathBuf {
    if name != "static" {
        return workspace_plugin(name);
    }
    let folder = workspace_plugin("host-local");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let _ = Command::new(cargo).args(["build", "--quiet", "--package", "static-ipam"]).status();
    folder.with_file_name(name)
}

fn run(program: &Path, config: &Value, path: &Path) -> Result<Report, String> {
    eprintln!("{}", program.display());
    Suite::new(Binary::at(program), config).path([path]).run().map_err(|why| why.to_string())
}

fn print(reports: &[(&str, &str, Result<Report, String>)]) {
    let (date, kernel, package) = (said_by("date", &["-u", "+%F"]), said_by("uname", &["-r"]), package());
    let count = checks().count();
    println!(
        "# What plugins do of what the specification asks\n\n\
         Found by the conformance suite of `cni-testing` ({count} checks) on {date}, Linux {kernel}. Made by\n\
         `cargo run --package cni-testing --example conformance_table > cni-testing/CONFORMANCE.md`.\n\n\
         *Debian* is the package {package}, called in version 1.0.0 of the specification, the newest\n\
         that it supports.\n\
         *Ours* are the plugins of this repository, called in version 1.1.0. A check that is not run is about another kind of\n\
         plugin, or about a newer version: GC and STATUS came with 1.1.0. `cnitest conform --list` tells what each check is.\n\n\
         The checks of group `load` are races: what they find in one run they may miss in another.\n\n\
         Most deviations below come from the common Go library, and runtimes have long learned to live with them.\n\n\
         | plugin | | passed | must failed | should failed | manners failed | not run | seconds |\n\
         |---|---|---|---|---|---|---|---|"
    );
    for (name, whose, report) in reports {
        match report {
            Ok(report) => {
                let (passed, _, not_run) = report.counts();
                let [must, should, manners] = Level::ALL.map(|level| report.failures(level).count());
                let seconds = report.took.as_secs_f64();
                println!(
                    "| {name} | {whose} | {passed} | {must} | {should} | {manners} | {not_run} | {seconds:.1} |"
                );
            }
            Err(why) => println!("| {name} | {whose} | {why} | | | | | |"),
        }
    }
    let all: Vec<_> =
        reports.iter().filter_map(|(_, whose, report)| Some((*whose, report.as_ref().ok()?))).collect();
    let failed = |report: &Report| -> BTreeSet<&'static str> {
        report.findings.iter().filter(|of| of.failure().is_some()).map(|of| of.check.id()).collect()
    };
    println!("\n## Deviations\n");
    for check in checks() {
        let who: Vec<_> = all.iter().filter(|(_, report)| failed(report).contains(check.id())).collect();
        if who.is_empty() {
            continue;
        }
        println!("**[{}]({})** ({}): {}\n", check.id(), check.section(), check.level(), check.expected());
        let mut said: Vec<(String, Vec<String>)> = Vec::new();
        for (whose, report) in who {
            let reason = reason(check.id(), report);
            let name = format!("{} ({whose})", report.plugin);
            match said.iter_mut().find(|(of, _)| *of == reason) {
                Some((_, names)) => names.push(name),
                None => said.push((reason, vec![name])),
            }
        }
        for (reason, names) in said {
            println!("- {}: {reason}", names.join(", "));
        }
        println!();
    }
}

/// Why, as a sentence; or what was found, where nobody has explained it yet.
fn reason(check: &str, report: &Report) -> String {
    let of = |plugin: &str| REASONS.iter().find(|(id, name, _)| *id == check && *name == plugin);
    if let Some((_, _, reason)) = of(&report.plugin).or_else(|| of("*")) {
        return (*reason).to_owned();
    }
    let finding = report.findings.iter().find(|finding| finding.check.id() == check);
    let found = finding.and_then(|finding| finding.failure()).unwrap_or_default();
    format!("not explained yet; found: {}", found.replace('\n', " "))
}

fn package() -> String {
    let version = said_by("dpkg-query", &["-W", "-f", "${Version}", "containernetworking-plugins"]);
    format!("`containernetworking-plugins` {version}")
}

fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
