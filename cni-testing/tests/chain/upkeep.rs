//! GC, STATUS and VERSION along the list.

use std::fs;

use cni_testing::json;

use crate::plugins::{NETNS, Plugins, attachment};

#[test]
fn gc_detaches_what_is_not_valid_and_then_asks_the_plugins() {
    let plugins = Plugins::two();
    let chain = plugins.chain("1.1.0").args("A=b=c");
    for id in ["c1", "c2", "c3"] {
        chain.add(&attachment(id), NETNS).unwrap();
    }
    let before = plugins.log().len();
    plugins.chain("1.1.0").gc(&[attachment("c2")]).unwrap();
    let order = ["DEL second c1", "DEL first c1", "DEL second c3", "DEL first c3", "GC first", "GC second"];
    assert_eq!(plugins.log()[before..], order);
    let request = plugins.request("second", "GC");
    let valid = json!([{"containerID": "c2", "ifname": "eth0"}]);
    assert_eq!(request["cni.dev/valid-attachments"], valid);
    assert_eq!(request["cni.dev/attachments"], valid);
    assert!(request.get("prevResult").is_none());
    // As at ADD, though this chain was told nothing of it.
    assert_eq!(plugins.env("first", "DEL")[0], "CNI_ARGS=A=b=c");
    assert_eq!(plugins.env("first", "DEL")[4], format!("CNI_NETNS={NETNS}"));
    assert!(plugins.request("first", "DEL")["prevResult"].is_object());
    let left: Vec<_> = fs::read_dir(plugins.cache().join("results")).unwrap().flatten().collect();
    assert_eq!(left.len(), 1);
}

#[test]
fn gc_leaves_other_networks_and_garbage_in_the_cache_alone() {
    let plugins = Plugins::two();
    plugins
        .chain_of(json!({"cniVersion": "1.1.0", "name": "lan-c1", "plugins": [{"type": "first"}]}))
        .add(&attachment("c1"), NETNS)
        .unwrap();
    let folder = plugins.cache().join("results");
    fs::write(folder.join("lan-garbage-eth0"), "garbage").unwrap();
    fs::copy(folder.join("lan-c1-c1-eth0"), folder.join("lan-copied-eth0")).unwrap();
    let before = plugins.log().len();
    plugins.chain("1.1.0").gc(&[]).unwrap();
    assert_eq!(plugins.log()[before..], ["GC first", "GC second"]);
    assert_eq!(fs::read_dir(folder).unwrap().count(), 3);
}

#[test]
fn gc_goes_on_and_reports_all() {
    let plugins = Plugins::two();
    let chain = plugins.chain("1.1.0");
    for id in ["c1", "c2"] {
        chain.add(&attachment(id), NETNS).unwrap();
    }
    let plugins = plugins.add("second", "", "exit 1").add("first", "", "exit 1");
    let before = plugins.log().len();
    let errors = chain.gc(&[]).unwrap_err();
    assert_eq!(plugins.log()[before..], ["DEL second c1", "DEL second c2", "GC first", "GC second"]);
    assert_eq!(errors.len(), 4, "{errors:?}");
}

#[test]
fn before_1_1_0_gc_is_del_alone_and_status_is_nothing() {
    let plugins = Plugins::two();
    let chain = plugins.chain("1.0.0");
    chain.add(&attachment("c1"), NETNS).unwrap();
    let before = plugins.log().len();
    chain.gc(&[]).unwrap();
    chain.status().unwrap();
    assert_eq!(plugins.log()[before..], ["DEL second c1", "DEL first c1"]);
}

#[test]
fn disable_gc_is_honoured() {
    let plugins = Plugins::two();
    let chain = plugins.chain_of(json!({
        "cniVersion": "1.1.0", "name": "lan", "disableGC": true, "plugins": [{"type": "first"}],
    }));
    chain.add(&attachment("c1"), NETNS).unwrap();
    chain.gc(&[]).unwrap();
    assert_eq!(plugins.log(), ["ADD first c1"]);
}

#[test]
fn status_goes_forward_and_ends_at_a_plugin_that_is_not_ready() {
    let refuse = r#"echo '{"code": 50, "msg": "no addresses left"}'; exit 1"#;
    let plugins = Plugins::two();
    plugins.chain("1.1.0").status().unwrap();
    assert_eq!(plugins.log(), ["STATUS first", "STATUS second"]);
    let plugins = plugins.add("first", "", refuse);
    let error = plugins.chain("1.1.0").status().unwrap_err();
    assert_eq!(error.to_string(), r#"STATUS of plugin "first": code 50, no addresses left"#);
    assert_eq!(plugins.log().len(), 3);
}

#[test]
fn versions_are_asked_for_and_told() {
    let answer = r#"echo '{"cniVersion":"1.1.0","supportedVersions":["1.0.0","1.1.0"]}'"#;
    let plugins = Plugins::two().add("first", "", answer).add("second", "", answer);
    let versions = plugins.chain("1.1.0").versions().unwrap();
    assert_eq!(versions.len(), 2);
    assert_eq!(versions[1].1.supported_versions, ["1.0.0", "1.1.0"]);
    let plugins = plugins.add("second", "", "");
    let error = plugins.chain("1.1.0").versions().unwrap_err();
    assert!(error.to_string().starts_with(r#"VERSION of plugin "second": it ended with exit code 0"#));
}
