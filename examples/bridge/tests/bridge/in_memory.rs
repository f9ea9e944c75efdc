//! The same life in memory, where no privileges are needed, and in the kernel: the same answers, the same world.

use std::collections::BTreeSet;

use bridge::Bridge;
use cni_skel::net::Net;
use cni_testing::types::{Command, ErrorCode, SpecVersion};
use cni_testing::{Call, FakeNetwork, Outcome, Snapshot, TestNetns, json};
use serde_json::Value;

use crate::places::{Place, in_memory, real};

/// A place with its two networks, and how the plugin is called in it.
struct Scene<F> {
    call: F,
    host: Net,
    inside: Net,
    said: Vec<String>,
}

impl<'a, F: Fn(Command, &Value) -> Call<'a, &'static Bridge>> Scene<F> {
    /// Calls the plugin and keeps what it says, free of what is left to chance.
    fn run(&mut self, command: Command, keys: &Value) -> Outcome {
        let outcome = (self.call)(command, keys).run();
        let exit_code = outcome.exit_code();
        self.said.push(format!("{command} {exit_code:?} {}", without_chance(outcome.stdout())));
        let snapshot = |net| Snapshot::of(net).unwrap();
        for (place, snapshot) in [("host", snapshot(&self.host)), ("inside", snapshot(&self.inside))] {
            let lines: BTreeSet<_> = snapshot.lines().map(without_chance).collect();
            self.said.push(format!("{place} after {command}: {lines:#?}"));
        }
        outcome
    }
}

/// Hardware addresses and the container's path.
fn without_chance(text: &str) -> String {
    let is_mac = |word: &str| word.len() == 17 && word.split(':').count() == 6;
    let words = text.split([' ', '"', ',', '\n', ')']);
    words
        .filter(|word| !is_mac(word) && !word.starts_with("/fake") && !word.starts_with("/proc"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// What happens to an attachment, and to those around it.
fn life<'a>(scene: &mut Scene<impl Fn(Command, &Value) -> Call<'a, &'static Bridge>>) {
    let keys = json!({"hairpinMode": true, "mtu": 1400});
    let result = scene.run(Command::Add, &keys).result();
    assert_eq!(result.ips.len(), 2);
    let routes: Vec<_> = scene.inside.routes(Some(254)).unwrap().iter().map(ToString::to_string).collect();
    assert!(routes.contains(&"default via fd00:1::1".to_owned()), "{routes:?}");

    let previous: Value = serde_json::from_str(&result.encode(SpecVersion::NEWEST).unwrap()).unwrap();
    let with_previous = json!({"hairpinMode": true, "mtu": 1400, "prevResult": previous});
    scene.run(Command::Check, &with_previous).silent_success();
    let eth0 = scene.inside.link("eth0").unwrap().index;
    scene.inside.set_down(eth0).unwrap();
    let error = scene.run(Command::Check, &with_previous).error();
    assert!(error.msg.contains("container interface eth0 is down"), "{}", error.msg);

    scene.run(Command::Add, &keys).error();
    scene.run(Command::Gc, &json!({"unrelated": true})).silent_success();
    scene.run(Command::Status, &keys).silent_success();
    scene.run(Command::Del, &with_previous).silent_success();
    scene.run(Command::Del, &keys).silent_success();
    assert!(scene.inside.find_link("eth0").unwrap().is_none());

    scene.run(Command::Add, &json!({"mtu": 1_000_000})).error_with(ErrorCode::INTERNAL);
    let taken = json!({"bridge": "lo"});
    scene.run(Command::Add, &taken).error();
    scene.run(Command::Add, &keys).result();
    scene.run(Command::Gc, &json!({"cni.dev/valid-attachments": []})).silent_success();
    assert!(scene.inside.find_link("eth0").unwrap().is_none());
}

#[test]
fn an_attachment_lives_the_same_life_in_memory_and_in_the_kernel() {
    let memory = in_memory_life();
    let place = Place::new((TestNetns::new(), TestNetns::new()));
    let mut kernel = Scene {
        call: |command, keys: &Value| real(&place, command, keys),
        host: place.network.0.net().unwrap(),
        inside: place.network.1.net().unwrap(),
        said: Vec::new(),
    };
    life(&mut kernel);
    for (ours, theirs) in memory.iter().zip(&kernel.said) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(memory.len(), kernel.said.len());
}

#[test]
fn an_attachment_lives_its_life_in_memory() {
    assert_eq!(in_memory_life().len(), 36);
}

fn in_memory_life() -> Vec<String> {
    let place = Place::new(FakeNetwork::new());
    let mut scene = Scene {
        call: |command, keys: &Value| in_memory(&place, command, keys),
        host: place.network.net().unwrap(),
        inside: place.network.container("c1").net().unwrap(),
        said: Vec::new(),
    };
    life(&mut scene);
    scene.said
}

#[test]
fn a_container_that_is_gone_takes_its_end_with_it_and_del_succeeds() {
    let place = Place::new(FakeNetwork::new());
    let keys = json!({});
    in_memory(&place, Command::Add, &keys).run().result();
    place.network.remove_container("c1");
    let host = place.network.net().unwrap();
    assert!(host.links().unwrap().iter().all(|link| link.kind.as_deref() != Some("veth")));
    in_memory(&place, Command::Del, &keys).run().silent_success();
    assert!(!place.state.path().join("test/10.1.0.2").exists());
}
