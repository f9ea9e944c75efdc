//! A host with one kind of iptables, and the reference plugin beside ours.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use bridge::Bridge;
use cni_testing::types::{AddResult, Command};
use cni_testing::{Binary, Call, Iptables, IptablesKind, Subject, TestNetns, json, reference_plugin};
use serde_json::Value;

use crate::world::World;

/// A host with one kind of iptables in its `PATH`.
pub(crate) struct Node {
    pub(crate) world: World,
    pub(crate) programs: Iptables,
}

impl Node {
    pub(crate) fn new(kind: IptablesKind) -> Self {
        Self { world: World::new(), programs: Iptables::new(kind) }
    }

    pub(crate) fn config(&self) -> Value {
        self.world.config_with(json!({"ipMasq": true}))
    }

    pub(crate) fn call<'a>(
        &'a self,
        command: Command,
        container_id: &str,
        container: &'a TestNetns,
        config: &Value,
    ) -> Call<'a, &'static Bridge> {
        self.on(self.world.call(command, container_id, container, config))
    }

    /// Lets a call find the node's programs.
    pub(crate) fn on<'a, S: Subject + Sync>(&self, call: Call<'a, S>) -> Call<'a, S> {
        call.iptables(&self.programs)
    }

    /// The same call of the reference plugin.
    pub(crate) fn reference<'a>(
        &'a self,
        command: Command,
        container_id: &str,
        container: &'a TestNetns,
        config: &Value,
    ) -> Call<'a, Binary> {
        let program = reference_plugin("bridge");
        // What Debian has is older than version 1.1.0.
        let mut config = config.clone();
        config["cniVersion"] = json!("1.0.0");
        if let Some(result) = config.get_mut("prevResult") {
            result["cniVersion"] = json!("1.0.0");
        }
        let call = Call::new(command, Binary::at(&program)).host(&self.world.host).netns(container);
        self.on(call.container_id(container_id).config(&config).plugin_path(program.parent().unwrap()))
    }

    /// Lets `iptables-restore` fail.
    pub(crate) fn break_restore(&self, status: i32) {
        let program = self.programs.folder().join("iptables-restore");
        std::fs::remove_file(&program).unwrap();
        let text = format!("#!/bin/sh\n/bin/cat >/dev/null\necho not today >&2\nexit {status}\n");
        std::fs::write(&program, text).unwrap();
        std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    }

    /// The same with the older iptables beside it, under its own name.
    pub(crate) fn with_older_beside(self) -> Self {
        Self { programs: self.programs.beside_legacy(), ..self }
    }

    #[track_caller]
    pub(crate) fn add(&self, container_id: &str, container: &TestNetns, config: &Value) -> AddResult {
        self.call(Command::Add, container_id, container, config).run().result()
    }

    #[track_caller]
    pub(crate) fn del(&self, container_id: &str, container: &TestNetns, config: &Value) {
        self.call(Command::Del, container_id, container, config).run().silent_success();
    }

    /// Runs a program of iptables on the host.
    #[track_caller]
    pub(crate) fn run(&self, program: &str, args: &[&str]) -> String {
        self.run_on(&self.world.host, program, args)
    }

    #[track_caller]
    pub(crate) fn run_on(&self, host: &TestNetns, program: &str, args: &[&str]) -> String {
        self.programs.run(host, program, args)
    }

    /// Chains and rules of table nat, as both families' programs print them.
    #[track_caller]
    pub(crate) fn saved(&self) -> Vec<String> {
        self.saved_on(&self.world.host)
    }

    #[track_caller]
    pub(crate) fn saved_on(&self, host: &TestNetns) -> Vec<String> {
        let texts = ["iptables-save", "ip6tables-save"];
        let texts = texts.map(|program| self.run_on(host, program, &["-t", "nat"]));
        let is_told = |line: &&str| line.starts_with("-A") || line.starts_with(':') && line.contains(" - [");
        let without_counts = |line: &str| line.trim_end_matches(" - [0:0]").to_owned();
        texts.iter().flat_map(|text| text.lines()).filter(is_told).map(without_counts).collect()
    }
}
