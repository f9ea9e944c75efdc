//! The interface keys of 1.1.0 in results of older versions.

use cni_skel::{AddRequest, CheckRequest, DelRequest, NoConfig, Plugin, Result};
use cni_testing::types::{AddResult, Interface};
use cni_testing::{Call, DelegateReply, json};
use serde_json::Value;

/// Adds an interface of its own, with an MTU, to those of the plugin before and of the IPAM plugin.
struct Maker;

impl Plugin for Maker {
    type Config = NoConfig;

    fn add(&self, req: &AddRequest) -> Result<AddResult> {
        let mut result = req.prev_result()?.cloned().unwrap_or_default();
        if let Some(ipam) = req.ipam_if_any()? {
            result.append(ipam.add()?);
        }
        let mut own = Interface::new(&req.ifname).sandbox(&req.netns);
        own.mtu = Some(1400);
        own.pci_id = Some("0000:00:1f.6".to_owned());
        result.push_interface(own);
        Ok(result)
    }

    fn del(&self, _: &DelRequest) -> Result<()> {
        Ok(())
    }

    fn check(&self, _: &CheckRequest) -> Result<()> {
        Ok(())
    }
}

/// Name and MTU of each interface in the result.
fn interfaces(version: &str) -> Vec<(String, Value)> {
    let before = json!({"cniVersion": version, "interfaces": [{"name": "before", "mtu": 1300}]});
    let config = json!({"cniVersion": version, "ipam": {"type": "pool"}, "prevResult": before});
    let delegated = json!({"cniVersion": version, "interfaces": [{"name": "delegated", "mtu": 1200}]});
    let call = Call::add(&Maker).config(config).delegate("pool", DelegateReply::add(delegated));
    let json = call.run().success().json();
    let interfaces = json["interfaces"].as_array().unwrap().iter();
    interfaces.map(|of| (of["name"].as_str().unwrap().to_owned(), of["mtu"].clone())).collect()
}

#[test]
fn an_older_result_has_the_newer_keys_only_of_interfaces_that_other_plugins_described() {
    let of = |name: &str, mtu: Value| (name.to_owned(), mtu);
    let others = [of("before", json!(1300)), of("delegated", json!(1200))];
    assert_eq!(interfaces("1.0.0"), [&others[..], &[of("eth0", Value::Null)]].concat());
    assert_eq!(interfaces("1.1.0"), [&others[..], &[of("eth0", json!(1400))]].concat());
}
