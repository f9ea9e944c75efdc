//! A prevResult inside a configuration says what it says alone, and fails nobody who does not read it.
#![no_main]

use cni_fuzz::{SHAPES, check_conversion};
use cni_skel::types::{AddResult, PluginConfig, SpecVersion};
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

fuzz_target!(|bytes: &[u8]| {
    let Ok(json) = std::str::from_utf8(bytes) else { return };
    for version in SHAPES {
        let stdin = format!(r#"{{"cniVersion":"{version}","name":"lan","prevResult":{json},"x":1}}"#);
        let config = PluginConfig::parse(stdin.as_bytes());
        let Ok(value) = serde_json::from_str::<&RawValue>(json) else { continue };
        let config = config.expect("a prevResult that is JSON leaves the configuration JSON");
        assert_eq!(config.get::<u8>("x"), Ok(Some(1)));
        if value.get() == "null" {
            assert_eq!(config.prev_result(), Ok(None));
            continue;
        }
        match (config.prev_result(), AddResult::decode(version, json)) {
            (Ok(Some(inside)), Ok(alone)) => {
                assert_eq!(inside, alone);
                SpecVersion::ALL.iter().copied().for_each(|version| check_conversion(&inside, version));
            }
            (Err(inside), Err(alone)) => {
                assert_eq!(inside.code(), alone.code());
                assert!(inside.path().starts_with("prevResult"), "{inside}");
            }
            both => panic!("{both:?}"),
        }
    }
});
