//! Configurations.

use cni_testing::strategies::{json, network_list, plugin_config, text};
use cni_testing::types::{NetworkList, PluginConfig, from_json};
use proptest::collection::vec;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use serde::Deserialize;
use serde_json::value::RawValue;

proptest! {
    #[test]
    fn a_configuration_says_what_was_written_and_is_kept_to_the_byte(sample in plugin_config()) {
        let config = PluginConfig::parse(sample.json.as_bytes()).unwrap();
        prop_assert_eq!(config.raw(), &sample.json);
        prop_assert_eq!(config.name(), &sample.name);
        prop_assert_eq!(config.cni_version(), sample.cni_version.as_str());
        prop_assert_eq!(config.plugin_type().unwrap(), Some(sample.plugin_type));
        prop_assert_eq!(config.ipam_type().unwrap(), sample.ipam_type);
        prop_assert_eq!(config.dns().unwrap(), sample.dns);
        prop_assert_eq!(config.prev_result().unwrap(), sample.prev_result);
        prop_assert_eq!(config.valid_attachments().unwrap(), sample.valid_attachments);
        for (key, json) in &sample.unknown {
            // `null` is as good as absent.
            let raw = config.get::<Box<RawValue>>(key).unwrap();
            prop_assert_eq!(raw.as_deref().map_or("null", RawValue::get), json.as_str());
        }
        let version = sample.cni_version.to_string();
        prop_assert_eq!(PluginConfig::version_of(sample.json.as_bytes()), Some(version));
    }

    #[test]
    fn a_network_says_what_was_written_and_its_requests_parse(sample in network_list()) {
        let list = NetworkList::parse(sample.json.as_bytes()).unwrap();
        prop_assert_eq!(list.name(), &sample.name);
        prop_assert_eq!(list.cni_version(), sample.cni_version.as_str());
        prop_assert_eq!(list.select_version().unwrap(), sample.cni_version);
        prop_assert_eq!(list.disable_check(), sample.disable_check);
        prop_assert_eq!(list.plugins().len(), sample.plugins.len());
        for (entry, (name, capabilities)) in list.plugins().iter().zip(&sample.plugins) {
            prop_assert_eq!(entry.plugin_type(), name);
            prop_assert_eq!(&entry.capabilities().collect::<Vec<_>>(), capabilities);
            let request = entry.request(&list, sample.cni_version, &[("runtimeConfig", r#"{"x": 1}"#)]).unwrap();
            let config = PluginConfig::parse(request.as_bytes()).unwrap();
            prop_assert_eq!(config.name(), &sample.name);
            prop_assert_eq!(config.cni_version(), sample.cni_version.as_str());
            prop_assert_eq!(config.plugin_type().unwrap(), Some(name.clone()));
            prop_assert_eq!(config.runtime_config::<u8>("x").unwrap(), Some(1));
            prop_assert_eq!(config.get::<bool>("capabilities").unwrap(), None);
        }
    }

    #[test]
    fn what_a_runtime_adds_must_be_one_json_value(
        sample in network_list(),
        json in json(),
        after in "|x|,|\\}|1| 1",
    ) {
        let list = NetworkList::parse(sample.json.as_bytes()).unwrap();
        let value = format!("{json} {after}");
        let request = list.plugins()[0].request(&list, sample.cni_version, &[("runtimeConfig", &value)]);
        prop_assert_eq!(request.is_ok(), after.is_empty(), "{:?}", request);
    }

    #[test]
    fn any_bytes_are_a_configuration_or_refused(bytes in vec(any::<u8>(), 0..64), text in text()) {
        for input in [bytes, text.into_bytes()] {
            let _ = (PluginConfig::parse(&input), PluginConfig::version_of(&input), NetworkList::parse(&input));
        }
    }

    #[test]
    fn any_value_of_any_key_fails_at_most_who_reads_it(
        key in proptest::sample::select(KEYS.to_vec()),
        json in json(),
        cut in any::<proptest::sample::Index>(),
    ) {
        let whole = format!(r#"{{"cniVersion": "1.0.0", "name": "lan", "{key}": {json}}}"#);
        let config = PluginConfig::parse(whole.as_bytes()).unwrap();
        let _ = (config.plugin_type(), config.ipam_type(), config.dns(), config.prev_result());
        let _ = (config.valid_attachments(), config.args_cni::<u8>("x"), config.runtime_config::<String>("x"));
        let _ = (config.decode::<Typed>(), NetworkList::parse(whole.as_bytes()));
        // What stops in the middle is no document.
        prop_assert!(PluginConfig::parse(&whole.as_bytes()[..cut.index(whole.len())]).is_err());
    }

    #[test]
    fn only_one_value_is_a_document(
        json in json(),
        after in "x|,|\\]|\\{\\}|1| null|\u{a0}",
        before in "x|\u{a0}|\u{feff}|,",
    ) {
        for text in [format!("{json} {after}"), format!("{before}{json}")] {
            prop_assert!(from_json::<Box<RawValue>>(&text).is_err(), "{text:?}");
            prop_assert!(from_json::<Option<Typed>>(&text).is_err(), "{text:?}");
            prop_assert!(from_json::<serde::de::IgnoredAny>(&text).is_err(), "{text:?}");
        }
        let alone: Box<RawValue> = from_json(&format!("\n {json}\t")).unwrap();
        prop_assert_eq!(alone.get(), json);
    }
}

/// Keys that somebody reads.
const KEYS: [&str; 14] = [
    "ipam",
    "dns",
    "prevResult",
    "args",
    "runtimeConfig",
    "type",
    "cni.dev/valid-attachments",
    "mtu",
    "mode",
    "sets",
    "value",
    "capabilities",
    "plugins",
    "disableCheck",
];

/// A configuration with a field of each kind.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "it is decoded, and that is all")]
struct Typed {
    mtu: Option<u32>,
    mode: Option<Mode>,
    #[serde(default)]
    sets: Vec<Vec<String>>,
    value: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Bridge,
    #[expect(dead_code, reason = "it is decoded, and that is all")]
    Vlan(u16),
}
