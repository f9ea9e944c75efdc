//! A node with containers of both.

use cni_testing::types::Command;
use cni_testing::{Binary, Call, Snapshot, TestNetns, json};
use serde_json::Value;
use tempfile::TempDir;

use super::world::{Ours, Side, Theirs, files, rules};

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
        call.config(config).container_id(id).netns(&netns).run().success();
        Attachment { by, network, id, netns: Some(netns), result }
    }

    /// Asks one side's bridge plugin whether an attachment is all right.
    fn check(&self, by: Side, attachment: &Attachment) {
        let (call, mut config) = self.call(Command::Check, by, "bridge", attachment.network);
        config["prevResult"] = attachment.result.clone();
        let call = call.config(config).container_id(attachment.id).netns(attachment.netns.as_ref().unwrap());
        call.run().silent_success();
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
            call.config(config).run().silent_success();
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
            call.config(config).container_id(attachment.id).netns(netns).run().silent_success();
        }
        let left: Vec<_> = node.look().into_iter().filter(|line| line.contains(attachment.id)).collect();
        assert!(left.is_empty(), "{left:#?}");
    }
}
