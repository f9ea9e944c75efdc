//! The values of capabilities and of `args.cni`: what is accepted, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use cni_types::{
    Alias, Bandwidth, CgroupPath, DeviceId, Dns, InfinibandGuid, IpRange, Label, PortMapping, Protocol,
    RateLimit, RequestedIp, RuntimeDns, from_json,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Asserts that `json` decodes, that the value encodes as `canonical`, and that this decodes to the same value.
#[track_caller]
fn assert_written<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(
    json: &str,
    canonical: &str,
) {
    let value: T = from_json(json).unwrap_or_else(|error| panic!("{json}: {error}"));
    assert_eq!(serde_json::to_string(&value).unwrap(), canonical, "{json}");
    assert_eq!(from_json::<T>(canonical).unwrap(), value, "{json}");
}

/// Asserts that `json` is refused with `code` and a message that starts with `text`.
#[track_caller]
fn assert_refused<T: DeserializeOwned + std::fmt::Debug>(json: &str, code: u32, text: &str) {
    let error = from_json::<T>(json).unwrap_err();
    assert_eq!(error.code().get(), code, "{json}: {error}");
    assert!(error.to_string().starts_with(text), "{json}: {error}");
}

#[test]
fn port_mappings_decode_as_every_runtime_writes_them() {
    let podman = r#"{"hostPort":8080,"containerPort":80,"protocol":"tcp"}"#;
    for json in [
        podman,
        r#"{"HostPort":8080,"ContainerPort":80,"Protocol":"tcp","HostIP":""}"#,
        r#"{"hostPort":8080,"containerPort":80}"#,
        r#"{"hostPort":8080,"containerPort":80,"protocol":""}"#,
        r#"{"hostPort":8080,"containerPort":80,"protocol":null,"hostIP":null}"#,
        r#"{"hostPort":8080,"containerPort":80,"protocol":"TCP","hostIP":"","other":[{}]}"#,
    ] {
        assert_written::<PortMapping>(json, podman);
    }
    assert_written::<PortMapping>(
        r#"{"hostport":65535,"CONTAINERPORT":1,"protocol":"UdP","hostip":"::1"}"#,
        r#"{"hostPort":65535,"containerPort":1,"protocol":"udp","hostIP":"::1"}"#,
    );
    assert_written::<PortMapping>(
        r#"{"hostPort":1,"containerPort":1,"protocol":"sctp","hostIP":"::ffff:127.0.0.1"}"#,
        r#"{"hostPort":1,"containerPort":1,"protocol":"sctp","hostIP":"127.0.0.1"}"#,
    );
}

#[test]
fn an_invalid_port_mapping_is_refused() {
    for (key, value, code) in [
        ("hostPort", "0", 7),
        ("hostPort", "-1", 7),
        ("hostPort", "65536", 7),
        ("hostPort", "18446744073709551616", 6),
        ("hostPort", "1.5", 6),
        ("hostPort", "\"80\"", 6),
        ("containerPort", "0", 7),
        ("containerPort", "65536", 7),
        ("containerPort", "[80]", 6),
        ("protocol", "\"icmp\"", 7),
        ("protocol", "\"tcp \"", 7),
        ("protocol", "\"tcp,udp\"", 7),
        ("protocol", "6", 6),
        ("hostIP", "\"localhost\"", 7),
        ("hostIP", "\"10.0.0.1/8\"", 7),
        ("hostIP", "\"fe80::1%eth0\"", 7),
        ("hostIP", "7", 6),
    ] {
        let mut mapping = serde_json::json!({"hostPort": 8080, "containerPort": 80});
        mapping[key] = serde_json::Value::Null;
        let json = mapping.to_string().replace("null", value);
        assert_refused::<Vec<PortMapping>>(&format!("[{json}]"), code, &format!("[0].{key}: "));
    }
    assert_refused::<PortMapping>(r#"{"containerPort": 80}"#, 7, "missing field `hostPort`");
    assert_refused::<PortMapping>(
        r#"{"hostPort": 80, "containerPort": null}"#,
        7,
        "missing field `containerPort`",
    );
    assert_refused::<PortMapping>(r#""8080:80""#, 6, "invalid type");
    assert!("".parse::<Protocol>().is_err());
}

#[test]
fn a_limit_has_a_rate_and_a_burst_of_64_bits() {
    let limit = |rate: u64, burst: u64| RateLimit::new(rate.try_into().unwrap(), burst.try_into().unwrap());
    for (json, ingress, egress) in [
        ("{}", None, None),
        (r#"{"ingressRate":0,"ingressBurst":0,"egressRate":null}"#, None, None),
        (
            r#"{"IngressRate":10000000,"IngressBurst":4294967295}"#,
            Some(limit(10_000_000, 4_294_967_295)),
            None,
        ),
        (r#"{"egressRate":1,"egressBurst":34359738359}"#, None, Some(limit(1, 34_359_738_359))),
        (
            r#"{"ingressRate":2048,"ingressBurst":1600,"egressRate":18446744073709551615,"egressBurst":18446744073709551615}"#,
            Some(limit(2048, 1600)),
            Some(limit(u64::MAX, u64::MAX)),
        ),
    ] {
        let bandwidth: Bandwidth = from_json(json).unwrap();
        assert_eq!(bandwidth, Bandwidth::new(ingress, egress), "{json}");
        assert_eq!(bandwidth.is_unlimited(), ingress.is_none() && egress.is_none());
        assert_eq!(from_json::<Bandwidth>(&serde_json::to_string(&bandwidth).unwrap()).unwrap(), bandwidth);
    }
    for (json, code, text) in [
        (r#"{"ingressRate":1}"#, 7, "ingressRate 1 without ingressBurst"),
        (r#"{"ingressBurst":1,"ingressRate":0}"#, 7, "ingressBurst 1 without ingressRate"),
        (r#"{"egressRate":5,"egressBurst":null}"#, 7, "egressRate 5 without egressBurst"),
        (r#"{"egressBurst":5}"#, 7, "egressBurst 5 without egressRate"),
        (r#"{"egressRate":-1}"#, 7, "egressRate: invalid value"),
        (r#"{"egressRate":18446744073709551616}"#, 6, "egressRate: invalid type"),
        (r#"{"egressRate":1.5}"#, 6, "egressRate: invalid type"),
        (r#"{"egressRate":"1M"}"#, 6, "egressRate: invalid type"),
        ("[1, 2, 3]", 6, "invalid type"),
    ] {
        assert_refused::<Bandwidth>(json, code, text);
    }
}

#[test]
fn a_range_is_inside_its_subnet() {
    assert_written::<IpRange>(
        r#"{"subnet":"10.1.2.0/24","rangeStart":"","gateway":null}"#,
        r#"{"subnet":"10.1.2.0/24"}"#,
    );
    let whole =
        r#"{"subnet":"10.1.2.0/24","rangeStart":"10.1.2.3","rangeEnd":"10.1.2.99","gateway":"10.1.2.254"}"#;
    assert_written::<IpRange>(whole, whole);
    assert_written::<IpRange>(
        r#"{"Subnet":"2001:DB8::/64","RANGESTART":"2001:db8:0::5","rangeEnd":"2001:db8::5","gateway":"fe80::1"}"#,
        r#"{"subnet":"2001:db8::/64","rangeStart":"2001:db8::5","rangeEnd":"2001:db8::5","gateway":"fe80::1"}"#,
    );
    for (json, code, text) in [
        ("{}", 7, "missing field `subnet`"),
        (r#"{"subnet":""}"#, 7, "subnet: invalid CIDR address"),
        (r#"{"subnet":"10.1.2.0"}"#, 7, "subnet: invalid CIDR address"),
        (r#"{"subnet":7}"#, 6, "subnet: invalid type"),
        (r#"{"subnet":"10.1.2.3/24"}"#, 7, "subnet 10.1.2.3/24 has host bits set"),
        (r#"{"subnet":"::ffff:10.1.2.0/120"}"#, 7, "subnet ::ffff:"),
        (r#"{"subnet":"10.1.2.0/24","rangeStart":"x"}"#, 7, "rangeStart: invalid IP address"),
        (r#"{"subnet":"10.1.2.0/24","rangeEnd":[]}"#, 6, "rangeEnd: invalid type"),
        (r#"{"subnet":"10.1.2.0/24","rangeStart":"10.1.3.1"}"#, 7, "rangeStart 10.1.3.1 is not in subnet"),
        (r#"{"subnet":"10.1.2.0/24","rangeEnd":"::1"}"#, 7, "rangeEnd ::1 is not in subnet"),
        (
            r#"{"subnet":"10.1.2.0/24","rangeStart":"10.1.2.9","rangeEnd":"10.1.2.8"}"#,
            7,
            "rangeStart 10.1.2.9 is after",
        ),
        (r#"{"subnet":"10.1.2.0/24","gateway":"::1"}"#, 7, "gateway ::1 and subnet"),
    ] {
        assert_refused::<IpRange>(json, code, text);
    }
}

#[test]
fn a_requested_address_may_have_a_prefix_length() {
    for (text, canonical, prefix) in [
        ("192.168.0.1", "192.168.0.1", None),
        ("10.10.0.1/24", "10.10.0.1/24", Some(24)),
        ("3FFE:ffff:0:1ff::2", "3ffe:ffff:0:1ff::2", None),
        ("3ffe:ffff:0:1ff::1/64", "3ffe:ffff:0:1ff::1/64", Some(64)),
        ("::ffff:10.1.2.3", "10.1.2.3", None),
        ("::ffff:10.1.2.3/128", "10.1.2.3/32", Some(32)),
        ("10.1.2.3/0", "10.1.2.3/0", Some(0)),
        ("10.1.2.3/08", "10.1.2.3/8", Some(8)),
    ] {
        assert_written::<RequestedIp>(&format!("\"{text}\""), &format!("\"{canonical}\""));
        let ip: RequestedIp = text.parse().unwrap();
        assert_eq!((ip.prefix(), ip.net().map(|net| net.addr())), (prefix, prefix.map(|_| ip.address())));
    }
    for text in [
        "",
        "10.1.2",
        "10.1.2.3/33",
        "10.1.2.3/",
        "10.1.2.3/+8",
        "10.1.2.3,10.1.2.4",
        "fe80::1%eth0",
        "::ffff:1.2.3.4/95",
    ] {
        assert_refused::<Vec<RequestedIp>>(&format!("[\"{text}\"]"), 7, "[0]: invalid IP address");
    }
    assert_refused::<Vec<RequestedIp>>("[null]", 6, "[0]: invalid type: null");
    assert_refused::<Vec<RequestedIp>>("\"10.1.2.3\"", 6, "invalid type");
}

#[test]
fn resolver_settings_are_words_and_addresses() {
    assert_written::<RuntimeDns>(
        r#"{"Servers":["8.8.8.8","fe80::1%eth0"],"Searches":null,"options":["ndots:5"]}"#,
        r#"{"servers":["8.8.8.8","fe80::1%eth0"],"searches":[],"options":["ndots:5"]}"#,
    );
    assert!(from_json::<RuntimeDns>("{}").unwrap().is_empty());
    for (json, code, text) in [
        (r#"{"servers":["1.1.1.1","dns.example"]}"#, 7, "servers[1]: invalid IP address"),
        (r#"{"servers":["1.1.1.1%eth0"]}"#, 7, "servers[0]: "),
        (r#"{"servers":["fe80::1%"]}"#, 7, "servers[0]: "),
        (r#"{"servers":["fe80::1%a b"]}"#, 7, "servers[0]: "),
        (r#"{"servers":"1.1.1.1"}"#, 6, "servers: invalid type"),
        (r#"{"searches":["a.example", ""]}"#, 7, "searches[1]: "),
        (r#"{"searches":["a\nnameserver 6.6.6.6"]}"#, 7, "searches[0]: "),
        (r#"{"options":["a b"]}"#, 7, "options[0]: "),
        (r#"{"options":[5]}"#, 6, "options[0]: invalid type"),
    ] {
        assert_refused::<RuntimeDns>(json, code, text);
    }
}

#[test]
fn resolver_settings_convert_to_those_of_a_result() {
    let dns: RuntimeDns =
        from_json(r#"{"servers":["8.8.8.8"],"searches":["a.example"],"options":["ndots:5"]}"#).unwrap();
    assert_eq!(
        (dns.servers(), dns.searches(), dns.options()),
        (&["8.8.8.8".to_owned()][..], &["a.example".to_owned()][..], &["ndots:5".to_owned()][..])
    );
    let json = r#"{"nameservers":["8.8.8.8"],"search":["a.example"],"options":["ndots:5"]}"#;
    assert_eq!(Dns::from(dns), from_json(json).unwrap());
}

#[test]
fn an_infiniband_guid_has_eight_bytes() {
    assert_written::<InfinibandGuid>(r#""C2:11:22:33:44:55:66:77""#, r#""c2:11:22:33:44:55:66:77""#);
    let guid: InfinibandGuid = "00:01:02:03:04:05:06:07".parse().unwrap();
    assert_eq!(guid, InfinibandGuid::from_bytes([0, 1, 2, 3, 4, 5, 6, 7]));
    for bad in [
        "",
        "c2:11:22:33:44:55",
        "c2:11:22:33:44:55:66:77:88",
        "c211:2233:4455:6677",
        "c2:11:22:33:44:55:66:7g",
    ] {
        assert_refused::<InfinibandGuid>(&format!("\"{bad}\""), 7, "invalid Infiniband GUID");
    }
    assert_refused::<InfinibandGuid>("[1]", 6, "invalid type");
}

#[test]
fn a_device_id_cannot_leave_its_folder() {
    for (text, is_pci) in [
        ("0000:04:00.5", true),
        ("10000:E1:00.0", true),
        ("0000:04:00.8", false),
        ("0000.04:00:5", false),
        ("04:00.5", false),
        ("mlx5_core.sf.4", false),
        ("vdpa:0000:00:04.0", false),
    ] {
        assert_eq!(DeviceId::try_from(text).unwrap().is_pci_address(), is_pci, "{text}");
    }
    for bad in ["", ".", "..", "../x", "a/b", "a b", "a\\n", "\\u0000"] {
        assert_refused::<DeviceId>(&format!("\"{bad}\""), 7, "invalid device id");
    }
}

#[test]
fn an_alias_is_a_dns_name() {
    let longest = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61));
    for good in ["my-container", "primary-db", "db_1", "a.b", "0f3a", &longest] {
        assert!(Alias::try_from(good).is_ok(), "{good}");
    }
    let long = format!("{longest}b");
    for bad in ["", ".", "a.", ".a", "a..b", "a b", "a\nb", "a#b", "é", "a/b", &"a".repeat(64), &long] {
        assert!(Alias::try_from(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_cgroup_path_stays_below_the_root() {
    for (good, relative) in [
        ("/kubelet.slice/kubelet-kubepods.slice", "kubelet.slice/kubelet-kubepods.slice"),
        ("pod.slice", "pod.slice"),
        ("/", ""),
        ("//a", "a"),
        ("/a:b/..c", "a:b/..c"),
    ] {
        assert_eq!(CgroupPath::try_from(good).unwrap().relative(), relative);
    }
    for bad in ["", "..", "/..", "/a/../../etc", "a/.", "a\0", "a\n"] {
        assert!(CgroupPath::try_from(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_label_has_a_key() {
    assert_written::<Label>(
        r#"{"Key":"app.kubernetes.io/name","value":"web"}"#,
        r#"{"key":"app.kubernetes.io/name","value":"web"}"#,
    );
    assert_written::<Label>(r#"{"key":"app"}"#, r#"{"key":"app","value":""}"#);
    assert_eq!(from_json::<Label>(r#"{"key":"a","value":"b"}"#).unwrap(), Label::new("a", "b"));
    assert_refused::<Vec<Label>>(r#"[{"value":"x"}]"#, 7, "[0]: missing field `key`");
    assert_refused::<Vec<Label>>(r#"[{"key":""}]"#, 7, "[0].key: ");
    assert_refused::<Vec<Label>>(r#"[{"key":"a","value":1}]"#, 6, "[0].value: invalid type");
    assert_refused::<Vec<Label>>(r#"{"app":"web"}"#, 6, "invalid type");
}

#[test]
fn every_protocol_has_a_number_of_its_own() {
    let numbers: Vec<_> = Protocol::ALL.iter().map(|protocol| protocol.number()).collect();
    assert_eq!(numbers, [6, 17, 132]);
}
