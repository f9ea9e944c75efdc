//! The commands in process. What they have in common with the reference plugin is compared in `compare`.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

use cni_testing::types::ErrorCode;
use cni_testing::{Call, json};
use serde_json::Value;
use static_ipam::Static;

fn config() -> Value {
    json!({"type": "bridge", "ipam": {
        "type": "static",
        "addresses": [{"address": "10.1.0.5/16", "gateway": "10.1.0.1"}],
        "routes": [{"dst": "0.0.0.0/0", "mtu": 1400, "table": 100, "example.com/x": [1]}],
    }})
}

#[test]
fn add_answers_with_what_the_configuration_says_route_attributes_and_unknown_keys_included() {
    let outcome = Call::add(&Static).config(config()).run();
    assert_eq!(outcome.json()["routes"], config()["ipam"]["routes"]);
    let result = outcome.result();
    assert_eq!(result.ips.len(), 1);
    assert!(
        result.interfaces.is_empty() && result.ips[0].interface.is_none(),
        "an IPAM plugin knows no interfaces"
    );
}

#[test]
fn del_and_gc_have_nothing_to_do_and_do_not_mind_the_configuration() {
    Call::del(&Static).config(json!({"ipam": {"addresses": 7}})).run().silent_success();
    Call::del(&Static).config(config()).without_env("CNI_NETNS").run().silent_success();
    let gc = json!({"ipam": {"type": "static"}, "cni.dev/valid-attachments": []});
    Call::gc(&Static).config(gc).run().silent_success();
}

#[test]
fn status_succeeds_with_a_valid_configuration_and_tells_with_code_50_what_is_invalid() {
    Call::status(&Static).config(config()).run().silent_success();
    let status =
        |config: Value| Call::status(&Static).config(config).run().error_with(ErrorCode::NOT_AVAILABLE);
    let error = status(json!({"ipam": {"addresses": [{"address": "10.1.0.5"}]}}));
    assert!(error.msg.starts_with("ipam.addresses[0].address: "), "{}", error.msg);
    assert_eq!(status(json!({})).msg, "missing ipam in the network configuration");
}

#[test]
fn check_finds_an_address_that_is_gone_or_changed() {
    let check = |ips: Value| {
        let mut config = config();
        config["prevResult"] = json!({"ips": ips});
        Call::check(&Static).config(config).run()
    };
    check(json!([{"address": "10.1.0.5/16", "gateway": "10.1.0.1", "interface": 0}])).silent_success();
    Call::check(&Static).config(config()).run().error_with(ErrorCode::INVALID_NETWORK_CONFIG);
    for ips in [
        json!([]),
        json!([{"address": "10.1.0.5/24"}]),
        json!([{"address": "10.1.0.5/16"}]),
        json!([{"address": "10.1.0.6/16", "gateway": "10.1.0.1"}]),
    ] {
        let error = check(ips).error_with(ErrorCode::INTERNAL);
        assert!(error.msg.contains("10.1.0.5/16"), "{}", error.msg);
    }
}

#[test]
fn errors_have_a_code_by_their_cause_and_name_the_value() {
    let error = Call::add(&Static).config(json!({})).run().error_with(ErrorCode::INVALID_NETWORK_CONFIG);
    assert_eq!(error.msg, "missing ipam in the network configuration");
    let error = Call::add(&Static)
        .config(config())
        .args("IP=10.2.0.5")
        .run()
        .error_with(ErrorCode::INVALID_ENVIRONMENT);
    assert_eq!(error.msg, "invalid CNI_ARGS: IP: 10.2.0.5 has no prefix");
    let two = json!({"cniVersion": "0.2.0", "ipam": {"addresses": [{"address": "10.1.0.5/16"}, {"address": "10.1.0.6/16"}]}});
    let error = Call::add(&Static).config(two).run().error_with(ErrorCode::INVALID_NETWORK_CONFIG);
    assert_eq!(error.msg, "cniVersion 0.2.0 does not support more than 1 address per family");
}
