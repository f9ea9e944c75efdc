//! ADD: what it reserves, what it answers, and what a failed one leaves.

use std::fs;

use cni_testing::json;

use crate::calls::{add, addresses, del, dual_stack, fails, names, small, succeeds, with};
use crate::support::{config, tree};

#[test]
fn add_and_del_leave_only_what_the_next_add_starts_from() {
    let dir = tempfile::tempdir().unwrap();
    let config = dual_stack(dir.path());
    assert_eq!(addresses(add("a", &config)), ["10.1.2.2/29", "2001:db8::2/64"]);
    assert_eq!(
        names(dir.path()),
        ["10.1.2.2", "2001:db8::2", "last_reserved_ip.0", "last_reserved_ip.1", "lock"]
    );
    assert_eq!(fs::read_to_string(dir.path().join("net/10.1.2.2")).unwrap(), "a\r\neth0");
    assert_eq!(fs::read_to_string(dir.path().join("net/last_reserved_ip.1")).unwrap(), "2001:db8::2");
    succeeds(del("a", &config));
    succeeds(del("a", &config));
    assert_eq!(names(dir.path()), ["last_reserved_ip.0", "last_reserved_ip.1", "lock"]);
}

#[test]
fn a_failed_add_leaves_the_state_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), json!([[{ "subnet": "10.1.0.0/24" }], [{ "subnet": "10.2.0.0/30" }]]));
    addresses(add("a", &config));
    let before = tree(dir.path());
    // The second set has no more than one address.
    let exhausted = add("b", &config).run();
    fails(
        &exhausted,
        11,
        &["failed to allocate for range 1: no IP addresses available in range set: 10.2.0.1-10.2.0.2"],
    );
    assert_eq!(tree(dir.path()), before);
    fails(&add("b", &config).args("IP=10.3.0.9").run(), 7, &["all requested IPs: 10.3.0.9"]);
    assert_eq!(tree(dir.path()), before);
    // The last step fails, after both addresses have been reserved.
    fs::remove_file(dir.path().join("net/10.2.0.2")).unwrap();
    fs::remove_file(dir.path().join("net/last_reserved_ip.1")).unwrap();
    fs::create_dir(dir.path().join("net/last_reserved_ip.1")).unwrap();
    let before = tree(dir.path());
    fails(&add("b", &config).run(), 5, &["last_reserved_ip.1"]);
    assert_eq!(tree(dir.path()), before);
}

#[test]
fn an_add_that_failed_once_keeps_the_addresses_of_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let before = config(dir.path(), json!([[{ "subnet": "10.1.0.0/24" }]]));
    addresses(add("a", &before));
    let state = tree(dir.path());
    // DIFFERENCE: the reference would release the first address, which a running container uses.
    let more = config(dir.path(), json!([[{ "subnet": "10.9.0.0/24" }], [{ "subnet": "10.1.0.0/24" }]]));
    fails(&add("a", &more).run(), 999, &["range 1: 10.1.0.2 has been allocated to a"]);
    assert_eq!(tree(dir.path()), state);
}

#[test]
fn a_resolver_file_that_is_missing_is_named_before_anything_is_reserved() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = small(dir.path());
    config["ipam"]["resolvConf"] = json!("/nonexistent/resolv.conf");
    fails(&add("a", &config).run(), 5, &["ipam.resolvConf", "/nonexistent/resolv.conf"]);
    assert!(tree(dir.path()).is_empty());
}

#[test]
fn requests_from_every_place_add_up() {
    let dir = tempfile::tempdir().unwrap();
    let ranges =
        json!([[{ "subnet": "10.1.0.0/24" }], [{ "subnet": "10.2.0.0/24" }], [{ "subnet": "10.3.0.0/24" }]]);
    let config = with(&config(dir.path(), ranges), "args", json!({ "cni": { "ips": ["10.2.0.7"] } }));
    let config = with(&config, "runtimeConfig", json!({ "ips": ["10.3.0.8/24"] }));
    let expected = ["10.1.0.6/24", "10.2.0.7/24", "10.3.0.8/24"];
    assert_eq!(addresses(add("a", &config).args("IP=10.1.0.6")), expected);
    succeeds(del("a", &config));
    assert_eq!(addresses(add("b", &config).args("IP=10.2.0.7,10.1.0.6")), expected);
}

#[test]
fn a_request_for_an_address_that_cannot_be_met_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let config = small(dir.path());
    let args = with(&config, "args", json!({ "cni": { "ips": ["10.1.2"] } }));
    fails(&add("a", &args).run(), 7, &["args.cni.ips[0]", "10.1.2"]);
    let capability = with(&config, "runtimeConfig", json!({ "ips": ["x"] }));
    fails(&add("a", &capability).run(), 7, &["runtimeConfig.ips[0]", "x"]);
    fails(&add("a", &config).args("IP=x").run(), 4, &["CNI_ARGS", "IP=x"]);
    fails(&add("a", &config).args("IP").run(), 4, &["CNI_ARGS"]);
    let more = with(&config, "runtimeConfig", json!({ "ips": ["10.1.2.4", "10.9.9.9"] }));
    let words = ["failed to allocate all requested IPs: 10.1.2.4 10.9.9.9"];
    fails(&add("a", &more).args("IP=10.1.2.3").run(), 7, &words);
    assert!(tree(dir.path()).is_empty());
}

#[test]
fn arguments_for_other_plugins_are_let_through() {
    let dir = tempfile::tempdir().unwrap();
    // DIFFERENCE: the reference refuses what it does not know, unless IgnoreUnknown is set.
    let call = add("a", &small(dir.path())).args("MAC=02:00:00:00:00:01;IP=10.1.2.5");
    assert_eq!(addresses(call), ["10.1.2.5/29"]);
}
