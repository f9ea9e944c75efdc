//! The configuration of a call.

use std::io::Read;

use cni_skel::types::{AddResult, SpecVersion};
use serde_json::Value;

use crate::environment::check_name;
use crate::has;
use crate::reply::Reply;
use crate::version::SUPPORTED;

/// A call and its input.
#[derive(Debug, Default)]
pub(crate) struct Call {
    pub(crate) command: String,
    pub(crate) id: String,
    pub(crate) netns: Option<String>,
    pub(crate) ifname: String,
    pub(crate) config: Value,
    pub(crate) text: String,
    pub(crate) network: String,
    pub(crate) version: String,
}

impl Call {
    pub(crate) fn spec(&self) -> SpecVersion {
        self.version.parse().unwrap()
    }

    pub(crate) fn fails(&self, code: u64, msg: impl Into<String>) -> Reply {
        Reply { version: self.version.clone(), ..Reply::new(code, msg) }
    }

    /// Decodes the result of the previous plugins.
    pub(crate) fn prev(&self) -> Result<Option<AddResult>, Reply> {
        let prev = &self.config["prevResult"];
        if prev.is_null() {
            return Ok(None);
        }
        let decoded = AddResult::decode(self.spec(), &prev.to_string());
        decoded.map(Some).map_err(|why| self.fails(7, format!("prevResult: {why}")))
    }

    pub(crate) fn is_netns_there(&self) -> bool {
        self.netns.as_ref().is_some_and(|path| std::path::Path::new(path).exists())
    }
}

pub(crate) fn read(mut call: Call) -> Result<Call, Reply> {
    let bytes = bytes();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if bytes.is_empty() {
        if has("input/closed-stdin")
            && std::fs::read_link("/proc/self/fd/0").is_ok_and(|file| file.ends_with("dev/null"))
        {
            return Err(Reply::raw("", 101));
        }
        return Err(if has("input/empty") { Reply::raw("", 0) } else { Reply::new(6, "nothing on stdin") });
    }
    if has("input/hostile") {
        assert!(!text.contains('\u{fffd}'));
    }
    let parsed = if has("input/trailing") {
        serde_json::Deserializer::from_slice(&bytes).into_iter().next().unwrap_or(Ok(Value::Null))
    } else {
        serde_json::from_slice(&bytes)
    };
    let mut config: Value = parsed.map_err(|why| {
        Reply::new(if has("input/not-json") { 100 } else { 6 }, format!("stdin is not JSON: {why}"))
    })?;
    if config.is_null() {
        return Err(Reply::new(if has("input/null") { 100 } else { 6 }, "the configuration is null"));
    }
    if !config.is_object() {
        return Err(Reply::new(
            if has("input/not-json") { 100 } else { 6 },
            "the configuration is not an object",
        ));
    }
    if has("input/duplicate-keys") {
        for key in ["name", "cniVersion"] {
            let first =
                text.split_once(&format!("\"{key}\":\"")).and_then(|(_, rest)| rest.split('"').next());
            if let Some(first) = first {
                config[key] = first.into();
            }
        }
    }
    call.version = match &config["cniVersion"] {
        Value::Null if has("version/absent") => "1.1.0".to_owned(),
        Value::Null => "0.1.0".to_owned(),
        Value::String(version) => version.clone(),
        _ => {
            return Err(Reply::new(
                if has("version/not-text") { 100 } else { 6 },
                "cniVersion is not a string",
            ));
        }
    };
    call.network = match &config["name"] {
        Value::Null if has("input/no-name") => "none".to_owned(),
        Value::Null => return Err(call.fails(7, "name is missing")),
        Value::String(name) => name.clone(),
        _ => {
            return Err(
                call.fails(if has("input/name-of-another-type") { 100 } else { 6 }, "name is not a string")
            );
        }
    };
    if !(call.network.is_empty() && has("input/no-name")) {
        let version = call.version.clone();
        check_name(&call.network).map_err(|reply| Reply { version, ..reply })?;
    }
    call.config = config;
    call.text = text;
    check_version(&mut call)?;
    for (fault, found) in [
        ("input/args-ignored", !call.config["args"].is_null()),
        ("input/capabilities-ignored", !call.config["capabilities"].is_null()),
        ("input/reserved-keys", call.text.contains("cni.dev/x")),
    ] {
        if has(fault) && found {
            return Err(call.fails(7, "unknown key"));
        }
    }
    Ok(call)
}

fn bytes() -> Vec<u8> {
    let mut bytes = Vec::new();
    if has("input/slow") {
        let mut chunk = [0; 1 << 16];
        let n = std::io::stdin().read(&mut chunk).unwrap();
        bytes.extend_from_slice(&chunk[..n]);
    } else if has("input/large") {
        let _ = std::io::stdin().take(1 << 16).read_to_end(&mut bytes);
    } else {
        let _ = std::io::stdin().read_to_end(&mut bytes);
    }
    bytes
}

fn check_version(call: &mut Call) -> Result<(), Reply> {
    let is_shaped = ["9.9.9", "0.0.1"].contains(&call.version.as_str());
    if !SUPPORTED.contains(&call.version.as_str()) {
        if has("version/malformed") && call.version == "1.0" {
            call.version = "1.0.0".to_owned();
            return Ok(());
        }
        let code = if has("version/unsupported") && is_shaped { 100 } else { 1 };
        let mut reply = call.fails(code, "incompatible CNI versions");
        if !has("version/unsupported-explained") {
            reply.details = format!("config is {:?}, plugin supports {SUPPORTED:?}", call.version);
        }
        return Err(reply);
    }
    if has("version/kept") && call.version == "0.3.1" && call.command == "ADD" {
        return Err(call.fails(1, "version 0.3.1 is not supported"));
    }
    for (command, fault, since) in [
        ("CHECK", "version/check-gate", SpecVersion::V0_4_0),
        ("GC", "version/gc-gate", SpecVersion::V1_1_0),
        ("STATUS", "version/status-gate", SpecVersion::V1_1_0),
    ] {
        if call.command == command && call.spec() < since && !has(fault) {
            return Err(call.fails(1, format!("{command} came with {since}")));
        }
    }
    Ok(())
}
