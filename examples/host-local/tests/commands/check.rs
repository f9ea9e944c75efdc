//! CHECK: what it looks for.

use std::fs;

use cni_testing::json;
use serde_json::Value;

use crate::calls::{add, check, dual_stack, fails};
use crate::support::tree;

#[test]
fn check_looks_for_every_address() {
    let dir = tempfile::tempdir().unwrap();
    let config = dual_stack(dir.path());
    let result = add("a", &config).run().json();
    let check = |id, result: &Value| check(id, &config, result);
    check("a", &result).silent_success();
    // Addresses of other plugins in the chain are not ours to look after.
    let mut more = result.clone();
    more["ips"].as_array_mut().unwrap().push(json!({ "address": "192.0.2.1/24" }));
    check("a", &more).silent_success();
    // One that would be ours but is not reserved.
    more["ips"][0]["address"] = json!("10.1.2.3/29");
    fails(&check("a", &more), 999, &["10.1.2.3 is not reserved for container a interface eth0"]);
    // A later plugin of the chain may have dropped addresses from the result; they are still reserved.
    check("a", &json!({ "cniVersion": "1.0.0" })).silent_success();
    fails(&check("b", &result), 999, &["10.1.2.2", "2001:db8::2", "range 0", "range 1", "container b"]);

    fs::remove_file(dir.path().join("net/2001:db8::2")).unwrap();
    fails(&check("a", &result), 999, &["2001:db8::2 is not reserved", "range 1, 2001:db8::1-"]);
    let state = tree(dir.path());
    fails(&check("a", &json!({ "cniVersion": "1.0.0" })), 999, &["range 1"]);
    assert_eq!(tree(dir.path()), state);
}
