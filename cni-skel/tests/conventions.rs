//! The values that a runtime passes by convention, as a handler gets them.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use cni_skel::types::{AddResult, ErrorCode};
use cni_skel::{
    AddRequest, CheckRequest, Context, DelRequest, Env, Invocation, NoConfig, Plugin, Result, StatusRequest,
    System, dispatch,
};
use serde_json::{Value, json};

/// A plugin whose STATUS asks its request one question, and stores the answer.
struct Probe<T> {
    question: fn(&Context) -> Result<T>,
    answer: Mutex<Option<Result<T>>>,
}

impl<T> Plugin for Probe<T> {
    type Config = NoConfig;

    fn add(&self, _: &AddRequest) -> Result<AddResult> {
        unreachable!("it is only asked for its status")
    }

    fn del(&self, _: &DelRequest) -> Result<()> {
        unreachable!("it is only asked for its status")
    }

    fn check(&self, _: &CheckRequest) -> Result<()> {
        unreachable!("it is only asked for its status")
    }

    fn status(&self, req: &StatusRequest) -> Result<()> {
        *self.answer.lock().unwrap() = Some((self.question)(req));
        Ok(())
    }
}

fn ask<T>(
    runtime_config: Value,
    args_cni: Value,
    args: &str,
    question: fn(&Context) -> Result<T>,
) -> Result<T> {
    let stdin = json!({
        "cniVersion": "1.1.0", "name": "lan", "type": "probe",
        "runtimeConfig": runtime_config, "args": { "cni": args_cni },
    });
    let env = Env::new().with("CNI_COMMAND", "STATUS").with("CNI_ARGS", args);
    let invocation = Invocation::new(env, stdin.to_string());
    let probe = Probe { question, answer: Mutex::new(None) };
    let _ = dispatch(&probe, invocation, Arc::new(System::new()));
    probe.answer.into_inner().unwrap().expect("the handler was called")
}

fn capability<T>(key: &str, value: Value, question: fn(&Context) -> Result<T>) -> Result<T> {
    ask(json!({ key: value }), Value::Null, "", question)
}

#[track_caller]
fn assert_fails<T: Debug>(answer: Result<T>, code: ErrorCode, msg: &str) {
    let error = answer.unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(error.msg().starts_with(msg), "{error}");
}

fn macs(context: &Context) -> Result<Option<String>> {
    Ok(context.mac()?.map(|mac| mac.to_string()))
}

fn requested(context: &Context) -> Result<Vec<String>> {
    Ok(context.requested_ips()?.iter().map(ToString::to_string).collect())
}

fn all(context: &Context) -> Result<Vec<String>> {
    Ok(context.all_requested_ips()?.iter().map(ToString::to_string).collect())
}

fn aliases(context: &Context) -> Result<Vec<String>> {
    Ok(context.aliases()?.iter().map(ToString::to_string).collect())
}

#[test]
fn a_capability_takes_precedence_over_args_and_those_over_the_variable() {
    let (one, two, three) = ("02:00:00:00:00:01", "02:00:00:00:00:02", "MAC=02:00:00:00:00:03");
    for (runtime_config, args_cni, args, mac) in [
        (json!({"mac": one}), json!({"mac": two}), three, Some("02:00:00:00:00:01")),
        (json!({"MAC": one}), json!({}), "", Some("02:00:00:00:00:01")),
        (json!({"mac": ""}), json!({"mac": two}), three, Some("02:00:00:00:00:02")),
        (Value::Null, json!({"mac": two}), three, Some("02:00:00:00:00:02")),
        (json!({"mac": null}), json!({"mac": ""}), three, Some("02:00:00:00:00:03")),
        (Value::Null, Value::Null, three, Some("02:00:00:00:00:03")),
        (Value::Null, Value::Null, "MAC=", None),
        (json!({}), json!({}), "mac=02:00:00:00:00:03", None),
        // Places after the first one that has a value are not read.
        (json!({"mac": one}), json!({"mac": 7}), "MAC=x", Some("02:00:00:00:00:01")),
        (json!({}), json!({"mac": two}), "nonsense", Some("02:00:00:00:00:02")),
    ] {
        assert_eq!(ask(runtime_config, args_cni, args, macs).unwrap().as_deref(), mac);
    }
}

#[test]
fn a_custom_list_is_read_from_the_same_places() {
    let numbers = |runtime_config, args_cni| {
        ask(runtime_config, args_cni, "nonsense", |context| context.requested::<u8>("numbers"))
    };
    for (runtime_config, args_cni, list) in [
        (json!({"numbers": [1]}), json!({"numbers": "not read"}), vec![1]),
        (json!({"numbers": []}), json!({"numbers": [2, 3]}), vec![2, 3]),
        (json!({"numbers": null}), json!({"Numbers": [2]}), vec![2]),
        (Value::Null, Value::Null, vec![]),
    ] {
        assert_eq!(numbers(runtime_config, args_cni).unwrap(), list);
    }
    assert_fails(
        numbers(json!({}), json!({"numbers": [256]})),
        ErrorCode::INVALID_NETWORK_CONFIG,
        "args.cni.numbers[0]: ",
    );
}

#[test]
fn an_invalid_hardware_address_is_an_error_that_names_its_place() {
    assert_fails(
        capability("mac", json!("x"), macs),
        ErrorCode::INVALID_NETWORK_CONFIG,
        "runtimeConfig.mac: invalid hardware address \"x\"",
    );
    assert_fails(
        capability("mac", json!(7), macs),
        ErrorCode::DECODING_FAILURE,
        "runtimeConfig.mac: invalid type",
    );
    assert_fails(
        ask(json!({}), json!({"mac": "x"}), "", macs),
        ErrorCode::INVALID_NETWORK_CONFIG,
        "args.cni.mac: invalid hardware address \"x\"",
    );
    assert_fails(
        ask(json!({}), json!({}), "MAC=x", macs),
        ErrorCode::INVALID_ENVIRONMENT,
        "invalid CNI_ARGS: MAC=x: invalid hardware address \"x\"",
    );
    assert_fails(
        ask(json!({}), json!({}), "MAC", macs),
        ErrorCode::INVALID_ENVIRONMENT,
        "invalid CNI_ARGS: ",
    );
}

#[test]
fn a_group_address_is_not_valid_for_an_ethernet_interface() {
    for bad in ["01:00:5e:00:00:01", "00:00:00:00:00:00", "02:00", "02:00:00:00:00:00:00:01"] {
        let refused = format!("{bad} is not an Ethernet unicast address");
        assert_fails(
            capability("mac", json!(bad), Context::ethernet_mac),
            ErrorCode::INVALID_NETWORK_CONFIG,
            &format!("runtimeConfig.mac: {refused}"),
        );
        assert_fails(
            ask(json!({}), json!({"mac": bad}), "", Context::ethernet_mac),
            ErrorCode::INVALID_NETWORK_CONFIG,
            &format!("args.cni.mac: {refused}"),
        );
        assert_fails(
            ask(json!({}), json!({}), &format!("MAC={bad}"), Context::ethernet_mac),
            ErrorCode::INVALID_ENVIRONMENT,
            &format!("invalid CNI_ARGS: MAC: {refused}"),
        );
        assert!(capability("mac", json!(bad), Context::mac).unwrap().is_some());
    }
    let good = capability("mac", json!("02:00:00:00:00:01"), Context::ethernet_mac).unwrap();
    assert_eq!(good.unwrap().to_string(), "02:00:00:00:00:01");
}

#[test]
fn requested_addresses_are_from_the_first_place_or_from_all_places() {
    let places = || (json!({"ips": ["10.1.0.3/16"]}), json!({"ips": ["10.1.0.2"]}), "IP=10.1.0.1");
    let (runtime_config, args_cni, args) = places();
    assert_eq!(ask(runtime_config, args_cni, args, requested).unwrap(), ["10.1.0.3/16"]);
    let (_, args_cni, args) = places();
    assert_eq!(ask(json!({"ips": []}), args_cni, args, requested).unwrap(), ["10.1.0.2"]);
    assert_eq!(ask(Value::Null, json!({"ips": null}), args, requested).unwrap(), ["10.1.0.1"]);
    let (runtime_config, args_cni, args) = places();
    assert_eq!(ask(runtime_config, args_cni, args, all).unwrap(), ["10.1.0.1", "10.1.0.2", "10.1.0.3/16"]);
    for question in [requested, all] {
        assert!(ask(Value::Null, Value::Null, "", question).unwrap().is_empty());
        assert_fails(
            capability("ips", json!(["10.1.0.1", "x"]), question),
            ErrorCode::INVALID_NETWORK_CONFIG,
            "runtimeConfig.ips[1]: ",
        );
        assert_fails(
            ask(json!({}), json!({"ips": "10.1.0.1"}), "", question),
            ErrorCode::DECODING_FAILURE,
            "args.cni.ips: invalid type",
        );
        assert_fails(
            ask(json!({}), json!({}), "IP=x", question),
            ErrorCode::INVALID_ENVIRONMENT,
            "invalid CNI_ARGS: IP=x: ",
        );
    }
    // A plugin that understands args.cni.ips ignores the variable.
    let (_, args_cni, _) = places();
    assert_eq!(ask(Value::Null, args_cni, "IP=x", requested).unwrap(), ["10.1.0.2"]);
}

#[test]
fn aliases_are_a_list_or_an_object_with_a_list_for_each_network() {
    for (value, names) in [
        (json!(["web", "web.shop"]), vec!["web", "web.shop"]),
        (json!({"lan": ["web"], "LAN": ["other"], "wan": ["gate"]}), vec!["web"]),
        (json!({"wan": ["gate"]}), vec![]),
        (json!({"lan": null}), vec![]),
        (json!([]), vec![]),
        (json!(null), vec![]),
    ] {
        assert_eq!(capability("aliases", value, aliases).unwrap(), names);
    }
    for (value, code, path) in [
        (json!(["a b"]), ErrorCode::INVALID_NETWORK_CONFIG, "runtimeConfig.aliases[0]: invalid alias"),
        (
            json!({"lan": ["a", "b c"]}),
            ErrorCode::INVALID_NETWORK_CONFIG,
            "runtimeConfig.aliases.lan[1]: invalid alias",
        ),
        (json!([7]), ErrorCode::DECODING_FAILURE, "runtimeConfig.aliases[0]: invalid type"),
        (json!("web"), ErrorCode::DECODING_FAILURE, "runtimeConfig.aliases: invalid type"),
    ] {
        assert_fails(capability("aliases", value, aliases), code, path);
    }
}

#[test]
fn each_capability_is_read_from_its_key() {
    let ports = capability(
        "portMappings",
        json!([{"HostPort": 8080, "ContainerPort": 80, "HostIP": ""}]),
        Context::port_mappings,
    );
    assert_eq!(ports.unwrap()[0].host_port.get(), 8080);
    let ranges =
        capability("ipRanges", json!([[{"subnet": "10.1.2.0/24"}], []]), Context::ip_ranges).unwrap();
    assert_eq!(ranges.iter().map(Vec::len).collect::<Vec<_>>(), [1, 0]);
    let bandwidth = capability(
        "bandwidth",
        json!({"EgressRate": 8, "EgressBurst": 34_359_738_359_u64}),
        Context::bandwidth,
    );
    assert_eq!(bandwidth.unwrap().unwrap().egress.unwrap().burst.get(), 34_359_738_359);
    let dns = capability("dns", json!({"servers": ["10.0.0.1"]}), Context::runtime_dns).unwrap().unwrap();
    assert_eq!(dns.servers(), ["10.0.0.1"]);
    let guid = capability("infinibandGUID", json!("c2:11:22:33:44:55:66:77"), Context::infiniband_guid);
    assert_eq!(guid.unwrap().unwrap().as_bytes()[0], 0xc2);
    let device = capability("deviceID", json!("0000:04:00.5"), Context::device_id).unwrap().unwrap();
    assert_eq!(device.as_str(), "0000:04:00.5");
    let cgroup = capability("cgroupPath", json!("/kubelet.slice"), Context::cgroup_path).unwrap().unwrap();
    assert_eq!(cgroup.as_str(), "/kubelet.slice");
    let labels =
        ask(json!({}), json!({"labels": [{"key": "app", "value": "web"}]}), "", Context::labels).unwrap();
    assert_eq!(labels[0].value, "web");
    let pod = ask(json!({}), json!({}), "IgnoreUnknown=1;K8S_POD_NAME=web-0", Context::pod).unwrap();
    assert_eq!(pod.name.as_deref(), Some("web-0"));
}

#[test]
fn absent_null_and_empty_values_request_nothing() {
    for value in [
        json!({}),
        json!(null),
        json!({"portMappings": null, "ipRanges": null, "bandwidth": null, "dns": null,
        "infinibandGUID": null, "deviceID": null, "cgroupPath": null, "aliases": null}),
        json!({"portMappings": [], "ipRanges": [], "bandwidth": {}, "dns": {}, "infinibandGUID": "", "deviceID": "",
        "cgroupPath": "", "aliases": {}}),
    ] {
        let asks = |context: &Context| {
            Ok(!context.port_mappings()?.is_empty()
                || !context.ip_ranges()?.is_empty()
                || context.bandwidth()?.is_some()
                || context.runtime_dns()?.is_some()
                || context.infiniband_guid()?.is_some()
                || context.device_id()?.is_some()
                || context.cgroup_path()?.is_some()
                || !context.aliases()?.is_empty()
                || !context.labels()?.is_empty()
                || context.pod()? != cni_skel::types::Pod::default())
        };
        assert!(!ask(value.clone(), Value::Null, "", asks).unwrap(), "{value}");
    }
}

#[test]
fn an_invalid_capability_is_an_error_that_names_its_path() {
    let invalid = ErrorCode::INVALID_NETWORK_CONFIG;
    let mistyped = ErrorCode::DECODING_FAILURE;
    let ports = json!([{"hostPort": 80, "containerPort": 80}, {"hostPort": 0, "containerPort": 80}]);
    assert_fails(
        capability("portMappings", ports, Context::port_mappings),
        invalid,
        "runtimeConfig.portMappings[1].hostPort: ",
    );
    assert_fails(
        capability("portMappings", json!([[80, 80]]), Context::port_mappings),
        mistyped,
        "runtimeConfig.portMappings[0]: ",
    );
    assert_fails(
        capability("ipRanges", json!([[{}]]), Context::ip_ranges),
        invalid,
        "runtimeConfig.ipRanges[0][0]: missing",
    );
    assert_fails(
        capability("bandwidth", json!({"ingressRate": 1}), Context::bandwidth),
        invalid,
        "runtimeConfig.bandwidth: ingressRate 1",
    );
    assert_fails(
        capability("dns", json!({"servers": ["x"]}), Context::runtime_dns),
        invalid,
        "runtimeConfig.dns.servers[0]: ",
    );
    assert_fails(
        capability("infinibandGUID", json!("x"), Context::infiniband_guid),
        invalid,
        "runtimeConfig.infinibandGUID: ",
    );
    assert_fails(
        capability("deviceID", json!("../x"), Context::device_id),
        invalid,
        "runtimeConfig.deviceID: ",
    );
    assert_fails(
        capability("cgroupPath", json!("/.."), Context::cgroup_path),
        invalid,
        "runtimeConfig.cgroupPath: ",
    );
    assert_fails(
        ask(json!({}), json!({"labels": [{}]}), "", Context::labels),
        invalid,
        "args.cni.labels[0]: ",
    );
    assert_fails(
        ask(json!({}), json!({}), "K8S_POD_NAME=../x", Context::pod),
        ErrorCode::INVALID_ENVIRONMENT,
        "invalid CNI_ARGS: K8S_POD_NAME=../x: ",
    );
}
