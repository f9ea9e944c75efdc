//! Whatever fails, nothing is left behind.

use std::fs;

use cni_skel::nft::{Family, Nft};
use cni_testing::types::Command;
use cni_testing::{Call, faults, json};
use portmap::Portmap;
use serde_json::Value;
use tempfile::TempDir;

use crate::world::{World, config, tcp};

/// A connected host, and a folder for what the rules are: a snapshot of the world has no rules.
struct Place {
    world: World,
    nft: Nft,
    state: TempDir,
}

impl Place {
    fn new() -> Self {
        let world = World::connected();
        let nft = world.host.run(Nft::open).unwrap().unwrap();
        Self { world, nft, state: tempfile::tempdir().unwrap() }
    }

    fn call<'a>(&'a self, command: Command, config: &Value) -> Call<'a, &'static Portmap> {
        fs::write(self.state.path().join("rules"), self.of_containers().join("\n")).unwrap();
        let call =
            Call::new(command, &Portmap).host(&self.world.host).state(self.state.path()).config(config);
        match command {
            Command::Add | Command::Del | Command::Check => call.netns(&self.world.container),
            _ => call,
        }
    }

    /// What is there of containers: all that is commented, and what is in the chains that iptables has for them.
    fn of_containers(&self) -> Vec<String> {
        let nft = &self.nft;
        let mut found = Vec::new();
        for table in Family::ALL.iter().copied().flat_map(|family| nft.tables(family).unwrap()) {
            for chain in nft.chains(&table).unwrap() {
                let is_containers = chain.name.starts_with("CNI-DN-");
                let rules = nft.rules(&chain).unwrap();
                let ours = rules.iter().filter(|rule| {
                    is_containers || chain.name == "CNI-HOSTPORT-DNAT" || rule.as_comment().is_some()
                });
                found.extend(ours.map(|rule| format!("{} {:?}", chain.name, rule.as_comment())));
                found.extend(is_containers.then_some(chain.name));
            }
            for set in nft.sets(&table).unwrap() {
                let elements = nft.elements(&set).unwrap();
                found.extend(elements.iter().map(|element| format!("{} {:?}", set.name, element.comment)));
            }
        }
        found
    }
}

/// Lets everything fail with a backend.
fn with(keys: Value) {
    let mappings = json!([tcp(8080, 80), {"hostPort": 5000, "containerPort": 53, "protocol": "udp"}]);
    let config = config(keys, mappings);
    let report = faults::assert_clean_failure(Place::new, |place, command| place.call(command, &config));
    eprintln!("{report}");
    assert!(report.injected > 200, "{report}");
}

#[test]
fn with_the_reference_plugins_rules() {
    with(json!({}));
}

#[test]
fn with_maps() {
    with(json!({"layout": "maps"}));
}

#[test]
fn with_iptables() {
    with(json!({"backend": "iptables"}));
}
