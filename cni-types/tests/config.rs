//! Configurations of plugins and networks: what is accepted, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::collections::BTreeMap;

use cni_types::{
    AddResult, Attachment, DecodeError, Dns, ErrorCode, NetworkList, PluginConfig, Route, SpecVersion,
    from_json, parse_cidr,
};
use serde::Deserialize;

fn parse(json: &str) -> PluginConfig {
    PluginConfig::parse(json.as_bytes()).unwrap()
}

#[track_caller]
fn assert_error(error: DecodeError, path: &str, code: ErrorCode) {
    assert_eq!((error.path(), error.code()), (path, code), "{error}");
}

#[test]
fn an_invalid_configuration_is_refused_with_path_and_code() {
    for (stdin, path, code) in [
        (&b""[..], "", 6),
        (b"garbage", "", 6),
        (b"[]", "", 6),
        (b"\"x\"", "", 6),
        (b"7", "", 6),
        (b"null", "", 6),
        (b"{\"name\": \"a\"} x", "", 6),
        (b"{\"name\": \"a\"}{}", "", 6),
        (b"\xef\xbb\xbf{\"name\": \"a\"}", "", 6),
        (b"{\"name\": \"\xff\"}", "", 6),
        (b"{}", "", 7),
        (b"{\"name\": null}", "", 7),
        (b"{\"name\": \"\"}", "", 7),
        (b"{\"name\": 7}", "name", 6),
        (b"{\"name\": \"-x\"}", "name", 7),
        (b"{\"name\": \"a/b\"}", "name", 7),
        (b"{\"name\": \"a\", \"cniVersion\": 1}", "cniVersion", 6),
    ] {
        let error = PluginConfig::parse(stdin).unwrap_err();
        assert_eq!((error.path(), error.code().get()), (path, code), "{stdin:?}: {error}");
    }
}

#[test]
fn an_absent_or_empty_version_is_the_oldest() {
    for json in
        [r#"{"name": "a"}"#, r#"{"name": "a", "cniVersion": ""}"#, r#"{"name": "a", "cniVersion": null}"#]
    {
        assert_eq!(parse(json).cni_version(), "0.1.0");
    }
    assert_eq!(parse(r#"{"NAME": "a", "CNIVERSION": "1.0.0"}"#).cni_version(), "1.0.0");
}

#[test]
fn the_version_of_an_invalid_configuration_is_found() {
    assert_eq!(PluginConfig::version_of(br#"{"cniVersion": "9.9.9"}"#).as_deref(), Some("9.9.9"));
    for stdin in [&b""[..], b"{", b"{}", b"[]", b"{\"cniVersion\": 1}", b"\xff"] {
        assert_eq!(PluginConfig::version_of(stdin), None);
    }
}

#[test]
fn a_key_matches_exactly_else_ignoring_case_and_the_last_repetition_counts() {
    let config = parse(r#"{"name": "a", "MTU": 1, "mtu": 2, "Mtu": 3, "x": 1, "x": 2, "Y": 1, "y": null}"#);
    assert_eq!(config.get::<u32>("mtu").unwrap(), Some(2));
    assert_eq!(config.get::<u32>("mTu").unwrap(), Some(3));
    assert_eq!(config.get::<u32>("x").unwrap(), Some(2));
    assert_eq!(config.get::<u32>("y").unwrap(), None);
    // The same holds inside an object, and for a key whose value is an object.
    let config =
        parse(r#"{"name": "a", "ipam": {"type": "b"}, "ipam": {"x": 1}, "dn\u017f": {"domain": "lan"}}"#);
    assert_eq!(config.ipam_type().unwrap(), None);
    assert_eq!(config.dns().unwrap(), Dns::default());
}

#[test]
fn half_of_a_surrogate_pair_is_an_error_only_where_it_is_decoded() {
    let config =
        parse(r#"{"name": "a", "x": "\ud800", "pair": "\ud83d\ude00", "prevResult": {"x": "\udc00"}}"#);
    assert_error(config.get::<String>("x").unwrap_err(), "x", ErrorCode::DECODING_FAILURE);
    assert_eq!(config.get::<String>("pair").unwrap().unwrap(), "\u{1f600}");
    let result = config.prev_result().unwrap().unwrap();
    assert!(result.encode(SpecVersion::V1_1_0).unwrap().contains(r#""x": "\udc00""#));
    for json in [r#"{"name": "a", "\ud800": 1}"#, r#"{"name": "\ud800"}"#] {
        assert_eq!(PluginConfig::parse(json.as_bytes()).unwrap_err().code(), ErrorCode::DECODING_FAILURE);
    }
}

#[test]
fn the_ipam_plugin_may_be_absent_null_or_empty() {
    for ipam in ["{}", "null", r#"{"type": ""}"#, r#"{"type": null}"#, r#"{"other": 7}"#] {
        let config = parse(&format!(r#"{{"name": "a", "ipam": {ipam}}}"#));
        assert_eq!(config.ipam_type().unwrap(), None, "{ipam}");
    }
    assert_eq!(parse(r#"{"name": "a"}"#).ipam_type().unwrap(), None);
    let of = |ipam: &str| parse(&format!(r#"{{"name": "a", "ipam": {ipam}}}"#)).ipam_type().unwrap_err();
    assert_error(of("7"), "ipam", ErrorCode::DECODING_FAILURE);
    assert_error(of(r#"{"type": 7}"#), "ipam.type", ErrorCode::DECODING_FAILURE);
    assert_error(of(r#"{"type": "../sh"}"#), "ipam.type", ErrorCode::INVALID_NETWORK_CONFIG);
}

#[test]
fn unused_keys_of_wrong_types_are_not_errors() {
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let json = format!(
        r#"{{"name": "a", "type": 7, "ipam": 7, "dns": 7, "prevResult": 7, "args": 7, "runtimeConfig": 7,
            "capabilities": 7, "cni.dev/valid-attachments": 7, "deep": {deep}}}"#
    );
    let config = parse(&json);
    #[derive(Debug, Deserialize, PartialEq)]
    struct Empty {}
    assert_eq!(config.decode::<Empty>().unwrap(), Empty {});
    assert_error(config.prev_result().unwrap_err(), "prevResult", ErrorCode::DECODING_FAILURE);
    assert_error(
        config.valid_attachments().unwrap_err(),
        "cni.dev/valid-attachments",
        ErrorCode::DECODING_FAILURE,
    );
    assert_eq!(config.raw(), json);
}

#[test]
fn a_previous_result_decodes_in_its_own_version_else_in_the_configurations() {
    let of = |version: &str, prev: &str| {
        parse(&format!(r#"{{"name": "a", "cniVersion": "{version}", "prevResult": {prev}}}"#)).prev_result()
    };
    let own = of("1.1.0", r#"{"cniVersion": "0.2.0", "ip4": {"ip": "10.0.0.2/8"}}"#).unwrap().unwrap();
    let configs = of("0.2.0", r#"{"ip4": {"ip": "10.0.0.2/8"}}"#).unwrap().unwrap();
    assert_eq!(own, configs);
    assert_eq!(of("0.4.0", r#"{"cniVersion": "", "ips": []}"#).unwrap().unwrap(), Default::default());
    assert_eq!(of("1.0.0", "null").unwrap(), None);
    let error = of("1.0.0", r#"{"ips": [{"address": "x"}]}"#).unwrap_err();
    assert_error(error, "prevResult.ips[0].address", ErrorCode::INVALID_NETWORK_CONFIG);
}

#[test]
fn a_previous_result_of_unknown_version_is_refused() {
    let of = |version: &str, prev: &str| {
        parse(&format!(r#"{{"name": "a", "cniVersion": "{version}", "prevResult": {prev}}}"#)).prev_result()
    };
    for prev in ["{}", r#"{"ips": []}"#, r#"{"cniVersion": ""}"#, r#"{"cniVersion": null}"#] {
        let error = of("9.9.9", prev).unwrap_err();
        assert_eq!(
            error.to_string(),
            "prevResult: it has no cniVersion, and the configuration's is unknown: \"9.9.9\""
        );
        assert_error(error, "prevResult", ErrorCode::INCOMPATIBLE_VERSION);
    }
    let error = of("1.1.0", r#"{"cniVersion": "9.9.9"}"#).unwrap_err();
    assert_error(error, "prevResult.cniVersion", ErrorCode::INCOMPATIBLE_VERSION);
    // The version of the configuration does not matter if the result has its own.
    assert_eq!(of("9.9.9", r#"{"cniVersion": "1.0.0"}"#), Ok(Some(AddResult::default())));
    assert_eq!(of("9.9.9", "null"), Ok(None));
    // A value that is not an object is refused before its version is.
    assert_error(of("9.9.9", "[]").unwrap_err(), "prevResult", ErrorCode::DECODING_FAILURE);
}

#[test]
fn an_absent_list_of_attachments_is_not_an_empty_one() {
    let of = |keys: &str| parse(&format!(r#"{{"name": "a"{keys}}}"#)).valid_attachments();
    let one = vec![Attachment::new("c1".parse().unwrap(), "eth0".parse().unwrap())];
    assert_eq!(of("").unwrap(), None);
    for key in ["cni.dev/valid-attachments", "cni.dev/attachments"] {
        assert_eq!(of(&format!(r#", "{key}": null"#)).unwrap(), Some(vec![]));
        assert_eq!(of(&format!(r#", "{key}": []"#)).unwrap(), Some(vec![]));
        let list = of(&format!(r#", "{key}": [{{"containerID": "c1", "ifname": "eth0"}}]"#)).unwrap();
        assert_eq!(list.as_ref(), Some(&one));
    }
    let both = r#", "cni.dev/attachments": [], "cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth0"}]"#;
    assert_eq!(of(both).unwrap(), Some(one));
    let bad = of(r#", "cni.dev/attachments": [{"containerID": "c1", "ifname": "a/b"}]"#).unwrap_err();
    assert_error(bad, "cni.dev/attachments[0].ifname", ErrorCode::INVALID_NETWORK_CONFIG);
}

#[test]
fn capabilities_and_arguments_are_found_by_name() {
    let config = parse(
        r#"{"name": "a", "runtimeConfig": {"PortMappings": [{"HostPort": 80}]}, "args": {"cni": {"ips": ["10.0.0.2"]}}}"#,
    );
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Mapping {
        host_port: u16,
    }
    // containerd sends keys with capital letters.
    let mappings: Vec<Mapping> = config.runtime_config("portMappings").unwrap().unwrap();
    assert_eq!(mappings[0].host_port, 80);
    assert_eq!(config.args_cni::<Vec<String>>("ips").unwrap().unwrap(), ["10.0.0.2"]);
    assert_eq!(config.args_cni::<String>("mac").unwrap(), None);
    let error = config.runtime_config::<Vec<u8>>("portMappings").unwrap_err();
    assert_error(error, "runtimeConfig.portMappings[0]", ErrorCode::DECODING_FAILURE);
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
struct Typed {
    #[serde(default)]
    mtu: u32,
    mode: Option<Mode>,
    #[serde(default)]
    sets: Vec<Vec<Range>>,
    #[serde(default)]
    map: BTreeMap<String, i64>,
    #[serde(default)]
    dns: Dns,
    #[serde(default)]
    routes: Vec<Route>,
    value: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Bridge,
    Private,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Range {
    #[serde(rename = "rangeStart")]
    start: std::net::IpAddr,
}

#[test]
fn a_type_decodes_at_every_depth_ignoring_the_case_of_keys() {
    let typed: Typed = from_json(
        r#"{"MTU": 1400, "Mode": "bridge", "sets": [[{"rangestart": "10.0.0.1"}]], "map": {"Key": -1, "key": 1},
            "dns": {"nameservers": ["10.0.0.1"]}, "routes": [{"dst": "0.0.0.0/0", "x": 1}], "unknown": [{}],
            "value": {"A": [1.5, null]}}"#,
    )
    .unwrap();
    assert_eq!((typed.mtu, typed.mode), (1400, Some(Mode::Bridge)));
    assert_eq!(typed.sets[0][0].start.to_string(), "10.0.0.1");
    assert_eq!(typed.map.len(), 2);
    assert_eq!(typed.dns.nameservers, ["10.0.0.1"]);
    assert_eq!(typed.routes[0].dst, parse_cidr("0.0.0.0/0").unwrap());
    assert_eq!(typed.value.unwrap()["A"][0], 1.5);
}

#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Id(u16);

#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
enum Half {
    #[serde(rename = "1/2")]
    OneHalf,
}

#[test]
fn a_map_may_have_keys_that_are_not_strings() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Maps {
        ports: BTreeMap<u16, String>,
        offsets: BTreeMap<i64, u8>,
        #[serde(rename = "big")]
        large: BTreeMap<u64, u8>,
        flags: BTreeMap<bool, u8>,
        letters: BTreeMap<char, u8>,
        ids: BTreeMap<Id, u8>,
        halves: BTreeMap<Half, u8>,
        addresses: BTreeMap<std::net::IpAddr, u8>,
        optional: BTreeMap<Option<u8>, u8>,
        any: BTreeMap<String, u8>,
    }
    let maps: Maps = from_json(
        r#"{"ports": {"80": "web", "0": "any"}, "offsets": {"-5": 1, "5": 2}, "big": {"18446744073709551615": 1},
            "flags": {"true": 1, "false": 0}, "letters": {"\u00e9": 1, "7": 2}, "ids": {"7": 1}, "halves": {"1/2": 1},
            "addresses": {"10.0.0.1": 1}, "optional": {"3": 1}, "any": {"80": 1}}"#,
    )
    .unwrap();
    assert_eq!(maps.ports, [(80, "web".to_owned()), (0, "any".to_owned())].into());
    assert_eq!(maps.offsets, [(-5, 1), (5, 2)].into());
    assert_eq!(maps.large, [(u64::MAX, 1)].into());
    assert_eq!(maps.flags, [(true, 1), (false, 0)].into());
    assert_eq!(maps.letters, [('é', 1), ('7', 2)].into());
    assert_eq!(maps.ids, [(Id(7), 1)].into());
    assert_eq!(maps.halves, [(Half::OneHalf, 1)].into());
    assert_eq!(maps.addresses, [("10.0.0.1".parse().unwrap(), 1)].into());
    assert_eq!(maps.optional, [(Some(3), 1)].into());
    assert_eq!(maps.any, [("80".to_owned(), 1)].into());
}

#[test]
fn an_invalid_map_key_is_an_error_with_its_path() {
    for key in ["", "x", "-1", "65536", "1.5", "1e2", " 1", "1 ", "+1", "01", "0x1", "null"] {
        let error = from_json::<BTreeMap<String, BTreeMap<u16, u8>>>(&format!(r#"{{"a": {{"{key}": 1}}}}"#));
        assert_error(error.unwrap_err(), &format!("a.{key}"), ErrorCode::INVALID_NETWORK_CONFIG);
    }
    for key in ["", "True", "1", "truex"] {
        let error = from_json::<BTreeMap<bool, u8>>(&format!(r#"{{"{key}": 1}}"#)).unwrap_err();
        assert_error(error, key, ErrorCode::INVALID_NETWORK_CONFIG);
    }
    let error = from_json::<BTreeMap<u16, u8>>(r#"{"x": 1}"#).unwrap_err();
    assert_eq!(error.to_string(), "x: invalid value: string \"x\", expected u16");
    let error = from_json::<BTreeMap<Half, u8>>(r#"{"1/3": 1}"#).unwrap_err();
    assert_error(error, "1/3", ErrorCode::INVALID_NETWORK_CONFIG);
    let error = from_json::<BTreeMap<u16, u8>>(r#"{"80": "x"}"#).unwrap_err();
    assert_error(error, "80", ErrorCode::DECODING_FAILURE);
}

/// One variant of each kind. The key of an object is the name of the variant.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Backend {
    None,
    Table(Range),
    Limit(Option<u32>),
    Ports(u16, u16),
    Chain { base_name: String, priority: Option<i32>, ranges: Vec<Range> },
}

#[test]
fn an_enum_with_data_decodes_at_every_depth_ignoring_the_case_of_keys() {
    let of = |json: &str| from_json::<Backend>(json).unwrap();
    assert_eq!(of(r#""none""#), Backend::None);
    assert_eq!(of(r#"{"none": null}"#), Backend::None);
    assert_eq!(
        of(r#"{"table": {"RANGESTART": "10.0.0.1"}}"#),
        of(r#"{"Table": {"rangeStart": "10.0.0.1"}}"#)
    );
    assert_eq!(of(r#"{"limit": 7}"#), Backend::Limit(Some(7)));
    assert_eq!(of(r#"{"limit": null}"#), Backend::Limit(None));
    assert_eq!(of(r#"{"ports": [80, 443]}"#), Backend::Ports(80, 443));
    assert_eq!(
        of(
            r#"{"CHAIN": {"BaseName": "x", "PRIORITY": null, "ranges": [{"rangestart": "::1"}], "other": [{}]}}"#
        ),
        Backend::Chain {
            base_name: "x".to_owned(),
            priority: None,
            ranges: vec![Range { start: "::1".parse().unwrap() }]
        }
    );
}

#[test]
fn an_error_in_an_enum_with_data_names_the_path() {
    for (json, path, code) in [
        (r#"[{"chain": {"baseName": "x", "ranges": [{}, {}]}}]"#, "[0].chain.ranges[0]", 7),
        (r#"[{"chain": {"BASENAME": 7, "ranges": []}}]"#, "[0].chain.baseName", 6),
        (r#"[{"chain": {"baseName": "x", "priority": 1.5, "ranges": []}}]"#, "[0].chain.priority", 6),
        (r#"[{"chain": {"ranges": []}}]"#, "[0].chain", 7),
        (r#"[{"chain": []}]"#, "[0].chain", 6),
        (r#"[{"chain": null}]"#, "[0].chain", 6),
        (r#"["chain"]"#, "[0]", 6),
        (r#"[{"table": {"rangeStart": "x"}}]"#, "[0].table.rangeStart", 7),
        (r#"[{"table": 7}]"#, "[0].table", 6),
        (r#"["table"]"#, "[0]", 6),
        (r#"[{"limit": "7"}]"#, "[0].limit", 6),
        (r#"[{"ports": [80, "443"]}]"#, "[0].ports[1]", 6),
        (r#"[{"ports": [80]}]"#, "[0].ports", 7),
        (r#"[{"ports": [80, 81, 82]}]"#, "[0].ports", 7),
        (r#"[{"ports": {"0": 80}}]"#, "[0].ports", 6),
        (r#"[{"none": 7}]"#, "[0].none", 6),
        (r#"[{"other": 7}]"#, "[0].other", 7),
        (r#"["other"]"#, "[0]", 7),
        (r#"[{"none": null, "limit": 7}]"#, "[0]", 7),
        ("[{}]", "[0]", 7),
        ("[7]", "[0]", 6),
        ("[null]", "[0]", 6),
        (r#"[["none"]]"#, "[0]", 6),
    ] {
        let error = from_json::<Vec<Backend>>(json).unwrap_err();
        assert_eq!((error.path(), error.code().get()), (path, code), "{json}: {error}");
    }
    let deep = format!("{}7{}", r#"{"next": "#.repeat(200), "}".repeat(200));
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum Deep {
        #[expect(dead_code, reason = "the test only decodes it")]
        Next(Box<Self>),
    }
    assert_eq!(from_json::<Deep>(&deep).unwrap_err().code(), ErrorCode::INVALID_NETWORK_CONFIG);
}

/// What `from_json` documents: serde reads these into a buffer of its own before it knows the variant.
#[test]
fn in_a_type_that_serde_buffers_keys_match_exactly_and_errors_have_one_path() {
    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(tag = "type", rename_all = "camelCase")]
    enum Tagged {
        Range { start: u8 },
    }
    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(untagged)]
    enum Untagged {
        Range { start: u8 },
    }
    #[derive(Debug, Deserialize, PartialEq)]
    struct Flattened {
        #[serde(flatten)]
        range: BTreeMap<String, serde_json::Value>,
        start: u8,
    }
    let exact = r#"[{"type": "range", "start": 7}]"#;
    assert_eq!(from_json(exact), Ok(vec![Tagged::Range { start: 7 }]));
    assert_eq!(from_json(exact), Ok(vec![Untagged::Range { start: 7 }]));
    for json in [r#"[{"type": "range", "START": 7}]"#, r#"[{"type": "range", "start": "7"}]"#] {
        assert_eq!(from_json::<Vec<Tagged>>(json).unwrap_err().path(), "[0]", "{json}");
        assert_eq!(from_json::<Vec<Untagged>>(json).unwrap_err().path(), "[0]", "{json}");
    }
    assert_eq!(from_json::<Vec<Flattened>>(exact).unwrap()[0].start, 7);
    for (json, path) in [(r#"[{"START": 7}]"#, "[0]"), (r#"[{"start": "7"}]"#, "[0].start")] {
        assert_eq!(from_json::<Vec<Flattened>>(json).unwrap_err().path(), path, "{json}");
    }
}

#[test]
fn null_for_a_field_counts_as_absent() {
    let typed: Typed =
        from_json(r#"{"mtu": null, "mode": null, "sets": null, "map": null, "dns": null}"#).unwrap();
    assert_eq!((typed.mtu, typed.mode, typed.sets.len()), (0, None, 0));
}

#[test]
fn an_exact_key_comes_before_another_spelling_and_unknown_fields_can_be_denied() {
    let typed: Typed = from_json(r#"{"MTU": "odd", "mtu": 1, "Mtu": "odd"}"#).unwrap();
    assert_eq!(typed.mtu, 1);
    let error = from_json::<Range>(r#"{"rangeStart": "10.0.0.1", "other": 1}"#).unwrap_err();
    assert_eq!(error.code(), ErrorCode::INVALID_NETWORK_CONFIG);
    assert!(error.to_string().contains("unknown field `other`"), "{error}");
}

#[test]
fn an_error_names_the_path_and_its_code_tells_wrong_types_from_invalid_values() {
    let of = |json: &str| from_json::<Typed>(json).unwrap_err();
    assert_error(of(r#"{"mtu": "1400"}"#), "mtu", ErrorCode::DECODING_FAILURE);
    assert_error(of(r#"{"mtu": -1}"#), "mtu", ErrorCode::INVALID_NETWORK_CONFIG);
    assert_error(of(r#"{"mtu": 1.5}"#), "mtu", ErrorCode::DECODING_FAILURE);
    assert_error(of(r#"{"sets": [[], {}]}"#), "sets[1]", ErrorCode::DECODING_FAILURE);
    assert_error(
        of(r#"{"sets": [[{"rangeStart": "010.0.0.1"}]]}"#),
        "sets[0][0].rangeStart",
        ErrorCode::INVALID_NETWORK_CONFIG,
    );
    assert_error(of(r#"{"sets": [[{}]]}"#), "sets[0][0]", ErrorCode::INVALID_NETWORK_CONFIG);
    assert_error(of(r#"{"mode": "other"}"#), "mode", ErrorCode::INVALID_NETWORK_CONFIG);
    assert_error(of(r#"{"map": {"a": []}}"#), "map.a", ErrorCode::DECODING_FAILURE);
    let deep = format!(r#"{{"value": {}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(of(&deep).code(), ErrorCode::INVALID_NETWORK_CONFIG);
}

#[test]
fn a_network_list_is_parsed_with_all_its_keys() {
    let list = NetworkList::parse(
        br#"{"cniVersion": "1.0.0", "cniVersions": ["0.4.0", "1.1.0", "9.0.0"], "name": "lan", "disableCheck": "True",
             "disableGC": true, "loadOnlyInlinedPlugins": true,
             "plugins": [{"type": "bridge", "capabilities": {"mac": true, "ips": false, "dns": null}}, {"type": "tuning"}]}"#,
    )
    .unwrap();
    assert_eq!(list.name(), "lan");
    assert_eq!((list.cni_version(), list.cni_versions().len()), ("1.0.0", 3));
    assert!(list.disable_check() && list.disable_gc() && list.load_only_inlined_plugins());
    assert_eq!(list.select_version(), Ok(SpecVersion::V1_1_0));
    assert_eq!(list.plugins().len(), 2);
    assert_eq!(list.plugins()[0].capabilities().collect::<Vec<_>>(), ["mac"]);
}

#[test]
fn a_network_without_a_version_has_the_oldest_and_one_with_unknown_versions_only_is_refused() {
    let version = |keys: &str| {
        let json = format!(r#"{{"name": "lan", "plugins": [{{"type": "a"}}]{keys}}}"#);
        NetworkList::parse(json.as_bytes()).unwrap().select_version()
    };
    assert_eq!(version(""), Ok(SpecVersion::V0_1_0));
    assert!(version(r#", "cniVersions": ["9.0.0"]"#).unwrap_err().to_string().contains("9.0.0"));
    assert!(version(r#", "cniVersion": "2.0.0""#).unwrap_err().to_string().contains("2.0.0"));
    // An unknown version beside a known one is not an error.
    assert_eq!(version(r#", "cniVersions": ["1.0", "1.1.0", "2"]"#), Ok(SpecVersion::V1_1_0));
    // The error names the newest of the unknown versions, wherever it is.
    let unknown = version(r#", "cniVersion": "2.0.0", "cniVersions": ["10.0", "9.1.0"]"#).unwrap_err();
    assert_eq!(unknown.to_string(), "unknown CNI version \"10.0\"");
    assert!(version(r#", "cniVersion": "1.0""#).unwrap_err().to_string().contains("\"1.0\""));
}

#[test]
fn a_single_plugin_is_a_list_of_one() {
    let list =
        NetworkList::parse(br#"{"cniVersion": "0.2.0", "name": "lan", "type": "bridge", "mtu": 9}"#).unwrap();
    assert_eq!(list.plugins()[0].plugin_type(), "bridge");
}

#[test]
fn plugins_of_other_files_are_appended_unless_the_list_forbids_it() {
    let of = |text: &str, others: &[&str]| NetworkList::aggregate(text.as_bytes(), others);
    let types = |text: &str, others: &[&str]| -> Vec<String> {
        let list = of(text, others).unwrap();
        list.plugins().iter().map(|plugin| plugin.plugin_type().to_string()).collect()
    };
    let others = [r#"{"type": "b"}"#, r#"{"type": "c"}"#];
    assert_eq!(types(r#"{"name": "lan", "plugins": [{"type": "a"}]}"#, &others), ["a", "b", "c"]);
    assert_eq!(types(r#"{"name": "lan"}"#, &others), ["b", "c"]);
    let only = r#"{"name": "lan", "plugins": [{"type": "a"}], "loadOnlyInlinedPlugins": true}"#;
    assert_eq!(types(only, &others), ["a"]);
    // The configuration of a single plugin is not extended.
    assert_eq!(types(r#"{"name": "lan", "type": "a"}"#, &others), ["a"]);

    let lan = r#"{"name": "lan", "plugins": [{"type": "a"}]}"#;
    assert_error(of(lan, &[r#"{"type": "b"}"#, "7"]).unwrap_err(), "plugins[2]", ErrorCode::DECODING_FAILURE);
    assert_error(of(lan, &["{}"]).unwrap_err(), "plugins[1]", ErrorCode::INVALID_NETWORK_CONFIG);
    let none = r#"{"name": "lan", "loadOnlyInlinedPlugins": true}"#;
    assert_error(of(none, &others).unwrap_err(), "loadOnlyInlinedPlugins", ErrorCode::INVALID_NETWORK_CONFIG);
    // Plugins that are not appended are not parsed.
    assert_eq!(types(only, &["7"]), ["a"]);
}

#[test]
fn an_invalid_network_list_is_refused_with_path_and_code() {
    for (json, path, code) in [
        ("", "", 6),
        (r#"{"plugins": [{"type": "a"}]}"#, "", 7),
        (r#"{"name": 7, "plugins": [{"type": "a"}]}"#, "name", 6),
        (r#"{"name": "a/b", "plugins": [{"type": "a"}]}"#, "name", 7),
        (r#"{"name": "a"}"#, "plugins", 7),
        (r#"{"name": "a", "plugins": []}"#, "plugins", 7),
        (r#"{"name": "a", "plugins": [7]}"#, "plugins[0]", 6),
        (r#"{"name": "a", "plugins": [{"type": "a"}, {}]}"#, "plugins[1]", 7),
        (r#"{"name": "a", "plugins": [{"type": "a/b"}]}"#, "plugins[0].type", 7),
        (
            r#"{"name": "a", "plugins": [{"type": "a", "capabilities": {"x": "y"}}]}"#,
            "plugins[0].capabilities.x",
            6,
        ),
        (r#"{"name": "a", "plugins": [{"type": "a"}], "cniVersion": "v1.0.0"}"#, "cniVersion", 7),
        (r#"{"name": "a", "plugins": [{"type": "a"}], "cniVersion": "1.1.0.0"}"#, "cniVersion", 7),
        (r#"{"name": "a", "plugins": [{"type": "a"}], "cniVersion": "1."}"#, "cniVersion", 7),
        (r#"{"name": "a", "plugins": [{"type": "a"}], "cniVersion": "1.1.0-rc1"}"#, "cniVersion", 7),
        (r#"{"name": "a", "plugins": [{"type": "a"}], "cniVersions": ["x"]}"#, "cniVersions[0]", 7),
        (r#"{"name": "a", "plugins": [{"type": "a"}], "disableCheck": "x"}"#, "disableCheck", 7),
        (r#"{"name": "a", "plugins": [{"type": "a"}], "disableGC": 7}"#, "disableGC", 6),
    ] {
        let error = NetworkList::parse(json.as_bytes()).unwrap_err();
        assert_eq!((error.path(), error.code().get()), (path, code), "{json}: {error}");
    }
}

#[test]
fn a_request_keeps_the_keys_of_the_administrator_and_drops_those_of_the_runtime() {
    let list = NetworkList::parse(
        br#"{"cniVersion": "1.1.0", "name": "lan", "args": {}, "plugins": [{
            "type": "a", "big": 12345678901234567890123, "capabilities": {"mac": true}, "cni.dev/x": 1,
            "prevResult": {}, "name": "other", "cniVersion": "0.1.0", "PrevResult": {}, "CNI.dev/x": 1, "NAME": "other",
            "cniversion": "0.1.0", "RuntimeConfig": {}}]}"#,
    )
    .unwrap();
    let request =
        list.plugins()[0].request(&list, SpecVersion::V1_1_0, &[("prevResult", r#"{"ips":[]}"#)]).unwrap();
    let expected = r#"{"type":"a","big":12345678901234567890123,"cniVersion":"1.1.0","name":"lan","prevResult":{"ips":[]}}"#;
    assert_eq!(request, expected);
    assert!(list.plugins()[0].request(&list, SpecVersion::V1_1_0, &[("prevResult", "{")]).is_err());
}

#[test]
fn a_list_is_not_accepted_for_a_struct() {
    #[derive(Debug, Deserialize)]
    struct Ports {
        #[expect(dead_code, reason = "the test only decodes it")]
        host: u16,
    }
    for (json, path) in [("[80]", ""), (r#"[[80]]"#, "[0]")] {
        let error = match path {
            "" => from_json::<Ports>(json).unwrap_err(),
            _ => from_json::<Vec<Ports>>(json).unwrap_err(),
        };
        assert_error(error, path, ErrorCode::DECODING_FAILURE);
    }
}

#[test]
fn text_after_the_document_is_an_error_for_every_type() {
    for text in ["{} x", "{}{}", "1 2", "null,", "\u{a0}null", "{\"nameservers\": []} ]"] {
        for refused in [
            from_json::<Box<serde_json::value::RawValue>>(text).is_err(),
            from_json::<Option<Mode>>(text).is_err(),
            from_json::<Dns>(text).is_err(),
            from_json::<serde::de::IgnoredAny>(text).is_err(),
        ] {
            assert!(refused, "{text}");
        }
    }
    let list = NetworkList::parse(br#"{"name": "lan", "plugins": [{"type": "a"}]}"#).unwrap();
    let error = list.plugins()[0].request(&list, SpecVersion::V1_1_0, &[("prevResult", "{} x")]).unwrap_err();
    assert_error(error, "prevResult", ErrorCode::DECODING_FAILURE);
}

#[test]
fn a_list_for_a_tuple_must_have_its_length() {
    assert_eq!(from_json::<(u8, u8)>("[1, 2]"), Ok((1, 2)));
    for text in ["[1]", "[1, 2, 3]"] {
        assert_error(from_json::<(u8, u8)>(text).unwrap_err(), "", ErrorCode::INVALID_NETWORK_CONFIG);
    }
}
