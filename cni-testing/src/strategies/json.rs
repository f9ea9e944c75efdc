//! Texts, JSON of any kind, and unknown keys.

use cni_skel::types::Extra;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use serde_json::value::RawValue;

/// All keys with a meaning in some object of some version. Unknown keys are chosen outside of this list.
const KNOWN: [&str; 39] = [
    "address",
    "advmss",
    "args",
    "capabilities",
    "cni.dev/attachments",
    "cni.dev/valid-attachments",
    "cniVersion",
    "cniVersions",
    "disableCheck",
    "disableGC",
    "dns",
    "domain",
    "dst",
    "gateway",
    "gw",
    "interface",
    "interfaces",
    "ip",
    "ip4",
    "ip6",
    "ipam",
    "ips",
    "loadOnlyInlinedPlugins",
    "mac",
    "mtu",
    "name",
    "nameservers",
    "options",
    "pciID",
    "plugins",
    "prevResult",
    "priority",
    "routes",
    "runtimeConfig",
    "sandbox",
    "scope",
    "search",
    "socketPath",
    "table",
];

/// Further keys, in a second list to keep both readable.
const KNOWN_TOO: [&str; 2] = ["type", "version"];

/// Text of any characters, including control characters and quotes. It is often short and sometimes empty.
pub fn text() -> impl Strategy<Value = String> + Clone {
    let any_characters = vec(any::<char>(), 0..12).prop_map(String::from_iter);
    prop_oneof![4 => "[a-z0-9./:-]{1,16}", 4 => any_characters, 1 => Just(String::new())]
}

/// Text with at least one character.
pub(super) fn filled_text() -> impl Strategy<Value = String> + Clone {
    (any::<char>(), text()).prop_map(|(first, rest)| format!("{first}{rest}"))
}

/// A JSON value as text, of any kind. Integers may exceed every machine type, and lists may be nested a thousand deep.
pub fn json() -> impl Strategy<Value = String> + Clone {
    let number = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        "-?[1-9][0-9]{29}",
        "-?(0|[1-9][0-9]{0,20})\\.[0-9]{1,20}([eE][+-]?[0-9]{1,3})?",
        Just("-0".to_owned()),
        Just("1E400".to_owned()),
    ];
    let leaf = prop_oneof![
        3 => number,
        3 => text().prop_map(|text| quoted(&text)),
        1 => "null|true|false",
        1 => (1..1500_usize).prop_map(|depth| "[".repeat(depth) + &"]".repeat(depth)),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let members = vec((text(), inner.clone()), 0..3);
        prop_oneof![
            vec(inner, 0..3).prop_map(|elements| format!("[ {}]", elements.join(",\n"))),
            members.prop_map(|members| object(&members)),
        ]
    })
    .boxed()
}

/// Unknown keys, often none.
pub fn extra() -> impl Strategy<Value = Extra> + Clone {
    let members = prop_oneof![1 => Just(Vec::new()), 1 => unknown_members()];
    let strategy = members.prop_map(|members| {
        let mut extra = Extra::default();
        for (key, json) in members {
            let value = RawValue::from_string(json).expect("the strategy makes JSON");
            extra.insert(&key, &value).expect("JSON has JSON");
        }
        extra
    });
    strategy.boxed()
}

/// Members of an object with unknown keys. All keys differ, at least in case.
pub(super) fn unknown_members() -> impl Strategy<Value = Vec<(String, String)>> + Clone {
    let key = prop_oneof!["[a-z]{1,8}\\.example/[a-z]{1,8}", "[xX]{1,2}", text()]
        .prop_filter("a known key", |key| {
            !KNOWN.iter().chain(&KNOWN_TOO).any(|known| known.eq_ignore_ascii_case(key))
        });
    vec((key, json()), 1..4)
        .prop_map(|mut members| {
            members.sort();
            members.dedup_by(|(one, _), (other, _)| one == other);
            members
        })
        .boxed()
}

/// Text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Members as a JSON object, with optional white space.
pub(super) fn object(members: &[(String, String)]) -> String {
    let members: Vec<_> = members.iter().map(|(key, json)| format!("\t{} : {json}", quoted(key))).collect();
    format!("{{{}\r\n}}", members.join(" ,\n"))
}
