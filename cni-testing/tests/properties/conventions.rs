//! What runtimes and plugins have agreed on beside the specification.

use std::fmt::Debug;

use cni_testing::strategies::{
    alias, bandwidth, cgroup_path, device_id, infiniband_guid, ip_range, json, label, mac_addr, pod,
    port_mapping, requested_ip, runtime_dns, text,
};
use cni_testing::types::{
    Alias, Bandwidth, CgroupPath, CniArgs, DeviceId, InfinibandGuid, IpRange, Label, PluginConfig,
    PortMapping, RequestedIp, RuntimeDns, from_json,
};
use proptest::collection::vec;
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value comes back from its JSON, alone and as what a runtime passes.
#[track_caller]
fn assert_comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let json = serde_json::to_string(value).unwrap();
    assert_eq!(&from_json::<T>(&json).unwrap(), value, "{json}");
    let config = format!(r#"{{"name": "lan", "runtimeConfig": {{"x": {json}}}}}"#);
    let config = PluginConfig::parse(config.as_bytes()).unwrap();
    assert_eq!(config.runtime_config::<T>("X").unwrap().as_ref(), Some(value), "{json}");
}

/// Whatever is decoded comes back.
fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(json: &str) {
    if let Ok(value) = from_json::<T>(json) {
        assert_comes_back(&value);
    }
}

proptest! {
    #[test]
    fn what_a_runtime_passes_comes_back_from_its_json(
        ports in vec(port_mapping(), 0..3),
        ranges in vec(vec(ip_range(), 0..3), 0..2),
        bandwidth in bandwidth(),
        dns in runtime_dns(),
        ips in vec(requested_ip(), 0..3),
        guid in infiniband_guid(),
        names in (device_id(), alias(), cgroup_path(), label()),
    ) {
        assert_comes_back(&ports);
        assert_comes_back(&ranges);
        assert_comes_back(&bandwidth);
        assert_comes_back(&dns);
        assert_comes_back(&ips);
        assert_comes_back(&guid);
        assert_comes_back(&names.0);
        assert_comes_back(&names.1);
        assert_comes_back(&names.2);
        assert_comes_back(&names.3);
    }

    #[test]
    fn any_json_is_what_a_runtime_passes_or_refused(
        json in json(),
        key in proptest::sample::select(KEYS.to_vec()),
        text in text(),
    ) {
        let quoted = serde_json::to_string(&text).unwrap();
        let objects = [
            format!(r#"{{"{key}": {json}, "hostPort": 1, "containerPort": 2, "key": "a"}}"#),
            format!(r#"{{"{key}": {json}, "subnet": "10.0.0.0/8", "ingressRate": 1, "ingressBurst": 1}}"#),
            format!(r#"{{"{key}": [{quoted}], "subnet": {quoted}}}"#),
        ];
        for json in objects.iter().chain([&json, &quoted]) {
            check::<PortMapping>(json);
            check::<IpRange>(json);
            check::<Bandwidth>(json);
            check::<RuntimeDns>(json);
            check::<RequestedIp>(json);
            check::<InfinibandGuid>(json);
            check::<DeviceId>(json);
            check::<Alias>(json);
            check::<CgroupPath>(json);
            check::<Label>(json);
        }
    }

    #[test]
    fn arguments_say_what_they_were_made_of(
        pod in pod(),
        mac in mac_addr(),
        ips in vec(requested_ip(), 0..3),
    ) {
        let list = ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let mut pairs = vec![("MAC", mac.to_string()), ("IP", list)];
        pairs.extend(pod.namespace.clone().map(|value| ("K8S_POD_NAMESPACE", value)));
        pairs.extend(pod.name.clone().map(|value| ("K8S_POD_NAME", value)));
        pairs.extend(pod.uid.clone().map(|value| ("K8S_POD_UID", value)));
        let infra = pod.infra_container_id.as_ref();
        pairs.extend(infra.map(|id| ("K8S_POD_INFRA_CONTAINER_ID", id.to_string())));
        let pairs: Vec<_> = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let args = CniArgs::parse(&pairs.join(";")).unwrap();
        prop_assert_eq!(args.pod().unwrap(), pod);
        prop_assert_eq!(args.mac().unwrap(), Some(mac));
        prop_assert_eq!(args.ips().unwrap(), ips);
        let known: Vec<&str> = args.iter().map(|(key, _)| key).collect();
        prop_assert!(args.refuse_unknown(&known).is_ok() && args.refuse_unknown(&known[1..]).is_err());
    }

    #[test]
    fn any_arguments_are_read_or_refused_by_name(
        key in proptest::sample::select(vec!["IP", "MAC", "GATEWAY", "K8S_POD_NAME", "K8S_POD_INFRA_CONTAINER_ID"]),
        value in text(),
    ) {
        let Ok(args) = CniArgs::parse(&format!("{key}={value}")) else { return Ok(()) };
        let refused = [
            args.mac().err(), args.ips().err(), args.gateways().err(), args.pod().err(),
        ];
        for error in refused.into_iter().flatten() {
            prop_assert!(error.to_string().contains(key), "{error}");
        }
    }
}

/// Keys of all that a runtime passes.
const KEYS: [&str; 16] = [
    "hostPort",
    "containerPort",
    "protocol",
    "hostIP",
    "subnet",
    "rangeStart",
    "rangeEnd",
    "gateway",
    "ingressRate",
    "egressRate",
    "egressBurst",
    "servers",
    "searches",
    "options",
    "key",
    "VALUE",
];
