//! The plugins of the table, and their configurations.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use cni_testing::json;
use serde_json::Value;

const DEBIAN: &str = "/usr/lib/cni";
/// All plugins of the package. For those that do not work on this machine, the page says why.
const THEIRS: [&str; 16] = [
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
    "sbr",
    "host-device",
    "ipvlan",
    "vlan",
    "vrf",
    "dhcp",
];
/// The plugins of this repository.
const OURS: [&str; 7] = ["bridge", "host-local", "loopback", "static", "passthrough", "pair", "portmap"];

/// A plugin to check.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) origin: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) config: Value,
}

/// Returns all plugins. Builds those of this repository.
pub(crate) fn all() -> Vec<Subject> {
    let theirs = THEIRS.map(|name| Subject {
        name,
        origin: "Debian",
        program: Path::new(DEBIAN).join(name),
        config: config(name, "1.0.0"),
    });
    let folder = build();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let ours = OURS.into_iter().filter(|name| examples.join(name).is_dir()).map(|name| Subject {
        name,
        origin: "ours",
        program: folder.join(name),
        config: config(name, "1.1.0"),
    });
    theirs.into_iter().chain(ours).collect()
}

/// Builds the programs of the workspace, and returns their folder.
fn build() -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--workspace", "--bins", "--manifest-path", manifest])
        .status();
    assert!(status.is_ok_and(|status| status.success()), "cargo build failed");
    let own =
        env::current_exe().unwrap_or_else(|cause| panic!("cannot find the running executable: {cause}"));
    own.ancestors().nth(2).unwrap_or(Path::new("/")).to_owned()
}

fn config(plugin: &str, version: &str) -> Value {
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.22.0.0/26"}]]});
    let mut config = json!({"cniVersion": version, "name": "lan", "type": plugin});
    let more = match plugin {
        "bridge" => json!({"bridge": "cni7", "isDefaultGateway": true, "ipam": ipam}),
        "host-local" => json!({"ipam": ipam}),
        "static" => json!({"ipam": {"type": "static", "addresses": [{"address": "10.22.0.9/24"}]}}),
        "dhcp" => json!({"ipam": {"type": "dhcp"}}),
        "portmap" => {
            let port = json!({"hostPort": 8080, "containerPort": 80, "protocol": "tcp"});
            json!({"snat": true, "runtimeConfig": {"portMappings": [port]}})
        }
        "macvlan" | "ipvlan" => json!({"master": "uplink0", "ipam": ipam}),
        "vlan" => json!({"master": "uplink0", "vlanId": 7, "ipam": ipam}),
        "host-device" => json!({"device": "uplink0"}),
        "vrf" => json!({"vrfname": "blue"}),
        "ptp" => json!({"ipam": ipam}),
        "pair" => json!({"mtu": 1400, "ipam": ipam}),
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
