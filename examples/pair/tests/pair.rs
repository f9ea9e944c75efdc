//! The built binary in real namespaces, with an IPAM plugin that answers from a script.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

use cni_testing::types::{AddResult, Command, ErrorCode, SpecVersion};
use cni_testing::{Binary, Call, DelegateReply, Snapshot, TestNetns, json};

fn call<'a>(command: Command, host: &'a TestNetns, container: &'a TestNetns) -> Call<'a, Binary> {
    let config = json!({"type": "pair", "mtu": 1400, "ipam": {"type": "pool"}});
    let pair = Binary::at(env!("CARGO_BIN_EXE_pair"));
    Call::new(command, pair).host(host).netns(container).config(config)
}

fn state(netns: &TestNetns) -> Snapshot {
    Snapshot::of_netns(netns.netns()).unwrap()
}

#[test]
fn add_connects_host_and_container_and_del_leaves_nothing() {
    let (host, container) = (TestNetns::new(), TestNetns::new());
    let before = (state(&host), state(&container));
    let ip = DelegateReply::add(json!({"cniVersion": "1.0.0", "ips": [{"address": "10.1.0.2/24"}]}));
    let result = call(Command::Add, &host, &container).delegate("pool", ip).run().result();
    assert_eq!((result.interfaces[0].name.as_str(), result.ips[0].interface), ("eth0", Some(0)));
    assert!(state(&container).to_string().contains("address 10.1.0.2/24 on eth0"));
    let check = || call(Command::Check, &host, &container).config(with(&result));
    check().delegate("pool", DelegateReply::check()).run().silent_success();
    let inside = container.net().unwrap();
    let link = inside.link("eth0").unwrap().index;
    let ipv4 = |of: &cni_skel::net::Address| of.address.addr().is_ipv4();
    inside.delete_address(&inside.addresses(Some(link)).unwrap().into_iter().find(ipv4).unwrap()).unwrap();
    assert_eq!(
        check().run().error_with(ErrorCode::plugin(101)).msg,
        "address 10.1.0.2/24 is missing on eth0"
    );
    for _ in 0..2 {
        let del = call(Command::Del, &host, &container).delegate("pool", DelegateReply::del());
        del.run().silent_success();
        state(&host).assert_same_as(&before.0);
        state(&container).assert_same_as(&before.1);
    }
}

/// The configuration with the result of an ADD, as CHECK gets it.
fn with(result: &AddResult) -> serde_json::Value {
    let prev: serde_json::Value = serde_json::from_str(&result.encode(SpecVersion::NEWEST).unwrap()).unwrap();
    json!({"type": "pair", "mtu": 1400, "ipam": {"type": "pool"}, "prevResult": prev})
}

#[test]
fn its_own_error_has_its_own_code_and_nothing_is_left() {
    let (host, container) = (TestNetns::new(), TestNetns::new());
    let before = (state(&host), state(&container));
    let nothing = DelegateReply::add(json!({"cniVersion": "1.0.0", "ips": []}));
    let add = call(Command::Add, &host, &container).delegate("pool", nothing);
    let outcome = add.delegate("pool", DelegateReply::del()).run();
    assert_eq!(outcome.error_with(ErrorCode::plugin(100)).msg, "IPAM returned no address");
    state(&host).assert_same_as(&before.0);
    state(&container).assert_same_as(&before.1);
}

#[test]
fn an_interface_that_is_there_already_fails_add_and_releases_the_address() {
    let (host, container) = (TestNetns::new(), TestNetns::new());
    container.net().unwrap().add_bridge(&cni_skel::net::Bridge::new("eth0")).unwrap();
    let before = (state(&host), state(&container));
    let ip = DelegateReply::add(json!({"cniVersion": "1.0.0", "ips": [{"address": "10.1.0.2/24"}]}));
    let add = call(Command::Add, &host, &container).delegate("pool", ip);
    add.delegate("pool", DelegateReply::del()).run().error_with(ErrorCode::INTERNAL);
    state(&host).assert_same_as(&before.0);
    state(&container).assert_same_as(&before.1);
}

#[test]
fn an_mtu_that_has_become_invalid_does_not_block_del() {
    let (host, container) = (TestNetns::new(), TestNetns::new());
    let before = state(&host);
    let ip = DelegateReply::add(json!({"cniVersion": "1.0.0", "ips": [{"address": "10.1.0.2/24"}]}));
    call(Command::Add, &host, &container).delegate("pool", ip).run().success();
    let invalid = json!({"type": "pair", "mtu": "1400", "ipam": {"type": "pool"}});
    let del = call(Command::Del, &host, &container).config(invalid).delegate("pool", DelegateReply::del());
    del.run().silent_success();
    state(&host).assert_same_as(&before);
}

#[test]
fn its_library_is_at_most_70_lines() {
    assert!(include_str!("../src/lib.rs").lines().count() <= 70);
}
