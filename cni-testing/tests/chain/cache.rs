//! The result cache: libcni's format, and hostile files.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use cni_testing::json;
use serde_json::Value;

use crate::plugins::{NETNS, Plugins, attachment, netns};

#[test]
fn a_file_has_what_libcni_puts_there() {
    let plugins = Plugins::two();
    let chain = plugins.chain("1.1.0").args("A=b").capability("mac", "0a:58:0a:01:00:02");
    chain.add(&attachment("c1"), NETNS).unwrap();
    let file = plugins.cache().join("results/lan-c1-eth0");
    let mut cached: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let config = cached["config"].take();
    // What `base64` makes of it.
    let start = "eyJjbmlWZXJzaW9uIjoiMS4xLjAiLCJuYW1lIjoibGFuIiwicGx1Z2lucyI6W3sidHlwZSI6ImZpcnN0In0s";
    assert!(config.as_str().unwrap().starts_with(start), "{config}");
    assert_eq!(
        cached,
        json!({
            "kind": "cniCacheV1", "containerId": "c1", "config": null, "ifName": "eth0", "networkName": "lan",
            "netns": NETNS, "cniArgs": [["A", "b"]], "capabilityArgs": {"mac": "0a:58:0a:01:00:02"},
            "result": {"cniVersion": "1.1.0", "ips": [{"address": "10.1.0.2/16"}]},
        })
    );
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(file.parent().unwrap()), mode(&file)), (0o700, 0o600));
    assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "nothing else is there");

    chain.del(&attachment("c1"), netns()).unwrap();
    assert!(!file.exists());
    chain.del(&attachment("c1"), netns()).unwrap();
}

/// Puts a file where the cached result of `c1` is looked for, and gives what CHECK says of it.
fn check_with(put: impl FnOnce(&std::path::Path)) -> (Plugins, Result<(), String>) {
    let plugins = Plugins::two();
    let folder = plugins.cache().join("results");
    fs::create_dir_all(&folder).unwrap();
    put(&folder.join("lan-c1-eth0"));
    let checked = plugins.chain("1.1.0").check(&attachment("c1"), NETNS).map_err(|error| error.to_string());
    (plugins, checked)
}

#[test]
fn a_bare_result_as_old_engines_wrote_it_is_read() {
    let bare = r#"{"cniVersion": "0.4.0", "ips": [{"version": "4", "address": "10.1.0.3/16"}]}"#;
    let (plugins, checked) = check_with(|file| fs::write(file, bare).unwrap());
    assert_eq!(checked, Ok(()));
    assert!(plugins.stdin("first", "CHECK").contains(bare));
}

#[test]
fn what_libcni_writes_is_read() {
    let written = r#"{"kind":"cniCacheV1","containerId":"c1","config":"e30=","ifName":"eth0","networkName":"lan",
        "netns":"/run/netns/c1","cniArgs":null,"result":{"cniVersion":"1.0.0","dns":{}}}"#;
    let (plugins, checked) = check_with(|file| fs::write(file, written).unwrap());
    assert_eq!(checked, Ok(()));
    assert_eq!(plugins.request("first", "CHECK")["prevResult"], json!({"cniVersion": "1.0.0", "dns": {}}));
}

#[test]
fn hostile_files_fail_check_and_never_reach_a_plugin() {
    let of = |id: &str, result: &str| {
        format!(
            r#"{{"kind":"cniCacheV1","containerId":"{id}","ifName":"eth0","networkName":"lan","result":{result}}}"#
        )
    };
    let files = [
        (String::new(), "EOF"),
        ("garbage".to_owned(), "expected value"),
        (of("c2", "{}"), "it belongs to another attachment"),
        (of("../c1", "{}"), "invalid container id"),
        (of("c1", r#"{"ips": 5}"#), "its result is not valid"),
        (of("c1", "null"), "it has no result"),
        (of("c1", "{}").replace("cniCacheV1", "cniCacheV9"), "cniCacheV9"),
        (of("c1", &format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))), "its result is not valid"),
    ];
    for (content, why) in files {
        let (plugins, checked) = check_with(|file| fs::write(file, &content).unwrap());
        let message = checked.unwrap_err();
        assert!(message.starts_with("CHECK: result cache ") && message.contains(why), "{why}: {message}");
        assert_eq!(plugins.log(), [""; 0]);
    }
}

#[test]
fn a_link_is_not_followed_and_a_pipe_is_not_waited_for() {
    let (_, checked) = check_with(|file| symlink("/etc/passwd", file).unwrap());
    assert!(checked.unwrap_err().contains("symbolic link"));
    let (_, checked) = check_with(|file| {
        nix::unistd::mkfifo(file, nix::sys::stat::Mode::S_IRWXU).unwrap();
    });
    assert!(checked.unwrap_err().contains("not a regular file"));
}

#[test]
fn del_does_without_a_file_that_cannot_be_read_and_removes_it() {
    let (plugins, _) = check_with(|file| fs::write(file, "").unwrap());
    plugins.chain("1.1.0").del(&attachment("c1"), netns()).unwrap();
    assert_eq!(plugins.log(), ["DEL second c1", "DEL first c1"]);
    assert!(plugins.request("first", "DEL").get("prevResult").is_none());
    assert!(!plugins.cache().join("results/lan-c1-eth0").exists());
}

#[test]
fn a_cache_that_cannot_be_written_fails_add() {
    let plugins = Plugins::two();
    fs::write(plugins.cache(), "in the way").unwrap();
    let error = plugins.chain("1.1.0").add(&attachment("c1"), NETNS).unwrap_err();
    assert!(error.to_string().starts_with("ADD: result cache "), "{error}");
}

#[test]
fn without_a_cache_there_is_no_check() {
    let plugins = Plugins::two();
    let error = plugins.chain("1.1.0").check(&attachment("c1"), NETNS).unwrap_err();
    assert_eq!(error.to_string(), "CHECK: there is no cached result of an ADD");
}
