//! Debian's plugins.

use std::fs;

use crate::program::{cnitest, data, reference};

#[test]
fn two_containers_come_talk_and_go() {
    let ran = cnitest(&["run", "--json", "--path", &reference(), &data("bridge.conflist")]).with(0);
    let order = [
        "ADD bridge c0 (ADD host-local)",
        "DEL bridge c0 (DEL host-local)",
        "ADD bridge c1 (ADD host-local)",
        "ADD bridge c2 (ADD host-local)",
        "CHECK bridge c1 (CHECK host-local)",
        "CHECK bridge c2 (CHECK host-local)",
        "DEL bridge c2 (DEL host-local)",
        "DEL bridge c1 (DEL host-local)",
        "DEL bridge c2 (DEL host-local)",
        "DEL bridge c1 (DEL host-local)",
    ];
    assert_eq!(ran.calls(), order);

    let exchanges = ran.events_of("exchange");
    assert_eq!(exchanges.len(), 8, "TCP and UDP, IPv4 and IPv6, both ways");
    assert!(exchanges.iter().all(|exchange| exchange.get("error").is_none()));
    assert_eq!(exchanges[0]["bytes"], 65536);

    let left = &ran.events_of("left")[0];
    assert_eq!(left["leaked"], serde_json::json!([]));
    let kept = left["kept"].as_array().unwrap();
    assert!(kept.contains(&"bridge cni0 (up, mtu 1500)".into()), "{kept:?}");
    assert!(kept.contains(&"file /var/lib/cni/networks/lan/lock".into()), "{kept:?}");
    assert_eq!(ran.events().last().unwrap()["ok"], true);
}

#[test]
fn the_machine_does_not_notice() {
    let links = || fs::read_to_string("/proc/net/dev").unwrap();
    let folders = ["/var/lib/cni", "/run/cni", "/run/cnitest"];
    let files = || folders.map(|folder| fs::read_dir(folder).map(Iterator::count).ok());
    let before = (links().lines().count(), files());
    cnitest(&["run", "--path", &reference(), &data("bridge.conflist")]).with(0);
    assert_eq!((links().lines().count(), files()), before);
    assert!(!fs::read_to_string("/proc/self/mountinfo").unwrap().contains("cnitest"));
}

#[test]
fn the_text_shows_calls_addresses_traffic_and_what_is_left() {
    let ran = cnitest(&["run", "--path", &reference(), &data("bridge.conflist")]).with(0);
    let lines: Vec<String> =
        ran.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let has = |start: &str, end: &str| lines.iter().any(|line| line.starts_with(start) && line.contains(end));
    assert!(has("network lan - bridge, host-local - version 1.0.0, 2 containers", ""), "{}", ran.stdout);
    assert!(has("ADD bridge c1 ", " ms eth0 10.1.0.3/16 fd00:1::3/64 [host: cni0 veth"), "{}", ran.stdout);
    assert!(has("ADD host-local ", " ms 10.1.0.3/16 fd00:1::3/64"), "{}", ran.stdout);
    assert!(has("TCP c1 10.1.0.3 <-> c2 10.1.0.4 ", " ms 64 KiB each way"), "{}", ran.stdout);
    assert!(has("UDP c2 fd00:1::4 <-> c1 fd00:1::3 ", " ms 1200 bytes each way"), "{}", ran.stdout);
    assert!(
        has("no GC: the configuration has version 1.0.0, and GC exists since 1.1.0", ""),
        "{}",
        ran.stdout
    );
    assert!(has("nothing", ""), "{}", ran.stdout);
    assert!(has("all is well: 10 plugin calls in ", ", 8 exchanges between containers"), "{}", ran.stdout);
    assert!(!ran.stdout.contains('\u{1b}'), "no colours where there is no terminal");
}

#[test]
fn a_network_without_addresses_is_no_failure() {
    let loopback =
        cnitest(&["run", "--json", "--path", &reference(), "--ifname", "lo", &data("loopback.conflist")]);
    assert!(loopback.with(0).events_of("exchange").is_empty());
    let one = cnitest(&["run", "--path", &reference(), "--containers=1", &data("bridge.conflist")]).with(0);
    assert!(one.stdout.contains("no traffic: there is only one container"), "{}", one.stdout);
}

#[test]
fn a_network_on_a_link_of_the_host_finds_one() {
    let ran = cnitest(&["run", "--json", "--path", &reference(), &data("macvlan.conflist")]).with(0);
    assert_eq!(ran.events_of("exchange").len(), 4);
    let note = &ran.events_of("note")[0]["text"];
    assert_eq!(note, "made link eth0, which the configuration names; it leads nowhere");
}

#[test]
fn a_device_of_the_host_goes_into_one_container_after_the_other_and_is_given_back() {
    let ran = cnitest(&["run", "--json", "--path", &reference(), &data("host-device.conflist")]).with(1);
    let order = [
        "ADD host-device c0 (ADD static)",
        "DEL host-device c0 (DEL static)",
        "ADD host-device c1 (ADD static)",
        "CHECK host-device c1 (CHECK static)",
        "DEL host-device c1 (DEL static)",
        "DEL host-device c1 (DEL static)",
    ];
    assert_eq!(ran.calls(), order);
    let calls = ran.events_of("call");
    // Its DEL does not do without the interface, and only that one failed.
    assert!(calls[5]["error"].as_str().unwrap().contains("failed to find \"eth0\""), "{}", calls[5]);
    assert_eq!(ran.events().last().unwrap()["failures"], 1);
    let notes = ran.events_of("note");
    let is_told = "made link dev0 for a container to take, which the configuration names; it leads nowhere";
    assert_eq!(notes[0]["text"], is_told);
    let left = &ran.events_of("left")[0];
    assert_eq!((&left["leaked"], &left["missing"]), (&serde_json::json!([]), &serde_json::json!([])));
    let kept = left["kept"][0].as_str().unwrap();
    assert!(kept.starts_with("veth dev0 (down, ") && kept.ends_with("alias \"dev0\")"), "{kept}");
}
