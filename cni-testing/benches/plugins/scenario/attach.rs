//! Attaches and detaches one container with all plugins of a network.

use serde_json::{Value, json};

use super::Bench;
use super::plugin::{Attachment, host_local, with_prev_result};
use crate::failure::Failure;
use crate::node::{BRIDGE, Node};
use crate::process::{Ran, Runner};
use crate::results::{Backend, Kind};
use crate::subject::Subject;

pub(super) const NETWORK: &str = "bench";
pub(super) const SUBNET: &str = "10.88.0.0/16";

/// Returns the configuration of `bridge`. Older plugins ignore keys that they do not know.
pub(super) fn bridge_config(node: &Node, kind: Kind) -> Value {
    let mut config = json!({
        "cniVersion": "1.0.0",
        "name": NETWORK,
        "type": "bridge",
        "bridge": BRIDGE,
        "ipam": host_local(node.data_dir(), SUBNET),
    });
    if kind != Kind::Alone {
        config["isGateway"] = true.into();
        config["ipam"]["routes"] = json!([{"dst": "0.0.0.0/0"}]);
    }
    if let Kind::Masquerade(backend) = kind {
        config["ipMasq"] = true.into();
        config["ipMasqBackend"] = backend.as_str().into();
    }
    config
}

/// Returns the configuration of `portmap` with one port, as a runtime completes it.
pub(super) fn portmap_config(backend: Backend, host_port: usize) -> Value {
    json!({
        "cniVersion": "1.0.0",
        "name": NETWORK,
        "type": "portmap",
        "backend": backend.as_str(),
        "capabilities": {"portMappings": true},
        "runtimeConfig": {"portMappings": [{"hostPort": host_port, "containerPort": 80, "protocol": "tcp"}]},
    })
}

/// A chain of plugins with their configurations.
#[derive(Clone)]
pub(super) struct Row<'a> {
    pub(super) subject: Subject,
    pub(super) plugins: Vec<(&'static str, Value)>,
    pub(super) attachment: Attachment<'a>,
}

impl Row<'_> {
    /// Calls ADD in order, each with the result of the previous plugin.
    pub(super) fn add(&self, bench: &Bench<'_>, runner: Runner) -> Result<Vec<Ran>, Failure> {
        let mut ran: Vec<Ran> = Vec::new();
        for (plugin, config) in &self.plugins {
            let config =
                ran.last().map_or_else(|| Ok(config.clone()), |before| with_prev_result(config, before))?;
            let call = bench.call_for((self.subject, plugin), "ADD", &self.attachment, &config)?;
            ran.push(runner(&call)?);
        }
        Ok(ran)
    }

    /// Calls DEL in reverse order, each with the final result.
    pub(super) fn del(&self, bench: &Bench<'_>, runner: Runner, last: &Ran) -> Result<Vec<Ran>, Failure> {
        let backward = self.plugins.iter().rev();
        let ran = backward.map(|(plugin, config)| {
            let config = with_prev_result(config, last)?;
            runner(&bench.call_for((self.subject, plugin), "DEL", &self.attachment, &config)?)
        });
        ran.collect()
    }
}
