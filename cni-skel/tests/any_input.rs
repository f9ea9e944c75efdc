//! For any input, the reply has exit code 0 or 1, and at most one JSON document.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use cni_skel::types::{AddResult, Dns, ErrorCode, IfName, MacAddr, Route};
use cni_skel::{
    AddRequest, CheckRequest, Context, DelRequest, Env, Error, Invocation, Plugin, Result, System, dispatch,
};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;

/// A plugin whose handlers use everything that a request offers.
struct Curious;

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    mtu: u32,
    bridge: Option<IfName>,
    #[serde(default)]
    routes: Vec<Route>,
    #[serde(default)]
    dns: Dns,
}

fn look(context: &Context, config: &Config) -> Result<()> {
    let _ = (context.network(), context.cni_version(), context.args()?);
    let _ = context.runtime_config::<MacAddr>("mac")?;
    let _ = context.args_cni::<Vec<u8>>("ips")?;
    let _ = context.ipam_if_any()?;
    cni_skel::info!(context.log(), "{} {:?} {:?}", config.mtu, config.bridge, (&config.routes, &config.dns));
    if config.mtu == 7 { Err(Error::new(ErrorCode::new(107), "seven")) } else { Ok(()) }
}

impl Plugin for Curious {
    type Config = Config;

    fn add(&self, req: &AddRequest<Config>) -> Result<AddResult> {
        look(req, &req.config)?;
        Ok(req.prev_result()?.cloned().unwrap_or_default())
    }

    fn del(&self, req: &DelRequest<Config>) -> Result<()> {
        look(req, req.config()?)
    }

    fn check(&self, req: &CheckRequest<Config>) -> Result<()> {
        look(req, &req.config)?;
        req.prev_result().map(drop)
    }
}

const KEYS: &str = "(cniVersion|name|type|ipam|prevResult|runtimeConfig|args|logLevel|mtu|MTU|bridge|routes|dns|ips|ip4|\
    interfaces|cni|mac|address|dst|cni.dev/valid-attachments|containerID|ifname|nameservers|[a-z]{1,3})";
const TEXTS: &str =
    "(|0\\.[1-4]\\.[01]|1\\.[01]\\.0|lan|debug|10\\.0\\.0\\.1/24|::1/64|0a:58:0a:00:00:01|\\PC{0,5})";

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0..20_u8).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        TEXTS.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(KEYS, inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A configuration that the skeleton accepts, with any other keys.
fn config() -> impl Strategy<Value = Vec<u8>> {
    let version = prop_oneof![Just("1.1.0"), Just("1.0.0"), Just("0.3.1"), Just("0.2.0"), Just("")];
    (version, prop::collection::btree_map(KEYS, value(), 0..6)).prop_map(|(version, mut keys)| {
        keys.entry("cniVersion".to_owned()).or_insert_with(|| version.into());
        keys.entry("name".to_owned()).or_insert_with(|| "lan".into());
        serde_json::to_vec(&keys).unwrap()
    })
}

fn stdin() -> impl Strategy<Value = Vec<u8>> {
    let cut = (config(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut bytes, at, byte)| {
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes
    });
    prop_oneof![
        6 => config(),
        2 => cut,
        1 => value().prop_map(|value| serde_json::to_vec(&value).unwrap()),
        1 => prop::collection::vec(any::<u8>(), 0..64),
    ]
}

fn environment() -> impl Strategy<Value = BTreeMap<String, Vec<u8>>> {
    const NAMES: &str =
        "CNI_(CONTAINERID|IFNAME|NETNS|ARGS|PATH|LOG|NETNS_OVERRIDE)|TRACEPARENT|TRACESTATE|BAGGAGE";
    let value = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20),
        "(|c1|eth0|1|debug|/proc/self/ns/net|/dev/null|A=1;B|[=;,%a-f0-9-]{0,60})"
            .prop_map(String::into_bytes),
    ];
    prop::collection::btree_map(NAMES, value, 0..5)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn any_input_has_one_reply(
        command in "(ADD|DEL|CHECK|GC|STATUS|VERSION|ADD|DEL|CHECK|[A-Z]{0,4})",
        variables in environment(),
        stdin in stdin(),
    ) {
        let mut env = Env::new().with("CNI_CONTAINERID", "c1").with("CNI_IFNAME", "eth0");
        env = env.with("CNI_NETNS", "/proc/self/ns/net").with("CNI_NETNS_OVERRIDE", "1");
        for (name, value) in variables {
            env = env.with(name, OsString::from_vec(value));
        }
        let invocation = Invocation::new(env.with("CNI_COMMAND", &command), stdin);
        let reply = dispatch(&Curious, invocation, Arc::new(System::new()));
        let lines_are_whole = reply.stderr().iter().filter(|note| note.starts_with("time=")).all(|line| !line.contains('\n'));
        prop_assert!(lines_are_whole, "{reply:?}");
        let document: Option<Value> = reply.stdout().map(|text| serde_json::from_str(text).unwrap());
        match (reply.exit_code(), document) {
            (0, None) => prop_assert!(command != "ADD" && command != "VERSION"),
            (0, Some(answer)) => prop_assert!(answer["cniVersion"].is_string(), "{answer}"),
            (1, Some(error)) => {
                prop_assert!(error["code"].as_u64().is_some_and(|code| code > 0), "{error}");
                prop_assert!(error["msg"].as_str().is_some_and(|msg| !msg.is_empty()), "{error}");
                prop_assert!(error["cniVersion"].is_string(), "{error}");
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }
}
