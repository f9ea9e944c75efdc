//! The matrix of conversions: what a result that uses everything in its version loses in every other version.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use cni_types::{AddResult, Interface, IpConfig, Route, SpecVersion, parse_cidr};

use SpecVersion::{V0_1_0, V0_2_0, V0_3_0, V0_3_1, V0_4_0, V1_0_0, V1_1_0};

/// A result that uses everything in a version, with an unknown key in each object.
fn full(version: SpecVersion) -> String {
    let body = if version < V0_3_0 {
        r#""ip4": {"ip": "10.1.0.5/16", "gateway": "10.1.0.1", "x": 1,
               "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.9", "x": 2}]},
           "ip6": {"ip": "2001:db8::5/64", "gateway": "2001:db8::1", "routes": [{"dst": "::/0"}]},"#
    } else if version < V1_0_0 {
        r#""interfaces": [{"name": "eth0", "mac": "00:11:22:33:44:55", "sandbox": "/run/netns/c1", "x": 0}],
           "ips": [{"version": "4", "address": "10.1.0.5/16", "gateway": "10.1.0.1", "interface": 0, "x": 1},
                   {"version": "6", "address": "2001:db8::5/64", "gateway": "2001:db8::1"},
                   {"version": "4", "address": "10.1.0.6/16"}],
           "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.9", "x": 2}, {"dst": "::/0"}],"#
    } else {
        r#""interfaces": [{"name": "eth0", "mac": "00:11:22:33:44:55", "mtu": 1400, "sandbox": "/run/netns/c1",
                           "socketPath": "/run/vhost/1.sock", "pciID": "0000:00:1f.6", "x": 0}],
           "ips": [{"address": "10.1.0.5/16", "gateway": "10.1.0.1", "interface": 0, "x": 1},
                   {"address": "2001:db8::5/64", "gateway": "2001:db8::1"}, {"address": "10.1.0.6/16"}],
           "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.9", "mtu": 1400, "advmss": 1360, "priority": 10, "table": 100,
                       "scope": 0, "x": 2}, {"dst": "::/0"}],"#
    };
    let dns = r#""dns": {"nameservers": ["10.1.0.1"], "domain": "lan", "search": ["lan"], "options": ["a"], "x": 3}"#;
    format!(r#"{{"cniVersion": "{version}", {body} {dns}, "x": 12345678901234567890123}}"#)
}

/// The losses by the table in the documentation of this crate.
fn documented(from: SpecVersion, to: SpecVersion) -> &'static [&'static str] {
    match (from, to) {
        (V0_1_0 | V0_2_0, _) => &[],
        (_, V0_1_0 | V0_2_0) => &["interfaces", "ips[0].interface", "ips[2]"],
        (V1_0_0 | V1_1_0, V0_3_0 | V0_3_1 | V0_4_0) => {
            &["interfaces[0].mtu", "interfaces[0].socketPath", "interfaces[0].pciID"]
        }
        _ => &[],
    }
}

fn decode(json: &str) -> AddResult {
    AddResult::decode(SpecVersion::NEWEST, json).unwrap()
}

fn losses(result: &AddResult, version: SpecVersion) -> Vec<String> {
    result.losses(version).iter().map(ToString::to_string).collect()
}

#[test]
fn each_conversion_loses_exactly_the_documented_parts() {
    for &from in SpecVersion::ALL {
        for &to in SpecVersion::ALL {
            let result = decode(&full(from));
            assert_eq!(losses(&result, to), documented(from, to), "{from} to {to}");
            // Nothing else is lost: the printed result decodes to the original without the losses.
            let mut kept = result.clone();
            for lost in documented(from, to) {
                match *lost {
                    "interfaces" => kept.interfaces.clear(),
                    "ips[0].interface" => kept.ips[0].interface = None,
                    "ips[2]" => drop(kept.ips.remove(2)),
                    "interfaces[0].mtu" => kept.interfaces[0].mtu = None,
                    "interfaces[0].socketPath" => kept.interfaces[0].socket_path = None,
                    "interfaces[0].pciID" => kept.interfaces[0].pci_id = None,
                    other => panic!("{other} is in no version"),
                }
            }
            assert_eq!(decode(&result.encode(to).unwrap()), kept, "{from} to {to}");
        }
    }
}

#[test]
fn the_table_in_the_documentation_is_right() {
    let page = include_str!("../docs/conversions.md");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| SpecVersion::ALL.iter().any(|version| line.starts_with(&format!("| {version} |"))))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), SpecVersion::ALL.len());
    for (row, from) in rows.iter().zip(SpecVersion::ALL.iter().copied()) {
        assert_eq!(row[0], from.as_str());
        for (cell, to) in row[1..].iter().zip(SpecVersion::ALL.iter().copied()) {
            let losses: &[&str] = match *cell {
                "A" => &["interfaces", "ips[0].interface", "ips[2]"],
                "B" => &["interfaces[0].mtu", "interfaces[0].socketPath", "interfaces[0].pciID"],
                _ => &[],
            };
            assert_eq!(documented(from, to), losses, "{from} to {to}");
        }
        assert_eq!(row.len(), 8);
    }
}

#[test]
fn a_result_survives_a_conversion_to_every_newer_version_and_back() {
    for (n, from) in SpecVersion::ALL.iter().copied().enumerate() {
        for by in &SpecVersion::ALL[n..] {
            let result = decode(&full(from));
            let up = result.encode(*by).unwrap();
            assert_eq!(decode(&up).encode(from).unwrap(), result.encode(from).unwrap(), "{from} by {by}");
        }
    }
}

#[test]
fn a_slot_takes_the_first_address_of_its_family_and_the_routes_of_that_family() {
    let mut result = AddResult::default();
    for address in ["2001:db8::5/64", "10.1.0.5/16", "::ffff:10.1.0.6/112"] {
        result.ips.push(IpConfig::new(parse_cidr(address).unwrap()));
    }
    for dst in ["2001:db8:1::/48", "0.0.0.0/0", "10.3.0.0/16"] {
        result.routes.push(Route::new(parse_cidr(dst).unwrap()));
    }
    let json: serde_json::Value = serde_json::from_str(&result.encode(V0_2_0).unwrap()).unwrap();
    assert_eq!((&json["ip4"]["ip"], &json["ip6"]["ip"]), (&"10.1.0.5/16".into(), &"2001:db8::5/64".into()));
    let routes = |slot: &str| json[slot]["routes"].clone();
    assert_eq!(routes("ip4"), serde_json::json!([{"dst": "0.0.0.0/0"}, {"dst": "10.3.0.0/16"}]));
    assert_eq!(routes("ip6"), serde_json::json!([{"dst": "2001:db8:1::/48"}]));
    // An IPv4-mapped IPv6 address counts as IPv4, as in the Go library.
    assert_eq!(losses(&result, V0_2_0), ["ips[2]"]);
    let json: serde_json::Value = serde_json::from_str(&result.encode(V0_4_0).unwrap()).unwrap();
    assert_eq!((&json["ips"][0]["version"], &json["ips"][2]["version"]), (&"6".into(), &"4".into()));
    assert_eq!(json["ips"][2]["address"], "::ffff:10.1.0.6/112");
}

#[test]
fn an_address_in_the_slot_of_the_other_family_moves_or_is_lost() {
    let of = |slots: &str| {
        let result = decode(&format!(r#"{{"cniVersion": "0.2.0", {slots}}}"#));
        let json: serde_json::Value = serde_json::from_str(&result.encode(V0_2_0).unwrap()).unwrap();
        (json["ip4"].clone(), json["ip6"].clone(), losses(&result, V0_2_0))
    };
    let (ip4, ip6, lost) =
        of(r#""ip4": {"ip": "::5/64"}, "ip6": {"ip": "10.1.0.5/16", "routes": [{"dst": "::/0"}]}"#);
    assert_eq!((&ip4["ip"], &ip6["ip"]), (&"10.1.0.5/16".into(), &"::5/64".into()));
    assert_eq!((&ip6["routes"][0]["dst"], lost.len()), (&"::/0".into(), 0));
    let (_, ip6, lost) =
        of(r#""ip4": {"ip": "10.1.0.5/16", "routes": [{"dst": "::/0"}]}, "ip6": {"ip": "10.1.0.6/16"}"#);
    assert!(ip6.is_null());
    assert_eq!(lost, ["ips[1]", "routes[0]"]);
}

#[test]
fn an_unknown_key_with_the_name_of_a_field_is_reported_as_lost_and_not_printed() {
    let old = decode(
        r#"{"cniVersion": "0.2.0", "ip4": {"ip": "10.1.0.5/16", "Interface": "x"}, "Routes": 7, "ips": {}}"#,
    );
    assert_eq!(losses(&old, V0_2_0), [""; 0]);
    assert!(old.encode(V0_2_0).unwrap().contains(r#""Interface": "x""#));
    assert_eq!(losses(&old, V1_1_0), ["ips[0].Interface", "Routes", "ips"]);
    assert_eq!(decode(&old.encode(V1_1_0).unwrap()).ips, [IpConfig::new(parse_cidr("10.1.0.5/16").unwrap())]);

    let mut ours = AddResult::default();
    let mut interface = Interface::new("eth0");
    interface.extra.insert("MTU", &"1500").unwrap();
    ours.push_interface(interface);
    ours.dns.extra.insert("search", &7).unwrap();
    assert_eq!(losses(&ours, V1_1_0), ["interfaces[0].MTU", "dns.search"]);
    assert_eq!(losses(&ours, V0_4_0), ["dns.search"]);
}
