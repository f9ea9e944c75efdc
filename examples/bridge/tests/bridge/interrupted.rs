//! Commands of which a step fails, and attachments that others have changed, on a network in memory.

use std::io;
use std::sync::Arc;

use cni_skel::net::{Bridge, Link, Net};
use cni_skel::seam::{Operation, Watch};
use cni_testing::types::{AddResult, Command, ErrorCode, IpConfig};
use cni_testing::{DelegateReply, FakeNetwork, Rival, json};
use serde_json::Value;

use crate::places::{Place, in_memory};
use crate::world::addresses;

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;
const EBUSY: i32 = 16;

/// Fails each netlink request of one type.
#[derive(Debug)]
struct Refuse(u16);

impl Watch for Refuse {
    fn before(&self, operation: &Operation<'_>) -> io::Result<()> {
        match operation {
            Operation::Request(kind) if *kind == self.0 => Err(io::Error::from_raw_os_error(EBUSY)),
            _ => Ok(()),
        }
    }

    fn after(&self, _: &Operation<'_>) -> io::Result<()> {
        Ok(())
    }
}

fn new_place() -> Place<FakeNetwork> {
    Place::new(FakeNetwork::new())
}

fn veths(host: &Net) -> Vec<Link> {
    host.links().unwrap().into_iter().filter(|link| link.kind.as_deref() == Some("veth")).collect()
}

fn has_address(place: &Place<FakeNetwork>) -> bool {
    place.state.path().join("test/10.1.0.2").exists()
}

/// Attaches the container, and gives the host's end the name and the alias that the reference plugin gives it.
fn add_as_the_reference_does(place: &Place<FakeNetwork>, keys: &Value) -> AddResult {
    let mut result = in_memory(place, Command::Add, keys).run().result();
    let host = place.network.net().unwrap();
    let port = veths(&host)[0].index;
    host.set_down(port).unwrap();
    host.rename(port, "vethdeadbeef").unwrap();
    host.set_alias(port, "").unwrap();
    result.interfaces[1].name = "vethdeadbeef".to_owned();
    result
}

#[test]
fn gc_goes_on_to_ipam_when_the_links_cannot_be_listed() {
    let place = new_place();
    in_memory(&place, Command::Add, &json!({})).run().result();
    let gc = json!({"cni.dev/valid-attachments": []});
    let call = in_memory(&place, Command::Gc, &gc).watched(Arc::new(Refuse(RTM_GETLINK)));
    let error = call.run().error_with(ErrorCode::INTERNAL);
    assert!(error.msg.contains("list links"), "{error:?}");
    assert!(!has_address(&place));
}

#[test]
fn gc_reports_the_link_that_it_cannot_delete_and_what_ipam_reports() {
    let place = new_place();
    in_memory(&place, Command::Add, &json!({})).run().result();
    let gc = json!({"cni.dev/valid-attachments": [], "ipam": {"type": "scripted"}});
    let reply = DelegateReply::gc().failing(ErrorCode::new(123), "the database is gone");
    let call = in_memory(&place, Command::Gc, &gc).delegate("scripted", reply);
    let error = call.watched(Arc::new(Refuse(RTM_DELLINK))).run().error_with(ErrorCode::INTERNAL);
    assert!(error.msg.contains("delete veth") && error.msg.contains("the database is gone"), "{error:?}");
}

#[test]
fn del_keeps_the_address_while_the_link_cannot_be_deleted() {
    let place = new_place();
    let keys = json!({});
    in_memory(&place, Command::Add, &keys).run().result();
    for refused in [RTM_DELLINK, RTM_GETLINK] {
        let call = in_memory(&place, Command::Del, &keys).watched(Arc::new(Refuse(refused)));
        call.run().error_with(ErrorCode::INTERNAL);
        assert!(has_address(&place), "another container could get the address, {refused}");
    }
    in_memory(&place, Command::Del, &keys).run().silent_success();
    assert!(!has_address(&place));
}

#[test]
fn del_finds_the_references_host_end_when_the_container_renamed_its_interface() {
    let place = new_place();
    let keys = json!({});
    let result = add_as_the_reference_does(&place, &keys);
    let inside = place.network.container("c1").net().unwrap();
    let eth0 = inside.link("eth0").unwrap().index;
    inside.set_down(eth0).unwrap();
    inside.rename(eth0, "renamed").unwrap();
    let call = in_memory(&place, Command::Del, &keys).prev_result(&result);
    call.run().silent_success();
    assert!(veths(&place.network.net().unwrap()).is_empty());
    assert!(!has_address(&place));
}

#[test]
fn del_leaves_an_interface_of_the_same_name_in_another_network() {
    let place = new_place();
    in_memory(&place, Command::Add, &json!({})).run().result();
    let other = json!({"name": "other", "ipam": {}});
    in_memory(&place, Command::Add, &other).run().error_with(ErrorCode::INVALID_ENVIRONMENT);
    // A runtime sends DEL after a failed ADD.
    in_memory(&place, Command::Del, &other).run().silent_success();
    assert!(place.network.container("c1").net().unwrap().find_link("eth0").unwrap().is_some());
}

/// Another program, which deletes the bridge before the plugin makes or changes a link, as often as `times` says.
fn deletes_the_bridge(place: &Place<FakeNetwork>, times: usize) -> Rival {
    let host = place.network.net().unwrap();
    let mut left = times;
    let rival = Rival::new(move |_| {
        if let (Some(bridge), 1..) = (host.find_link("br0").unwrap(), left) {
            host.delete_link(bridge.index).unwrap();
            left -= 1;
        }
    });
    rival.only(|operation| matches!(operation, Operation::Request(RTM_NEWLINK | RTM_SETLINK)))
}

#[test]
fn add_succeeds_after_another_program_has_deleted_the_bridge_twice() {
    let place = new_place();
    let rival = deletes_the_bridge(&place, 2);
    in_memory(&place, Command::Add, &json!({})).rival(&rival).run().result();
    let host = place.network.net().unwrap();
    assert_eq!(veths(&host)[0].master, Some(host.link("br0").unwrap().index));
}

#[test]
fn add_asks_for_another_try_after_the_bridge_was_deleted_three_times() {
    for is_met in [
        // Before it is set up, and before it gets its port.
        (|operation| matches!(operation, Operation::Request(RTM_NEWLINK | RTM_SETLINK)))
            as fn(&Operation<'_>) -> bool,
        |operation| matches!(operation, Operation::Request(RTM_NEWLINK)),
    ] {
        let place = new_place();
        let rival = deletes_the_bridge(&place, usize::MAX).only(is_met);
        let error = in_memory(&place, Command::Add, &json!({})).rival(&rival).run();
        let error = error.error_with(ErrorCode::TRY_AGAIN_LATER);
        assert_eq!(error.msg, "bridge br0 was deleted 3 times during this ADD, try again");
        assert!(place.network.net().unwrap().find_link("br0").unwrap().is_none());
        assert!(!has_address(&place));
    }
}

#[test]
fn status_tells_with_code_50_and_all_details_why_add_cannot_be_served() {
    let place = new_place();
    let status =
        |keys: &Value| in_memory(&place, Command::Status, keys).run().error_with(ErrorCode::NOT_AVAILABLE);
    let error = status(&json!({"promiscMode": true, "hairpinMode": true}));
    assert_eq!(error.msg, "promiscMode: true and hairpinMode: true exclude each other");
    place.network.net().unwrap().add_bridge(&Bridge::new("br0")).unwrap();
    let error = status(&json!({"vlan": 7}));
    assert!(error.msg.starts_with("bridge: br0 exists with VLAN filtering off"), "{error:?}");
    let details = error.details.unwrap_or_default();
    assert!(details.contains("ip link set br0 type bridge vlan_filtering 1"), "{details:?}");
}

#[test]
fn an_address_that_ipam_gives_to_another_interface_is_not_put_on_this_one() {
    let place = new_place();
    let keys = json!({"ipam": {"type": "scripted"}});
    let reply = DelegateReply::add(json!({
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "uplink"}],
        "ips": [
            {"address": "192.0.2.9/24", "gateway": "192.0.2.1", "interface": 0},
            {"address": "10.1.0.2/24", "gateway": "10.1.0.1"},
            // There is no such interface, so it can only be the container's.
            {"address": "10.1.0.3/24", "interface": 7},
        ],
        "routes": [{"dst": "10.9.0.0/16"}],
    }));
    let result = in_memory(&place, Command::Add, &keys).delegate("scripted", reply).run().result();
    let of = |ip: &IpConfig| (ip.address.to_string(), result.interfaces[ip.interface.unwrap()].name.clone());
    let ips: Vec<_> = result.ips.iter().map(of).collect();
    let wanted = [("192.0.2.9/24", "uplink"), ("10.1.0.2/24", "eth0"), ("10.1.0.3/24", "eth0")];
    assert_eq!(ips, wanted.map(|(address, name)| (address.to_owned(), name.to_owned())));

    let inside = place.network.container("c1").net().unwrap();
    let eth0 = inside.link("eth0").unwrap().index;
    assert_eq!(addresses(&inside, eth0), ["10.1.0.2/24", "10.1.0.3/24"]);
    let routes: Vec<_> = inside.routes(Some(254)).unwrap().iter().map(ToString::to_string).collect();
    assert!(routes.contains(&"10.9.0.0/16 via 10.1.0.1".to_owned()), "{routes:?}");
    assert!(routes.contains(&"default via 10.1.0.1".to_owned()), "{routes:?}");
    let host = place.network.net().unwrap();
    assert_eq!(addresses(&host, host.link("br0").unwrap().index), ["10.1.0.1/24"]);

    let check = in_memory(&place, Command::Check, &keys).prev_result(&result);
    check.delegate("scripted", DelegateReply::check()).run().silent_success();
}

#[test]
fn a_configuration_that_no_longer_decodes_blocks_neither_del_nor_gc() {
    let invalid = json!({"mtu": "1400"});
    for command in [Command::Del, Command::Gc] {
        let place = new_place();
        let result = in_memory(&place, Command::Add, &json!({"mtu": 1400})).run().result();
        let error = in_memory(&place, Command::Check, &invalid).prev_result(&result).run();
        assert!(error.error_with(ErrorCode::DECODING_FAILURE).msg.starts_with("mtu: "));
        let call = match command {
            Command::Gc => {
                in_memory(&place, command, &json!({"mtu": "1400", "cni.dev/valid-attachments": []}))
            }
            _ => in_memory(&place, command, &invalid),
        };
        call.run().silent_success();
        assert!(veths(&place.network.net().unwrap()).is_empty(), "{command}");
        assert!(!has_address(&place), "{command}");
    }
}
