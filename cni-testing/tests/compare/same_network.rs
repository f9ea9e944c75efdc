//! Debian's plugins and this workspace's make the same network.

use std::collections::BTreeSet;

use cni_testing::types::{AddResult, SpecVersion};
use cni_testing::workspace_plugin;

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
    // DIFFERENCE: ours keeps IPv6 addresses when the interface is set down, as later releases of theirs do. And the made-up
    // names of links are in their sysctls.
    let is_of_both = |item: &&serde_json::Value| {
        !["/keep_addr_on_down = 1", "/conf/veth"].iter().any(|part| item.as_str().unwrap().contains(part))
    };
    let items = items.iter().filter(is_of_both).map(|item| {
        // DIFFERENCE: ours puts an alias on the host's end, for whoever looks at the machine.
        let item = item.as_str().unwrap().split(", alias ").next().unwrap().trim_end_matches(')').to_owned();
        let words: Vec<_> = item.split(' ').collect();
        let is_of_the_moment = |n: usize| n > 0 && matches!(words[n - 1], "veth" | "mac");
        let kept = (0..words.len()).map(|n| if is_of_the_moment(n) { "-" } else { words[n] });
        kept.collect::<Vec<_>>().join(" ")
    });
    (results.collect(), items.collect())
}

#[test]
fn both_families_of_plugins_make_the_same_network() {
    let ours = workspace_plugin("bridge");
    let ours = ours.parent().unwrap().to_str().unwrap();
    assert!(workspace_plugin("host-local").starts_with(ours));
    let run = |path| cnitest(&["run", "--json", "--path", path, &data("bridge.conflist")]).with(0);
    let (theirs, ours) = (network(&run(&reference())), network(&run(ours)));
    assert_eq!(ours.0, theirs.0);
    assert_eq!(ours.1, theirs.1);
    assert!(ours.1.iter().any(|item| item.starts_with("c2: route default via fd00:1::1")), "{:?}", ours.1);
}
