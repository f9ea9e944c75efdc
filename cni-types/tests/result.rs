//! Results in JSON: the shape of each version, losses of conversions, and values that pass through.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use cni_types::{AddResult, DecodeError, ErrorCode, Interface, IpConfig, Route, SpecVersion, parse_cidr};

const V0_2: &str = r#"{
    "cniVersion": "0.2.0",
    "ip4": {
        "ip": "10.1.0.2/16",
        "gateway": "10.1.0.1",
        "routes": [
            {
                "dst": "0.0.0.0/0",
                "gw": "10.1.0.1"
            }
        ]
    },
    "ip6": {
        "ip": "fd00::2/64"
    },
    "dns": {
        "nameservers": [
            "10.1.0.1"
        ]
    }
}"#;

const V0_4: &str = r#"{
    "cniVersion": "0.4.0",
    "interfaces": [
        {
            "name": "eth0",
            "mac": "00:11:22:33:44:55",
            "sandbox": "/run/netns/c1"
        }
    ],
    "ips": [
        {
            "version": "4",
            "interface": 0,
            "address": "10.1.0.2/16",
            "gateway": "10.1.0.1"
        },
        {
            "version": "6",
            "address": "fd00::2/64"
        }
    ],
    "routes": [
        {
            "dst": "0.0.0.0/0",
            "gw": "10.1.0.1"
        }
    ],
    "dns": {}
}"#;

const V1_1: &str = r#"{
    "cniVersion": "1.1.0",
    "dns": {
        "domain": "lan",
        "nameservers": [
            "10.1.0.1"
        ],
        "options": [
            "ndots:2"
        ],
        "search": [
            "a.lan"
        ]
    },
    "interfaces": [
        {
            "mac": "00:11:22:33:44:55",
            "mtu": 1400,
            "name": "eth0",
            "pciID": "8086:9a01",
            "sandbox": "/run/netns/c1",
            "socketPath": "/run/vhost"
        }
    ],
    "ips": [
        {
            "address": "10.1.0.2/16",
            "gateway": "10.1.0.1",
            "interface": 0
        }
    ],
    "routes": [
        {
            "advmss": 1360,
            "dst": "10.0.0.0/8",
            "gw": "10.1.0.1",
            "mtu": 1400,
            "priority": 10,
            "scope": 0,
            "table": 100
        }
    ]
}"#;

fn decode(json: &str) -> AddResult {
    AddResult::decode(SpecVersion::NEWEST, json).unwrap()
}

fn decode_error(json: &str) -> DecodeError {
    AddResult::decode(SpecVersion::NEWEST, json).unwrap_err()
}

fn lost(result: &AddResult, version: SpecVersion) -> Vec<String> {
    result.losses(version).iter().map(ToString::to_string).collect()
}

#[test]
fn each_version_prints_what_it_decoded_to_the_byte() {
    for &version in SpecVersion::ALL {
        let (json, name) = match version {
            SpecVersion::V0_1_0 | SpecVersion::V0_2_0 => (V0_2, "0.2.0"),
            SpecVersion::V0_3_0 | SpecVersion::V0_3_1 | SpecVersion::V0_4_0 => (V0_4, "0.4.0"),
            _ => (V1_1, "1.1.0"),
        };
        let json = json.replace(name, version.as_str());
        assert_eq!(decode(&json).encode(version).unwrap(), json);
        assert_eq!(lost(&decode(&json), version), [""; 0]);
    }
}

#[test]
fn the_version_of_a_result_is_its_own_else_that_of_the_configuration() {
    let unnamed = V0_2.replace("\"cniVersion\": \"0.2.0\",", "");
    assert_eq!(AddResult::decode(SpecVersion::V0_1_0, &unnamed).unwrap(), decode(V0_2));
    let empty = V0_2.replace("0.2.0", "");
    assert_eq!(AddResult::decode(SpecVersion::V0_2_0, &empty).unwrap(), decode(V0_2));
    let error = decode_error(&V0_2.replace("0.2.0", "1.2.0"));
    assert_eq!(error.code(), ErrorCode::INCOMPATIBLE_VERSION);
    assert_eq!(error.to_string(), "cniVersion: unsupported CNI result version \"1.2.0\"");
}

#[test]
fn an_old_result_converts_up_without_losses() {
    let result = decode(V0_2);
    assert_eq!(result.ips.len(), 2);
    assert_eq!(
        result.ips[0],
        IpConfig::new(parse_cidr("10.1.0.2/16").unwrap()).gateway("10.1.0.1".parse().unwrap())
    );
    assert_eq!(result.routes.len(), 1);
    assert_eq!(result.dns.nameservers, ["10.1.0.1"]);
}

#[test]
fn a_conversion_to_0_3_or_0_4_loses_only_the_newer_keys_of_interfaces() {
    let result = decode(V1_1);
    let expected = ["interfaces[0].mtu", "interfaces[0].socketPath", "interfaces[0].pciID"];
    for version in [SpecVersion::V0_3_0, SpecVersion::V0_3_1, SpecVersion::V0_4_0] {
        assert_eq!(lost(&result, version), expected);
        let mut kept = result.clone();
        kept.interfaces[0] = Interface::new("eth0").mac("00:11:22:33:44:55").sandbox("/run/netns/c1");
        assert_eq!(decode(&result.encode(version).unwrap()), kept);
    }
    assert_eq!(lost(&result, SpecVersion::V1_0_0), [""; 0]);
}

#[test]
fn a_conversion_to_slots_keeps_the_first_address_of_each_family() {
    let mut result = decode(V0_4);
    result.ips.push(IpConfig::new(parse_cidr("10.9.0.2/16").unwrap()));
    result.routes.push(Route::new(parse_cidr("::/0").unwrap()));
    for version in [SpecVersion::V0_1_0, SpecVersion::V0_2_0] {
        assert_eq!(lost(&result, version), ["interfaces", "ips[0].interface", "ips[2]"]);
        let kept = decode(&result.encode(version).unwrap());
        assert_eq!(kept.ips.len(), 2);
        assert_eq!(kept.routes, result.routes);
    }
    result.ips.remove(1);
    assert_eq!(lost(&result, SpecVersion::V0_2_0), ["interfaces", "ips[0].interface", "ips[1]", "routes[1]"]);
}

#[test]
fn slots_cannot_express_a_result_without_an_address() {
    let mut result = AddResult::default();
    result.push_interface(Interface::new("eth0"));
    assert!(result.encode(SpecVersion::V0_1_0).is_err() && result.encode(SpecVersion::V0_2_0).is_err());
    assert!(result.encode(SpecVersion::V0_3_0).is_ok());
    // This also holds for a result that was read in such a version.
    let result = decode(r#"{"cniVersion": "0.2.0", "ip4": null, "dns": {"nameservers": ["10.1.0.1"]}}"#);
    assert!(result.encode(SpecVersion::V0_2_0).is_err());
}

#[test]
fn unknown_keys_pass_through_unchanged_at_every_level() {
    let deep = "[".repeat(5000) + &"]".repeat(5000);
    let number = "123456789012345678901234567890.5e-7";
    let json = format!(
        r#"{{"cniVersion": "1.1.0", "top": {number},
            "interfaces": [{{"name": "eth0", "x": {number}}}],
            "ips": [{{"address": "10.0.0.1/8", "x": {deep}}}],
            "routes": [{{"dst": "10.0.0.0/8", "x": null}}],
            "dns": {{"x": {{"b": 1, "a": 12345678901234567890123}}}}}}"#
    );
    let printed = decode(&json).encode(SpecVersion::V1_1_0).unwrap();
    assert_eq!(printed.matches(number).count(), 2);
    assert!(printed.contains(&deep));
    assert!(printed.contains(r#""x": null"#));
    assert!(printed.contains(r#"{"b": 1, "a": 12345678901234567890123}"#));
    assert_eq!(decode(&printed), decode(&json));
}

#[test]
fn what_go_tolerates_is_tolerated() {
    let result = decode(
        r#"{"cniVersion": "1.0.0", "interfaces": null, "ROUTES": [],
            "ips": [{"Address": "10.1.2.3/24", "gateway": "", "interface": -1}], "dns": {}}"#,
    );
    assert_eq!(result.ips, [IpConfig::new(parse_cidr("10.1.2.3/24").unwrap())]);
    // The specification requires a name.
    for interface in ["{}", r#"{"name": null}"#, r#"{"name": ""}"#, r#"{"mac": "", "sandbox": null}"#] {
        let result = decode(&format!(r#"{{"cniVersion": "1.0.0", "interfaces": [{interface}]}}"#));
        assert_eq!(result.interfaces, [Interface::new("")]);
        assert!(result.encode(SpecVersion::V1_0_0).unwrap().contains(r#""name": """#));
    }
    // The prefix length may have leading zeros.
    let result =
        decode(r#"{"cniVersion": "1.0.0", "ips": [{"address": "10.1.2.3/024"}, {"address": "::5/0064"}]}"#);
    let addresses: Vec<_> = result.ips.iter().map(|ip| ip.address.to_string()).collect();
    assert_eq!(addresses, ["10.1.2.3/24", "::5/64"]);
    let result = decode(r#"{"cniVersion": "0.3.0", "ip": [{"version": "4", "address": "10.1.2.3/24"}]}"#);
    assert_eq!(result.ips.len(), 1);
}

#[test]
fn an_invalid_result_is_refused_with_path_and_code() {
    for (json, path, code) in [
        ("", "", 6),
        ("[]", "", 6),
        (r#"{"ips": {}}"#, "ips", 6),
        (r#"{"ips": [null]}"#, "ips[0]", 6),
        (r#"{"ips": [{"address": "10.0.0.1/8"}, {}]}"#, "ips[1]", 7),
        (r#"{"ips": [{"address": "10.0.0.1"}]}"#, "ips[0].address", 7),
        (r#"{"ips": [{"address": 7}]}"#, "ips[0].address", 6),
        (r#"{"ips": [{"address": "10.0.0.1/8", "gateway": "bogus"}]}"#, "ips[0].gateway", 7),
        (r#"{"ips": [{"address": "10.0.0.1/8", "interface": 1.0}]}"#, "ips[0].interface", 6),
        (r#"{"ips": [{"address": "10.0.0.1/8", "interface": -0}]}"#, "ips[0].interface", 6),
        (r#"{"routes": [{"dst": "10.0.0.0/8", "mtu": 1e3}]}"#, "routes[0].mtu", 6),
        (r#"{"routes": [{"dst": "10.0.0.0/8", "mtu": 1e400}]}"#, "routes[0].mtu", 6),
        (r#"{"routes": [{"dst": "10.0.0.0/8", "table": 4294967296}]}"#, "routes[0].table", 7),
        (r#"{"interfaces": [{"name": 7}]}"#, "interfaces[0].name", 6),
        (r#"{"dns": {"search": [null]}}"#, "dns.search[0]", 6),
        (r#"{"interfaces": [{"name": "a", "mtu": "1500"}]}"#, "interfaces[0].mtu", 6),
        (r#"{"interfaces": [{"name": "a", "mtu": -1}]}"#, "interfaces[0].mtu", 7),
        (r#"{"routes": [{"gw": "10.0.0.1"}]}"#, "routes[0]", 7),
        (r#"{"dns": {"search": "lan"}}"#, "dns.search", 6),
        (r#"{"dns": []}"#, "dns", 6),
        (r#"{"cniVersion": 1}"#, "cniVersion", 6),
    ] {
        let error = decode_error(json);
        assert_eq!((error.path(), error.code().get()), (path, code), "{json}: {error}");
    }
}

#[test]
fn append_puts_a_later_result_behind_an_earlier_one() {
    let mut all = decode(
        r#"{"cniVersion": "1.1.0", "interfaces": [{"name": "a"}, {"name": "b", "x": 1}],
            "ips": [{"address": "10.1.0.2/16", "interface": 1}], "dns": {"domain": "lan"}, "k": 1, "kept": [2]}"#,
    );
    all.append(decode(
        r#"{"cniVersion": "1.1.0", "interfaces": [{"name": "c"}], "routes": [{"dst": "::/0"}], "k": 3,
            "ips": [{"address": "10.2.0.2/16", "interface": 0}, {"address": "10.3.0.2/16"}]}"#,
    ));
    let names: Vec<_> = all.interfaces.iter().map(|interface| interface.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    let indices: Vec<_> = all.ips.iter().map(|ip| ip.interface).collect();
    assert_eq!(indices, [Some(1), Some(2), None]);
    assert_eq!((all.routes.len(), all.dns.domain.as_deref()), (1, Some("lan")));
    assert_eq!(all.extra.iter().collect::<Vec<_>>(), [("k", "3"), ("kept", "[2]")]);
    all.append(decode(r#"{"cniVersion": "1.1.0", "dns": {"search": ["x"]}}"#));
    assert_eq!((all.dns.domain, all.dns.search), (None, vec!["x".to_owned()]));
}

#[test]
fn a_hardware_address_passes_through_as_it_was_written() {
    for mac in ["0A-58-0A-01-00-02", "0a58.0a01.0002", "not an address"] {
        let result =
            decode(&format!(r#"{{"cniVersion": "1.1.0", "interfaces": [{{"name": "a", "mac": "{mac}"}}]}}"#));
        assert!(result.encode(SpecVersion::V1_1_0).unwrap().contains(&format!(r#""mac": "{mac}""#)), "{mac}");
    }
}

#[test]
fn unknown_keys_that_differ_in_case_are_different_keys() {
    let of = |keys: &str| decode(&format!(r#"{{"cniVersion": "1.1.0", {keys}}}"#));
    let mut all = of(r#""k": 1"#);
    all.append(of(r#""K": 2, "x": 3, "X": 4"#));
    assert_eq!(all, of(r#""k": 1, "K": 2, "x": 3, "X": 4"#));
    let again = decode(&all.encode(SpecVersion::V1_1_0).unwrap());
    assert_eq!(again, all);
    all.extra.insert("kK", &5).unwrap();
    all.extra.insert("X", &6).unwrap();
    assert_eq!(all, of(r#""k": 1, "K": 2, "kK": 5, "x": 3, "X": 6"#));
}

#[test]
fn unknown_keys_compare_equal_in_any_order() {
    let of = |keys: &str| decode(&format!(r#"{{"cniVersion": "1.0.0", {keys}}}"#));
    assert_eq!(of(r#""b": 1, "a": [2]"#), of(r#""a": [2], "b": 1"#));
    assert_ne!(of(r#""b": 1, "a": [2]"#), of(r#""a": [2]"#));
    assert_ne!(of(r#""b": 1"#), of(r#""b": 1.0"#));
    let result = of(r#""b": 1, "a": [2]"#);
    assert_eq!(decode(&result.encode(SpecVersion::V1_0_0).unwrap()), result);
}
