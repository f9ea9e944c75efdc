//! A whole call: any stdin, with each command, is answered by one correct document or by silence.
#![no_main]

use std::sync::Arc;

use cni_fuzz::{Nowhere, env, in_order};
use cni_skel::types::{AddResult, Command, Dns, ErrorObject, PluginConfig, Route, SpecVersion, VersionReply};
use cni_skel::{AddRequest, CheckRequest, DelRequest, Invocation, Plugin, Result, dispatch};
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;

/// Reads all that a request has, changes nothing, and passes on what came before.
struct Reading;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "it is decoded, and that is all")]
struct Config {
    mtu: Option<u32>,
    #[serde(default)]
    is_gateway: bool,
    #[serde(default)]
    routes: Vec<Route>,
    #[serde(default)]
    dns: Dns,
}

impl Plugin for Reading {
    type Config = Config;

    fn add(&self, req: &AddRequest<Config>) -> Result<AddResult> {
        let _ = (req.ipam_if_any(), req.plugin_config().plugin_type());
        let _ =
            (req.port_mappings(), req.ip_ranges(), req.bandwidth(), req.runtime_dns(), req.ethernet_mac());
        let _ = (req.all_requested_ips(), req.infiniband_guid(), req.device_id(), req.cgroup_path());
        let _ = (req.aliases(), req.labels(), req.pod(), req.args_cni::<serde_json::Value>("x"));
        Ok(req.prev_result()?.cloned().unwrap_or_default())
    }

    fn del(&self, _: &DelRequest<Config>) -> Result<()> {
        Ok(())
    }

    fn check(&self, req: &CheckRequest<Config>) -> Result<()> {
        req.prev_result().map(drop)
    }
}

fuzz_target!(|stdin: &[u8]| {
    for &command in Command::ALL {
        check(command, stdin);
    }
});

fn check(command: Command, stdin: &[u8]) {
    let reply = dispatch(&Reading, Invocation::new(env(command.as_str()), stdin), Arc::new(Nowhere));
    match (reply.exit_code(), reply.stdout(), command) {
        (1, Some(document), _) => {
            let error = ErrorObject::decode(document).expect("a failure is an error object");
            let asked = PluginConfig::version_of(stdin);
            assert_eq!(error.cni_version, asked.or_else(|| Some(SpecVersion::NEWEST.to_string())));
            assert_ne!(error.msg, "the plugin panicked");
        }
        (0, Some(document), Command::Add) => {
            let config = PluginConfig::parse(stdin).expect("a successful call has a configuration");
            let version: SpecVersion = config.cni_version().parse().expect("and a version that is known");
            let printed = AddResult::decode(SpecVersion::NEWEST, document).expect("ADD prints a result");
            let before = config.prev_result().expect("which was there").unwrap_or_default();
            assert_eq!(PluginConfig::version_of(document.as_bytes()), Some(version.to_string()));
            if before.losses(version).is_empty() {
                assert_eq!(printed, in_order(before, version));
            }
        }
        (0, Some(document), Command::Version) => drop(VersionReply::decode(document).expect("versions")),
        (0, None, Command::Del | Command::Check | Command::Gc | Command::Status) => {}
        answer => panic!("{answer:?}"),
    }
}
