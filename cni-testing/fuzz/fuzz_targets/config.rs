//! A configuration in a type of one's own: as serde_json decodes it where no leniency comes in, and with keys in any
//! case the same.
#![no_main]

use std::collections::BTreeMap;

use cni_skel::types::{PluginConfig, from_json};
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use serde_json::Value;

/// A field of each kind.
#[derive(Debug, Deserialize, PartialEq)]
struct Typed {
    mtu: Option<u32>,
    #[serde(default)]
    offset: i64,
    #[serde(default)]
    share: f64,
    #[serde(default)]
    on: bool,
    mode: Option<Mode>,
    #[serde(default)]
    sets: Vec<Vec<String>>,
    pair: Option<(u8, char)>,
    #[serde(default)]
    map: BTreeMap<String, i64>,
    nested: Option<Box<Self>>,
    any: Option<Value>,
    id: Option<Id>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Bridge,
    Vlan(u16),
    Both { a: u8 },
}

#[derive(Debug, Deserialize, PartialEq)]
struct Id(u64);

fuzz_target!(|bytes: &[u8]| {
    if let Ok(config) = PluginConfig::parse(bytes) {
        assert_eq!(config.raw().as_bytes(), bytes);
        let _ = config.decode::<Typed>();
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let decoded = from_json::<Typed>(text);
    let Ok(value) = serde_json::from_str::<Value>(text) else { return };
    assert!(!has_list_for_object(&value) || decoded.is_err());
    if !is_plain(&value) || has_list_for_object(&value) {
        return;
    }
    // Without repeated keys, of which serde_json wants none.
    let canonical = value.to_string();
    let ours = from_json::<Typed>(&canonical);
    match serde_json::from_str::<Typed>(&canonical) {
        Ok(expected) => assert_eq!(ours, Ok(expected), "{canonical}"),
        Err(cause) => assert!(ours.is_err(), "{cause}: {canonical}\n{ours:?}"),
    }
    // What is no field keeps its case.
    let has_other_keys = ["\"any\"", "\"map\"", "\"mode\":{"].iter().any(|key| canonical.contains(key));
    if !has_other_keys && ours.is_ok() {
        assert_eq!(from_json::<Typed>(&in_capitals(&value).to_string()), ours, "{canonical}");
    }
});

/// Whether it has neither keys with capitals nor null, where ours takes more than serde_json.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(elements) => elements.iter().all(is_plain),
        Value::Object(members) => members
            .iter()
            .all(|(key, value)| !key.bytes().any(|byte| byte.is_ascii_uppercase()) && is_plain(value)),
        _ => true,
    }
}

/// Whether a list stands where a `Typed` should, which serde_json takes and ours does not.
fn has_list_for_object(value: &Value) -> bool {
    value.is_array() || value.get("nested").is_some_and(has_list_for_object)
}

fn in_capitals(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| (key.to_ascii_uppercase(), in_capitals(value)));
            Value::Object(members.collect())
        }
        other => other.clone(),
    }
}
