//! The result of ADD, with the selected fault.

use cni_skel::types::AddResult;
use serde_json::{Value, json};

use crate::has;
use crate::input::Call;

/// Prints the result, with the selected fault.
pub(super) fn print(call: &Call, result: &AddResult) -> String {
    // Before 0.3.0, a result must have an address.
    let encoded =
        result.encode(call.spec()).unwrap_or_else(|_| json!({"cniVersion": call.version}).to_string());
    let mut json: Value = serde_json::from_str(&encoded).unwrap();
    if has("add/version") && call.version == "1.1.0" {
        json["cniVersion"] = "1.0.0".into();
    }
    if has("add/shape") && call.version == "0.4.0" {
        json["ips"][0].as_object_mut().unwrap().remove("version");
    }
    let (interfaces, ips) = (json["interfaces"].is_array(), json["ips"].is_array());
    if interfaces {
        let own = json["interfaces"].as_array().unwrap().len() - 1;
        let own = &mut json["interfaces"][own];
        match () {
            () if has("add/newer-keys") => own["mtu"] = 1500.into(),
            () if has("add/names-interface") => own["name"] = "other0".into(),
            () if has("add/sandbox") => own["sandbox"] = "/run/netns/other".into(),
            () if has("truth/mac") => own["mac"] = "02:00:00:00:00:01".into(),
            () if has("truth/mtu") => own["mtu"] = 9000.into(),
            () => {}
        }
    }
    if interfaces && has("truth/host-interfaces") {
        json["interfaces"].as_array_mut().unwrap().push(json!({"name": "ghost0"}));
    }
    if ips && has("add/addresses-valid") {
        json["ips"][0]["gateway"] = "fd00::1".into();
    }
    if ips && has("add/interface-index") {
        json["ips"][0]["interface"] = 7.into();
    }
    if has("truth/routes") && json["routes"].is_array() {
        json["routes"].as_array_mut().unwrap().push(json!({"dst": "203.0.113.128/25"}));
    }
    if has("load/result-size") {
        json["filling"] = "x".repeat(2 << 20).into();
    }
    let behind = if has("add/one-document") { "\nattached" } else { "" };
    format!("{json}{behind}")
}
