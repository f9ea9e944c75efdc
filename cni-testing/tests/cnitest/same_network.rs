//! Debian's plugins and this workspace's make the same network.

use std::collections::BTreeSet;

use cni_testing::types::{AddResult, SpecVersion};
use cni_testing::workspace_plugin;
use serde_json::Value;

use crate::program::{Ran, cnitest, data, reference};

/// What is the network's and not the moment's: results without hardware addresses and made-up names, and all that is
/// in the kernel and in files while the containers are attached.
fn network(ran: &Ran) -> (Vec<AddResult>, BTreeSet<String>) {
    let added = ran.events_of("call").into_iter().filter(|call| call["command"] == "ADD");
    let results = added.map(|call| {
        let mut result = AddResult::decode(SpecVersion::NEWEST, &call["result"].to_string()).unwrap();
        for interface in &mut result.interfaces {
            interface.mac = None;
            interface.sandbox = interface.sandbox.take().map(|_| "inside".to_owned());
            if interface.name.starts_with("veth") {
                "veth".clone_into(&mut interface.name);
            }
        }
        result
    });
    let items = ran.events_of("state")[0]["items"].as_array().unwrap().clone();
    let items = items.iter().map(Value::as_str).map(|item| {
        let words = item.unwrap().split(' ').map(|word| match word {
            word if word.starts_with("veth") && word != "veth" => "NAME",
            word => word,
        });
        words.collect::<Vec<_>>().join(" ")
    });
    (results.collect(), items.collect())
}

#[test]
fn both_families_of_plugins_make_the_same_network() {
    let ours = workspace_plugin("bridge");
    let ours = ours.parent().unwrap().to_str().unwrap();
    assert!(workspace_plugin("host-local").starts_with(ours));
    let run = |path| cnitest(&["run", "--json", "--path", path, &data("bridge.conflist")]).with(0);
    let (theirs, ours) = (network(&run(reference())), network(&run(ours)));
    assert_eq!(ours.0, theirs.0);
    assert_eq!(ours.1, theirs.1);
    assert!(ours.1.iter().any(|item| item.starts_with("c2: route default via fd00:1::1")), "{:?}", ours.1);
}
