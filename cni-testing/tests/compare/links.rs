//! Plugins that leave links behind, take them away or do not give them back. They are scripts, and iproute2 is what they do
//! it with.

use crate::program::{Folder, assert_has_iproute2, leaked, network};

#[test]
fn a_link_that_stays_for_each_container_is_a_leak() {
    assert_has_iproute2();
    let folder = network("[ $CNI_COMMAND != ADD ] || ip link add left-$CNI_CONTAINERID type bridge");
    assert_eq!(leaked(&folder), ["bridge left-c1 (down, mtu 1500)", "bridge left-c2 (down, mtu 1500)"]);
}

#[test]
fn what_stays_inside_a_container_is_a_leak_even_of_the_first() {
    assert_has_iproute2();
    let folder = network("[ $CNI_COMMAND != ADD ] || nsenter --net=$CNI_NETNS ip link add left type bridge");
    let item = |id| format!("{id}: bridge left (down, mtu 1500)");
    assert_eq!(leaked(&folder), [item("c0"), item("c1"), item("c2")]);
}

#[test]
fn what_a_plugin_takes_from_the_host_is_missed() {
    assert_has_iproute2();
    let folder = network("ip link set lo down");
    let ran = folder.run(&["--json"]).with(1);
    let missing = ran.events_of("left")[0]["missing"].clone();
    assert_eq!(missing, serde_json::json!(["link lo (up, mtu 65536, mac 00:00:00:00:00:00)"]));
}

/// A network whose plugin takes a device into the container, and does this when it is to give it back.
fn taking(device: &str, give_back: &str) -> Folder {
    let conflist = format!(
        r#"{{"cniVersion": "1.1.0", "name": "lan", "plugins": [{{"type": "first", "device": "{device}"}}]}}"#
    );
    let shell = format!(
        "inside() {{ nsenter --net=$CNI_NETNS ip link \"$@\"; }}
         case $CNI_COMMAND in
         ADD) mkdir -p /run/netns; touch /run/netns/host; mount --bind /proc/self/ns/net /run/netns/host
              ip link set dev0 netns $CNI_NETNS name eth0 && inside set eth0 up && echo '{{}}';;
         DEL) ! inside show eth0 >/dev/null 2>&1 || {{ {give_back}; }}
              ! umount /run/netns/host 2>/dev/null || rm /run/netns/host;;
         esac"
    );
    Folder::new(&conflist).plugin("first", &shell)
}

const GIVEN_BACK: &str = "inside set eth0 down && inside set eth0 netns host name dev0";

#[test]
fn a_device_can_be_taken_by_one_container_at_a_time_and_is_all_there_again_in_the_end() {
    assert_has_iproute2();
    let folder = taking("dev0", GIVEN_BACK);
    let ran = folder.run(&["--json"]).with(0);
    let order =
        ["ADD first c0", "DEL first c0", "ADD first c1", "CHECK first c1", "DEL first c1", "DEL first c1"];
    let calls: Vec<_> = ran.calls().into_iter().filter(|call| call.contains(" c")).collect();
    assert_eq!(calls, order);
    assert_eq!(ran.events_of("left")[0]["kept"], serde_json::json!([]));
    // Whoever wants two gets what two get.
    let ran = folder.run(&["--json", "--containers", "2"]).with(1);
    assert!(ran.events_of("call").iter().any(|call| call["container"] == "c2" && call["error"].is_string()));
}

#[test]
fn a_device_that_is_not_given_back_is_missed() {
    assert_has_iproute2();
    let ran = taking("dev0", "inside del eth0").run(&["--json"]).with(1);
    let missing = ran.events_of("left")[0]["missing"].clone();
    assert!(missing[0].as_str().unwrap().starts_with("veth dev0 (down, "), "{missing}");
}
