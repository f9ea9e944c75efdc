//! ADD, CHECK and DEL along the list.

use std::sync::{Arc, Mutex};

use cni_testing::json;
use cni_testing::types::Command;

use crate::plugins::{NETNS, Plugins, attachment, netns};

#[test]
fn add_and_check_go_forward_and_del_backward() {
    let plugins = Plugins::two();
    let chain = plugins.chain("1.1.0");
    chain.add(&attachment("c1"), NETNS).unwrap();
    chain.check(&attachment("c1"), NETNS).unwrap();
    chain.del(&attachment("c1"), netns()).unwrap();
    let order = ["ADD first", "ADD second", "CHECK first", "CHECK second", "DEL second", "DEL first"];
    assert_eq!(plugins.log(), order.map(|call| format!("{call} c1")));
}

#[test]
fn each_plugin_gets_the_result_before_it_to_the_digit() {
    let printed = r#"{
    "cniVersion": "1.1.0", "ips":   [{"address": "10.1.0.2/16"}],
    "example.com/id": 123456789012345678901234567890, "example.com/share": 0.10
}"#;
    let plugins = Plugins::two().add("first", printed, "");
    plugins.chain("1.1.0").add(&attachment("c1"), NETNS).unwrap();
    assert!(plugins.stdin("second", "ADD").contains(printed), "{}", plugins.stdin("second", "ADD"));
    assert!(plugins.request("first", "ADD").get("prevResult").is_none());
}

#[test]
fn check_and_del_give_every_plugin_the_last_result() {
    let last = r#"{"cniVersion":"1.1.0","example.com/id":123456789012345678901234567890}"#;
    let plugins = Plugins::two().add("second", last, "");
    let chain = plugins.chain("1.1.0");
    let result = chain.add(&attachment("c1"), NETNS).unwrap();
    assert!(result.ips.is_empty(), "the last result is the network's");
    chain.check(&attachment("c1"), NETNS).unwrap();
    chain.del(&attachment("c1"), netns()).unwrap();
    for (plugin, command) in [("first", "CHECK"), ("second", "CHECK"), ("second", "DEL"), ("first", "DEL")] {
        assert!(plugins.stdin(plugin, command).contains(last), "{plugin} {command}");
    }
}

#[test]
fn all_variables_are_set_and_empty_where_they_say_nothing() {
    let plugins = Plugins::two();
    let chain = plugins.chain("1.1.0").args("A=b;C=d=e");
    chain.add(&attachment("c1"), NETNS).unwrap();
    chain.del(&attachment("c1"), None).unwrap();
    chain.status().unwrap();
    chain.versions().unwrap_err();
    let path = format!("CNI_PATH={}", plugins.bin().display());
    let of_add = [
        "CNI_ARGS=A=b;C=d=e",
        "CNI_COMMAND=ADD",
        "CNI_CONTAINERID=c1",
        "CNI_IFNAME=eth0",
        "CNI_NETNS=/run/netns/made up",
        &path,
    ];
    assert_eq!(plugins.env("first", "ADD"), of_add);
    assert_eq!(plugins.env("first", "DEL")[4], "CNI_NETNS=");
    let of_status =
        ["CNI_ARGS=", "CNI_COMMAND=STATUS", "CNI_CONTAINERID=", "CNI_IFNAME=", "CNI_NETNS=", &path];
    assert_eq!(plugins.env("first", "STATUS"), of_status);
    let probe = ["CNI_ARGS=", "CNI_COMMAND=VERSION", "CNI_CONTAINERID=", "CNI_IFNAME=dummy"];
    assert_eq!(plugins.env("first", "VERSION")[..4], probe);
}

#[test]
fn a_plugin_gets_what_it_has_the_capability_for_and_no_more() {
    let plugins = Plugins::two();
    let chain = plugins.chain_of(json!({"cniVersion": "1.1.0", "name": "lan", "plugins": [
        {"type": "first", "capabilities": {"mac": true, "ips": false, "aliases": true}},
        {"type": "second"},
    ]}));
    let chain = chain.capability("mac", "0a:58:0a:01:00:02").capability("ips", json!(["10.1.0.9"]));
    chain.add(&attachment("c1"), NETNS).unwrap();
    chain.del(&attachment("c1"), netns()).unwrap();
    for command in ["ADD", "DEL"] {
        let request = plugins.request("first", command);
        assert_eq!(request["runtimeConfig"], json!({"mac": "0a:58:0a:01:00:02"}), "{command}");
        assert!(request.get("capabilities").is_none(), "{command}");
        assert!(plugins.request("second", command).get("runtimeConfig").is_none(), "{command}");
    }
}

#[test]
fn before_0_4_0_there_is_no_check_and_del_has_no_result() {
    let plugins = Plugins::two().add("second", r#"{"cniVersion": "0.3.1"}"#, "");
    let chain = plugins.chain("0.3.1");
    chain.add(&attachment("c1"), NETNS).unwrap();
    let error = chain.check(&attachment("c1"), NETNS).unwrap_err();
    assert_eq!(error.to_string(), "CHECK: version 0.3.1 of the specification has no such command");
    chain.del(&attachment("c1"), netns()).unwrap();
    assert!(plugins.request("first", "DEL").get("prevResult").is_none());
    assert_eq!(plugins.request("first", "DEL")["cniVersion"], "0.3.1");
}

#[test]
fn disable_check_is_honoured() {
    let plugins = Plugins::two();
    let chain = plugins.chain_of(json!({
        "cniVersion": "1.0.0", "name": "lan", "disableCheck": true, "plugins": [{"type": "first"}],
    }));
    chain.add(&attachment("c1"), NETNS).unwrap();
    chain.check(&attachment("c1"), NETNS).unwrap();
    assert_eq!(plugins.log(), ["ADD first c1"]);
    let reason = chain.reason_to_skip(Command::Check);
    assert_eq!(reason.as_deref(), Some("the configuration has disableCheck"));
}

#[test]
fn every_call_is_told_as_it_happened() {
    let plugins = Plugins::two().add("second", "", "echo noise >&2; exit 3");
    let told = Arc::new(Mutex::new(Vec::new()));
    let chain = plugins.chain("1.1.0").observe({
        let told = Arc::clone(&told);
        move |call| {
            let id = call.attachment.map(|attachment| attachment.container_id.to_string());
            assert!(call.program.ends_with(call.plugin.as_str()) && call.stdin.contains("lan"));
            told.lock().unwrap().push(format!(
                "{} {} {id:?} {:?} {:?} {}",
                call.command,
                call.plugin,
                call.exit_code,
                call.stderr,
                call.failure.is_some()
            ));
        }
    });
    chain.add(&attachment("c1"), NETNS).unwrap_err();
    assert_eq!(
        *told.lock().unwrap(),
        [r#"ADD first Some("c1") Some(0) "" false"#, r#"ADD second Some("c1") Some(3) "noise\n" true"#]
    );
}
