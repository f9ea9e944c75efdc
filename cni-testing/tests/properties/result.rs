//! Results on the wire.

use cni_testing::strategies::{
    add_result, add_result_for, dns, extra, interface, ip_config, json, route, spec_version, text,
};
use cni_testing::types::{AddResult, Dns, Interface, IpConfig, Route, SpecVersion, from_json};
use proptest::prelude::{Just, Strategy, prop_assert, prop_assert_eq, prop_assume, proptest};

/// A version, and a result that it can say without a loss.
fn sayable() -> impl Strategy<Value = (SpecVersion, AddResult)> {
    spec_version().prop_flat_map(|version| (Just(version), add_result_for(version)))
}

proptest! {
    #[test]
    fn a_result_decodes_as_it_was_encoded((version, result) in sayable()) {
        let json = result.encode(version).unwrap();
        // The version that the document names counts, so any may stand in.
        prop_assert_eq!(AddResult::decode(SpecVersion::V0_1_0, &json).unwrap(), result);
    }

    #[test]
    fn a_document_encodes_as_it_was_decoded((version, result) in sayable()) {
        let json = result.encode(version).unwrap();
        let decoded = AddResult::decode(version, &json).unwrap();
        prop_assert_eq!(decoded.encode(version).unwrap(), json);
    }

    #[test]
    fn a_conversion_up_and_down_again_keeps_what_the_lower_version_can_say(
        (lower, result) in sayable(),
        upper in spec_version(),
    ) {
        prop_assume!(upper >= lower);
        prop_assert_eq!(result.losses(upper), []);
        let up = AddResult::decode(upper, &result.encode(upper).unwrap()).unwrap();
        let down = AddResult::decode(lower, &up.encode(lower).unwrap()).unwrap();
        prop_assert_eq!(down, result);
    }

    #[test]
    fn a_conversion_loses_what_it_says_and_nothing_else(result in add_result(), version in spec_version()) {
        let losses = losses(&result, version);
        let Ok(json) = result.encode(version) else {
            prop_assert!(version < SpecVersion::V0_3_0 && result.ips.is_empty());
            return Ok(());
        };
        let kept = in_order(without(result, &losses), version);
        prop_assert_eq!(AddResult::decode(version, &json).unwrap(), kept);
    }

    #[test]
    fn the_shape_is_that_of_the_version((version, result) in sayable()) {
        // Numbers that no machine type holds, and great depth, are no matter of the shape.
        let Ok(json) = serde_json::from_str::<serde_json::Value>(&result.encode(version).unwrap()) else {
            return Ok(());
        };
        prop_assert_eq!(&json["cniVersion"], version.as_str());
        let has = |key: &str| json.get(key).is_some();
        if version < SpecVersion::V0_3_0 {
            prop_assert!(!has("ips") && !has("interfaces") && !has("routes"));
            prop_assert!(has("ip4") || has("ip6"));
        } else {
            prop_assert!(!has("ip4") && !has("ip6") && !has("ip"));
            for ip in json.get("ips").and_then(|ips| ips.as_array()).into_iter().flatten() {
                prop_assert_eq!(ip.get("version").is_some(), version < SpecVersion::V1_0_0);
            }
        }
    }

    #[test]
    fn whatever_an_author_builds_has_one_document_that_decodes(result in odd_result(), version in spec_version()) {
        let _ = result.losses(version);
        if let Ok(json) = result.encode(version) {
            let decoded = AddResult::decode(version, &json);
            prop_assert!(decoded.is_ok(), "{:?}\n{json}", decoded);
        }
    }

    #[test]
    fn a_hostile_document_decodes_or_is_refused_and_what_decodes_can_be_said_again(
        key in proptest::sample::select(KEYS.to_vec()),
        inner in proptest::sample::select(KEYS.to_vec()),
        value in json(),
        version in spec_version(),
    ) {
        let documents = [
            format!(r#"{{"{key}": {value}}}"#),
            format!(r#"{{"{key}": {{"{inner}": {value}}}}}"#),
            format!(r#"{{"{key}": [{{"{inner}": {value}, "name": "a", "address": "10.0.0.1/8", "dst": "::/0"}}]}}"#),
            format!(r#"{{"ip4": {{"ip": "10.0.0.1/8", "{inner}": {value}}}, "{key}": {value}}}"#),
        ];
        for document in documents {
            let Ok(result) = AddResult::decode(version, &document) else { continue };
            if let Ok(json) = result.encode(version) {
                let kept = without(result.clone(), &losses(&result, version));
                prop_assert_eq!(AddResult::decode(version, &json).unwrap(), in_order(kept, version), "{}", json);
            }
        }
    }

    #[test]
    fn text_that_is_no_document_is_refused(text in text(), version in spec_version()) {
        prop_assume!(!text.trim_start().starts_with('{'));
        prop_assert!(AddResult::decode(version, &text).is_err());
    }

    #[test]
    fn routes_and_resolver_settings_of_configurations_decode_as_they_were_encoded(
        route in route(),
        dns in dns(),
    ) {
        let json = serde_json::to_string(&route).unwrap();
        prop_assert_eq!(from_json::<Route>(&json).unwrap(), route);
        let json = serde_json::to_string(&dns).unwrap();
        prop_assert_eq!(from_json::<Dns>(&json).unwrap(), dns);
    }

    #[test]
    fn keys_that_nobody_knows_can_be_read_and_keep_their_text(extra in extra()) {
        for (key, json) in extra.iter() {
            let raw = extra.get::<Box<serde_json::value::RawValue>>(key).unwrap().unwrap();
            prop_assert_eq!(raw.get(), json);
        }
    }
}

/// Keys of all versions, and their like.
const KEYS: [&str; 22] = [
    "cniVersion",
    "interfaces",
    "ips",
    "ip",
    "ip4",
    "ip6",
    "routes",
    "dns",
    "name",
    "mac",
    "mtu",
    "sandbox",
    "version",
    "interface",
    "address",
    "gateway",
    "dst",
    "gw",
    "table",
    "search",
    "IPS",
    "x",
];

/// A result with what an author can put into it, sensible or not.
fn odd_result() -> impl Strategy<Value = AddResult> {
    let odd_extra =
        (proptest::sample::select(KEYS.to_vec()), json(), extra()).prop_map(|(key, json, mut extra)| {
            let value = serde_json::value::RawValue::from_string(json).unwrap();
            extra.insert(key, &value).unwrap();
            extra
        });
    (add_result(), odd_extra, interface(), ip_config(), route()).prop_map(
        |(mut result, extra, mut interface, mut ip, mut route)| {
            interface.mac = Some(String::new());
            interface.extra = extra.clone();
            ip.extra = extra.clone();
            route.extra = extra.clone();
            result.dns.domain = Some(String::new());
            result.dns.extra = extra.clone();
            result.extra = extra;
            result.interfaces.push(interface);
            result.ips.push(ip);
            result.routes.push(route);
            result
        },
    )
}

fn losses(result: &AddResult, version: SpecVersion) -> Vec<String> {
    result.losses(version).iter().map(ToString::to_string).collect()
}

/// Before 0.3.0 the slot of IPv4 stands before that of IPv6, whatever the order was.
fn in_order(mut result: AddResult, version: SpecVersion) -> AddResult {
    if version < SpecVersion::V0_3_0 {
        let is_v6 = |net: ipnet::IpNet| net.addr().to_canonical().is_ipv6();
        result.ips.sort_by_key(|ip| is_v6(ip.address));
        result.routes.sort_by_key(|route| is_v6(route.dst));
    }
    result
}

/// Takes out of a result what the paths name.
fn without(mut result: AddResult, losses: &[String]) -> AddResult {
    // From the back, so that an element that goes does not move those that are still to go.
    for loss in losses.iter().rev() {
        let (list, rest) =
            loss.split_once('[').map_or((loss.as_str(), None), |(list, rest)| (list, Some(rest)));
        let Some(rest) = rest else {
            assert_eq!(list, "interfaces");
            result.interfaces.clear();
            continue;
        };
        let (index, field) = rest.split_once(']').unwrap();
        let index: usize = index.parse().unwrap();
        match (list, field.trim_start_matches('.')) {
            ("ips", "") => drop(result.ips.remove(index)),
            ("routes", "") => drop(result.routes.remove(index)),
            ("interfaces", field) => clear_interface(&mut result.interfaces[index], field),
            ("ips", field) => clear_ip(&mut result.ips[index], field),
            ("routes", field) => clear_route(&mut result.routes[index], field),
            _ => panic!("{loss}"),
        }
    }
    result
}

fn clear_interface(interface: &mut Interface, field: &str) {
    match field {
        "mtu" => assert!(interface.mtu.take().is_some()),
        "socketPath" => assert!(interface.socket_path.take().is_some()),
        "pciID" => assert!(interface.pci_id.take().is_some()),
        _ => panic!("{field}"),
    }
}

fn clear_ip(ip: &mut IpConfig, field: &str) {
    assert_eq!(field, "interface");
    assert!(ip.interface.take().is_some());
}

fn clear_route(route: &mut Route, field: &str) {
    let attribute = match field {
        "mtu" => &mut route.mtu,
        "advmss" => &mut route.advmss,
        "priority" => &mut route.priority,
        "table" => &mut route.table,
        "scope" => &mut route.scope,
        _ => panic!("{field}"),
    };
    assert!(attribute.take().is_some());
}
