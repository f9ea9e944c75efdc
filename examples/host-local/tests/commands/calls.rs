//! Calls of each command, and what they leave.

use std::fs;
use std::path::Path;

use cni_testing::types::ErrorCode;
use cni_testing::{Call, Outcome, json};
use host_local::HostLocal;
use serde_json::Value;

use crate::support::{config, tree};

pub(crate) type HostLocalCall = Call<'static, &'static HostLocal>;

pub(crate) fn add(id: &str, config: &Value) -> HostLocalCall {
    Call::add(&HostLocal).container_id(id).config(config)
}

pub(crate) fn del(id: &str, config: &Value) -> HostLocalCall {
    Call::del(&HostLocal).container_id(id).config(config)
}

pub(crate) fn check(id: &str, config: &Value, previous: &Value) -> Outcome {
    Call::check(&HostLocal).container_id(id).config(with(config, "prevResult", previous.clone())).run()
}

pub(crate) fn gc(config: &Value) -> HostLocalCall {
    Call::gc(&HostLocal).config(config)
}

pub(crate) fn status(config: &Value) -> HostLocalCall {
    Call::status(&HostLocal).config(config)
}

/// A pool of one set with the addresses 10.1.2.2 to 10.1.2.6.
pub(crate) fn small(dir: &Path) -> Value {
    newest(config(dir, json!([[{ "subnet": "10.1.2.0/29" }]])))
}

/// The same, and a set of IPv6 addresses from 2001:db8::2 on.
pub(crate) fn dual_stack(dir: &Path) -> Value {
    newest(config(dir, json!([[{ "subnet": "10.1.2.0/29" }], [{ "subnet": "2001:db8::/64" }]])))
}

/// In the newest version of the specification, which has GC and STATUS.
pub(crate) fn newest(config: Value) -> Value {
    with(&config, "cniVersion", json!("1.1.0"))
}

/// The same configuration with another value for a key.
pub(crate) fn with(config: &Value, key: &str, value: Value) -> Value {
    let mut config = config.clone();
    config[key] = value;
    config
}

/// Puts a file into the state directory of the network.
pub(crate) fn put(dir: &Path, name: &str, contents: &str) {
    fs::create_dir_all(dir.join("net")).unwrap();
    fs::write(dir.join("net").join(name), contents).unwrap();
}

/// The names in the state directory of the network.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    tree(&dir.join("net")).into_keys().map(|name| name.to_str().unwrap().to_owned()).collect()
}

/// The addresses of a result, with their prefixes.
#[track_caller]
pub(crate) fn addresses(call: HostLocalCall) -> Vec<String> {
    call.run().result().ips.iter().map(|ip| ip.address.to_string()).collect()
}

#[track_caller]
pub(crate) fn succeeds(call: HostLocalCall) {
    call.run().silent_success();
}

/// Asserts that the call fails with this code and a message that holds all of these words.
#[track_caller]
pub(crate) fn fails(outcome: &Outcome, code: u32, words: &[&str]) {
    let error = outcome.error_with(ErrorCode::new(code));
    for word in words {
        assert!(error.msg.contains(word), "no {word:?} in {:?}", error.msg);
    }
}
