//! A host and containers, and calls of the plugin in between.
#![allow(dead_code, reason = "each test target uses its part")]

use std::path::Path;

use bridge::Bridge;
use cni_skel::net::{Link, LinkIndex, Net, Scope};
use cni_skel::nft::{Chain, Nft, Rule};
use cni_testing::types::{AddResult, Command, SpecVersion};
use cni_testing::{Call, DelegateReply, Snapshot, TestNetns, json};
use host_local::HostLocal;
use serde_json::Value;
use tempfile::TempDir;

/// A host with nothing in it but a state directory for IPAM.
pub(crate) struct World {
    pub(crate) host: TestNetns,
    state: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { host: TestNetns::new(), state: tempfile::tempdir().unwrap() }
    }

    /// A host on which a first container has come and gone, so that what belongs to the network is there.
    pub(crate) fn used(config: impl Fn(&Self) -> Value) -> Self {
        let world = Self::new();
        let container = TestNetns::new();
        let config = config(&world);
        world.call(Command::Add, "first", &container, &config).run().success();
        world.call(Command::Del, "first", &container, &config).run().success();
        world
    }

    pub(crate) fn state(&self) -> &Path {
        self.state.path()
    }

    /// A dual-stack network with a default gateway.
    pub(crate) fn config(&self) -> Value {
        json!({
            "cniVersion": "1.1.0", "name": "lan", "type": "bridge", "bridge": "br0", "isDefaultGateway": true,
            "ipam": {
                "type": "host-local", "dataDir": self.state(),
                "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]],
            },
        })
    }

    /// The same network with some keys set otherwise.
    pub(crate) fn config_with(&self, keys: Value) -> Value {
        let mut config = self.config();
        for (key, value) in keys.as_object().unwrap() {
            config[key] = value.clone();
        }
        config
    }

    /// A call for a container's eth0, with host-local in process.
    pub(crate) fn call<'a>(
        &'a self,
        command: Command,
        container_id: &str,
        container: &'a TestNetns,
        config: &Value,
    ) -> Call<'a, &'static Bridge> {
        let call = Call::new(command, &Bridge)
            .host(&self.host)
            .config(config)
            .delegate_plugin("host-local", HostLocal);
        match command {
            Command::Add | Command::Del | Command::Check => call.container_id(container_id).netns(container),
            _ => call,
        }
    }

    /// The same with an IPAM plugin that answers from a script.
    pub(crate) fn scripted<'a>(
        &'a self,
        command: Command,
        container: &'a TestNetns,
        replies: impl IntoIterator<Item = DelegateReply>,
    ) -> Call<'a, &'static Bridge> {
        let config = self.config_with(json!({"ipam": {"type": "scripted"}}));
        let call = Call::new(command, &Bridge).host(&self.host).config(config).netns(container);
        replies.into_iter().fold(call, |call, reply| call.delegate("scripted", reply))
    }

    #[track_caller]
    pub(crate) fn add(&self, container_id: &str, container: &TestNetns, config: &Value) -> AddResult {
        self.call(Command::Add, container_id, container, config).run().result()
    }

    #[track_caller]
    pub(crate) fn del(&self, container_id: &str, container: &TestNetns, config: &Value) {
        self.call(Command::Del, container_id, container, config).run().silent_success();
    }

    pub(crate) fn net(&self) -> Net {
        self.host.net().unwrap()
    }

    pub(crate) fn nft(&self) -> Nft {
        self.host.run(Nft::open).unwrap().unwrap()
    }

    /// What there is of nftables on the host, a line each, in no order.
    #[track_caller]
    pub(crate) fn ruleset(&self) -> Vec<String> {
        let all = Snapshot::of_netns(self.host.netns()).unwrap();
        all.lines().filter(|line| line.starts_with("nftables: ")).map(str::to_owned).collect()
    }

    /// The host with its state directory.
    #[track_caller]
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.net()).unwrap().with_folder(self.state()).unwrap()
    }
}

/// The rules that are in a chain, one after the other.
#[track_caller]
pub(crate) fn assert_rules(nft: &Nft, chain: &Chain, wanted: &[Rule]) {
    let listed = nft.rules(chain).unwrap();
    let is_same = |(listed, wanted): (&Rule, &Rule)| {
        listed.does_the_same(wanted) && listed.as_comment() == wanted.as_comment()
    };
    let are_same = listed.len() == wanted.len() && listed.iter().zip(wanted).all(is_same);
    assert!(are_same, "{listed:#?} is not {wanted:#?}");
}

/// The configuration with the result of an ADD in it, as CHECK and DEL get it.
pub(crate) fn with_prev_result(config: &Value, result: &AddResult) -> Value {
    let mut config = config.clone();
    let json = result.encode(SpecVersion::NEWEST).unwrap();
    config["prevResult"] = serde_json::from_str(&json).unwrap();
    config
}

pub(crate) fn inside(container: &TestNetns) -> Snapshot {
    Snapshot::of(&container.net().unwrap()).unwrap()
}

/// The host's end of the only attachment.
#[track_caller]
pub(crate) fn host_end(net: &Net) -> Link {
    let links = net.links().unwrap();
    links.into_iter().find(|link| link.kind.as_deref() == Some("veth")).expect("there is a veth on the host")
}

/// The addresses of a link that somebody gave it.
pub(crate) fn addresses(net: &Net, link: LinkIndex) -> Vec<String> {
    let addresses = net.addresses(Some(link)).unwrap();
    let global = addresses.iter().filter(|address| address.scope == Scope::UNIVERSE);
    let mut texts: Vec<_> = global.map(|address| address.address.to_string()).collect();
    texts.sort();
    texts
}
