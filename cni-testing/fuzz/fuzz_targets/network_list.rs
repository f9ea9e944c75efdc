//! The configuration of a network: refused, or each of its plugins gets a request that parses.
#![no_main]

use cni_skel::types::{NetworkList, PluginConfig};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(list) = NetworkList::parse(bytes) else { return };
    let Ok(version) = list.select_version() else { return };
    assert!(!list.plugins().is_empty());
    for entry in list.plugins() {
        let added = [("prevResult", "{}"), ("runtimeConfig", r#"{"mac":"02:00:00:00:00:01"}"#)];
        let request = entry.request(&list, version, &added).expect("what is added is JSON");
        let config = PluginConfig::parse(request.as_bytes()).expect("a request is a configuration");
        assert_eq!(config.name(), list.name());
        assert_eq!(config.cni_version(), version.as_str());
        assert_eq!(config.plugin_type().as_ref(), Ok(&Some(entry.plugin_type().clone())));
        assert_eq!(config.runtime_config::<String>("mac"), Ok(Some("02:00:00:00:00:01".to_owned())));
        assert!(config.prev_result().is_ok_and(|result| result.is_some()));
        // What is the runtime's to say cannot be said by an administrator.
        assert_eq!(config.valid_attachments(), Ok(None));
        assert_eq!(config.get::<bool>("capabilities"), Ok(None));
        assert!(entry.capabilities().all(|name| entry.has_capability(name)));
    }
});
