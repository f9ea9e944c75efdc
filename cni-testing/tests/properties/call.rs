//! Whole calls: whatever comes in, there is one answer.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use cni_skel::{AddRequest, CheckRequest, DelRequest, Plugin, Result};
use cni_testing::strategies::{cni_args, command, container_id, ifname, json, plugin_config, text};
use cni_testing::types::{AddResult, Command, Dns, ErrorObject, PluginConfig, SpecVersion};
use cni_testing::{Call, DelegateReply, Outcome};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use serde::Deserialize;

/// Reads all that a request has, changes nothing, and passes on what came before.
struct Reading;

#[derive(Debug, Default, Deserialize)]
struct Config {
    mtu: Option<u32>,
    #[serde(default)]
    dns: Dns,
}

impl Plugin for Reading {
    type Config = Config;

    fn add(&self, req: &AddRequest<Config>) -> Result<AddResult> {
        let mut result = req.prev_result()?.cloned().unwrap_or_default();
        let _ = (req.args(), req.runtime_config::<String>("mac"), req.args_cni::<Vec<String>>("ips"));
        if req.config.mtu.is_some() {
            result.dns = req.config.dns.clone();
        }
        Ok(result)
    }

    fn del(&self, req: &DelRequest<Config>) -> Result<()> {
        req.ipam_if_any()?.map_or(Ok(()), |ipam| ipam.del())
    }

    fn check(&self, req: &CheckRequest<Config>) -> Result<()> {
        req.prev_result().map(drop)
    }
}

/// What the skeleton looks at. Not CNI_PATH: whatever is found there would be run.
const VARIABLES: [&str; 6] =
    ["CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS", "CNI_ARGS", "CNI_NETNS_OVERRIDE", "TRACEPARENT"];

/// What may stand in a variable, text or not.
fn variable() -> impl Strategy<Value = OsString> {
    prop_oneof![
        container_id().prop_map(|id| id.as_str().into()),
        ifname().prop_map(|ifname| ifname.as_str().into()),
        text().prop_map(OsString::from),
        vec(any::<u8>(), 0..12).prop_map(OsString::from_vec),
        "/|/proc/self/ns/net|/proc/self/ns/mnt|/dev/null|\\.|/fake/netns".prop_map(OsString::from),
    ]
}

/// What may come on stdin, JSON or not.
fn stdin() -> impl Strategy<Value = Vec<u8>> {
    let cut =
        (plugin_config(), any::<proptest::sample::Index>(), any::<u8>()).prop_map(|(sample, at, byte)| {
            let mut bytes = sample.json.into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes
        });
    prop_oneof![
        plugin_config().prop_map(|sample| sample.json.into_bytes()),
        cut,
        json().prop_map(String::into_bytes),
        vec(any::<u8>(), 0..32),
        (json(), "mtu|prevResult|dns|ipam|cniVersion|name|cni\\.dev/attachments").prop_map(|(json, key)| {
            format!(r#"{{"cniVersion": "1.1.0", "name": "lan", "{key}": {json}}}"#).into_bytes()
        }),
    ]
}

#[track_caller]
fn assert_one_answer(outcome: &Outcome, command: Option<Command>, stdin: &[u8]) {
    let asked = PluginConfig::version_of(stdin);
    match (outcome.exit_code(), command) {
        (Some(1), _) => {
            let error = ErrorObject::decode(outcome.stdout()).unwrap();
            let version = asked.unwrap_or_else(|| SpecVersion::NEWEST.to_string());
            assert_eq!(error.cni_version, Some(version), "{outcome}");
            assert!(!error.msg.is_empty(), "{outcome}");
        }
        (Some(0), Some(Command::Add)) => {
            let version = PluginConfig::parse(stdin).unwrap().cni_version().to_owned();
            let printed = PluginConfig::version_of(outcome.stdout().as_bytes());
            assert_eq!(printed, Some(version), "{outcome}");
            outcome.result();
        }
        (Some(0), Some(Command::Version)) => assert!(outcome.json()["supportedVersions"].is_array()),
        (Some(0), _) => assert_eq!(outcome.stdout(), "", "{outcome}"),
        _ => panic!("{outcome}"),
    }
}

proptest! {
    #[test]
    fn a_valid_request_is_answered_with_what_it_carries(
        sample in plugin_config(),
        id in container_id(),
        ifname in ifname(),
        args in cni_args(),
    ) {
        let args = args.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(";");
        let call = Call::add(&Reading).container_id(id.as_str()).ifname(ifname.as_str()).args(&args);
        let outcome = call.stdin(sample.json.clone()).run();
        assert_one_answer(&outcome, Some(Command::Add), sample.json.as_bytes());
        match sample.prev_result {
            Some(before) => prop_assert_eq!(outcome.result(), before),
            // Before 0.3.0 a result without an address cannot be said.
            None => prop_assert_eq!(outcome.exit_code() == Some(0), sample.cni_version >= SpecVersion::V0_3_0),
        }
    }

    #[test]
    fn a_delegate_gets_the_request_to_the_byte(sample in plugin_config(), args in cni_args()) {
        let args = args.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(";");
        let mut call = Call::del(&Reading).args(&args).stdin(sample.json.clone());
        if let Some(ipam) = &sample.ipam_type {
            call = call.delegate(ipam.as_str(), DelegateReply::del());
        }
        let outcome = call.run().silent_success();
        prop_assert_eq!(outcome.delegate_calls().len(), usize::from(sample.ipam_type.is_some()));
        for call in outcome.delegate_calls() {
            prop_assert_eq!(&call.stdin, &sample.json);
            let passed = call.env.iter().find(|(name, _)| *name == "CNI_ARGS");
            prop_assert_eq!(passed.unwrap().1, args.as_str());
        }
    }

    #[test]
    fn for_any_bytes_and_any_environment_there_is_one_answer(
        command in command(),
        stdin in stdin(),
        variables in vec((proptest::sample::select(VARIABLES.to_vec()), variable()), 0..4),
    ) {
        let mut call = Call::new(command, &Reading).stdin(stdin.clone());
        for (name, value) in &variables {
            call = call.env(name, value);
        }
        assert_one_answer(&call.run(), Some(command), &stdin);
    }

    #[test]
    fn for_any_command_there_is_one_answer(command in variable(), stdin in stdin()) {
        let outcome = Call::add(&Reading).env("CNI_COMMAND", &command).stdin(stdin.clone()).run();
        // A command that is set but empty is a person's start by hand.
        let known = command.to_str().and_then(|command| command.parse().ok());
        prop_assert!(known.is_some() || outcome.exit_code() == Some(u8::from(!command.is_empty()).into()));
        assert_one_answer(&outcome, known, &stdin);
    }
}
