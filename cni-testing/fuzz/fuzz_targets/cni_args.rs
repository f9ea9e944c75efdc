//! CNI_ARGS: refused, or pairs that say back what was given.
#![no_main]

use cni_skel::types::CniArgs;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let args = match CniArgs::parse(text) {
        Ok(args) => args,
        Err(error) => {
            assert!(error.to_string().starts_with("invalid CNI_ARGS: "));
            let is_pair = |part: &str| part.find('=').is_some_and(|at| at > 0);
            return assert!(!text.split(';').all(is_pair), "{text:?}");
        }
    };
    let pairs: Vec<String> = args.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(pairs.join(";"), text);
    for (key, _) in args.iter() {
        assert!(!key.is_empty() && !key.contains('='));
        let last = args.iter().filter(|(other, _)| *other == key).last();
        assert_eq!(args.get(key), last.map(|(_, value)| value));
    }
    let known: Vec<&str> = args.iter().map(|(key, _)| key).collect();
    let _ = (args.refuse_unknown(&known), args.refuse_unknown(&[]), args.gateways());
    if let Ok(Some(mac)) = args.mac() {
        let hex = |text: &str| text.replace([':', '-', '.'], "").to_ascii_lowercase();
        assert_eq!(args.get("MAC").map(hex), Some(hex(&mac.to_string())));
        assert_eq!(mac.to_string().parse(), Ok(mac));
    }
    for ip in args.ips().unwrap_or_default() {
        assert_eq!(ip.to_string().parse(), Ok(ip));
    }
    if let Ok(pod) = args.pod() {
        for name in [&pod.namespace, &pod.name, &pod.uid].into_iter().flatten() {
            assert!(!name.contains(['/', '\0']) && !name.starts_with('.'), "{name:?}");
        }
    }
});
