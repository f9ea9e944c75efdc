//! Each command, on a state directory of its own.

#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};
use support::{Call, OURS, config, tree};

/// A pool of one set with the addresses 10.1.2.2 to 10.1.2.6.
fn small(dir: &Path) -> Value {
    config(dir, json!([[{ "subnet": "10.1.2.0/29" }]]))
}

/// The same, and a set of IPv6 addresses from 2001:db8::2 on.
fn dual_stack(dir: &Path) -> Value {
    config(dir, json!([[{ "subnet": "10.1.2.0/29" }], [{ "subnet": "2001:db8::/64" }]]))
}

/// In the newest version of the specification, which has GC and STATUS.
fn newest(mut config: Value) -> Value {
    config["cniVersion"] = json!("1.1.0");
    config
}

fn add(id: &str, config: &Value) -> String {
    Call::new("ADD", id, config).run(OURS).addresses().remove(0)
}

/// Puts a file into the state directory of the network.
fn put(dir: &Path, name: &str, contents: &str) {
    fs::create_dir_all(dir.join("net")).unwrap();
    fs::write(dir.join("net").join(name), contents).unwrap();
}

/// The names in the state directory of the network.
fn names(dir: &Path) -> Vec<String> {
    tree(&dir.join("net")).into_keys().map(|name| name.to_str().unwrap().to_owned()).collect()
}

#[test]
fn fifty_adds_at_once_get_fifty_addresses() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), json!([[{ "subnet": "10.1.0.0/24" }], [{ "subnet": "2001:db8::/64" }]]));
    let ids: Vec<String> = (0..50).map(|n| format!("c{n}")).collect();
    let calls: Vec<_> = ids.iter().map(|id| Call::new("ADD", id, &config).start(OURS)).collect();
    let addresses: Vec<_> = calls.into_iter().flat_map(|call| call.wait().addresses()).collect();
    assert_eq!(addresses.len(), 100);
    assert_eq!(addresses.iter().collect::<BTreeSet<_>>().len(), 100);
    // They came one after the other, without a gap.
    assert!(
        addresses.contains(&"10.1.0.51/24".to_owned()) && addresses.contains(&"2001:db8::33/64".to_owned())
    );
}

#[test]
fn add_and_del_leave_only_what_the_next_add_starts_from() {
    let dir = tempfile::tempdir().unwrap();
    let call = |command| Call::new(command, "a", &dual_stack(dir.path()));
    assert_eq!(call("ADD").run(OURS).addresses(), ["10.1.2.2/29", "2001:db8::2/64"]);
    assert_eq!(
        names(dir.path()),
        ["10.1.2.2", "2001:db8::2", "last_reserved_ip.0", "last_reserved_ip.1", "lock"]
    );
    assert_eq!(fs::read_to_string(dir.path().join("net/10.1.2.2")).unwrap(), "a\r\neth0");
    assert_eq!(fs::read_to_string(dir.path().join("net/last_reserved_ip.1")).unwrap(), "2001:db8::2");
    call("DEL").run(OURS).ok();
    call("DEL").run(OURS).ok();
    assert_eq!(names(dir.path()), ["last_reserved_ip.0", "last_reserved_ip.1", "lock"]);
}

#[test]
fn a_failed_add_leaves_the_state_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), json!([[{ "subnet": "10.1.0.0/24" }], [{ "subnet": "10.2.0.0/30" }]]));
    add("a", &config);
    let before = tree(dir.path());
    // The second set has no more than one address.
    let exhausted = Call::new("ADD", "b", &config).run(OURS);
    exhausted.failed(
        11,
        &["failed to allocate for range 1: no IP addresses available in range set: 10.2.0.1-10.2.0.2"],
    );
    assert_eq!(tree(dir.path()), before);
    Call::new("ADD", "b", &config).args("IP=10.3.0.9").run(OURS).failed(7, &["all requested IPs: 10.3.0.9"]);
    assert_eq!(tree(dir.path()), before);
    // The last step fails, after both addresses have been reserved.
    fs::remove_file(dir.path().join("net/10.2.0.2")).unwrap();
    fs::remove_file(dir.path().join("net/last_reserved_ip.1")).unwrap();
    fs::create_dir(dir.path().join("net/last_reserved_ip.1")).unwrap();
    let before = tree(dir.path());
    Call::new("ADD", "b", &config).run(OURS).failed(5, &["last_reserved_ip.1"]);
    assert_eq!(tree(dir.path()), before);
}

#[test]
fn an_add_that_failed_once_keeps_the_addresses_of_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let before = config(dir.path(), json!([[{ "subnet": "10.1.0.0/24" }]]));
    add("a", &before);
    let state = tree(dir.path());
    // DIFFERENCE: the reference would release the first address, which a running container uses.
    let more = config(dir.path(), json!([[{ "subnet": "10.9.0.0/24" }], [{ "subnet": "10.1.0.0/24" }]]));
    Call::new("ADD", "a", &more).run(OURS).failed(999, &["range 1: 10.1.0.2 has been allocated to a"]);
    assert_eq!(tree(dir.path()), state);
}

#[test]
fn whenever_an_add_is_killed_its_files_are_whole_and_del_removes_them() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), json!([[{ "subnet": "10.1.0.0/24" }], [{ "subnet": "2001:db8::/64" }]]));
    for n in 0..60 {
        let call = Call::new("ADD", "a", &config).start(OURS);
        std::thread::sleep(std::time::Duration::from_micros(100 * n));
        call.kill();
        for (name, node) in tree(dir.path()) {
            let is_address = name.file_name().unwrap().to_str().unwrap().parse::<std::net::IpAddr>().is_ok();
            assert!(!is_address || node.contents.as_deref() == Some("a\r\neth0"), "{name:?}: {node:?}");
        }
        Call::new("DEL", "a", &config).run(OURS).ok();
        let left = tree(dir.path()).into_keys().filter(|name| name.components().count() > 1);
        let left: Vec<_> = left.map(|name| name.file_name().unwrap().to_str().unwrap().to_owned()).collect();
        assert!(left.iter().all(|name| name == "lock" || name.starts_with("last_reserved_ip.")), "{left:?}");
    }
}

#[test]
fn an_add_whose_result_cannot_be_delivered_is_undone() {
    let dir = tempfile::tempdir().unwrap();
    let config = dual_stack(dir.path());
    add("a", &config);
    let before = tree(dir.path());
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let answer = Call::new("ADD", "b", &config).start_with_stdout(OURS, full.into()).wait();
    assert!(!answer.success, "{answer:#?}");
    assert!(!answer.stderr.is_empty(), "{answer:#?}");
    assert_eq!(tree(dir.path()), before);
}

#[test]
fn an_exhausted_pool_serves_again_after_a_del() {
    let dir = tempfile::tempdir().unwrap();
    let config = newest(small(dir.path()));
    for n in 2..=6 {
        assert_eq!(add(&format!("c{n}"), &config), format!("10.1.2.{n}/29"));
    }
    Call::new("ADD", "d", &config).run(OURS).failed(11, &["range 0", "10.1.2.1-10.1.2.6"]);
    Call::new("STATUS", "", &config).run(OURS).failed(50, &["range set 0", "10.1.2.1-10.1.2.6"]);
    Call::new("DEL", "c4", &config).run(OURS).ok();
    Call::new("STATUS", "", &config).run(OURS).ok();
    assert_eq!(add("d", &config), "10.1.2.4/29");
}

#[test]
fn a_full_part_of_a_vast_range_costs_no_time() {
    let dir = tempfile::tempdir().unwrap();
    for n in 2..500 {
        put(dir.path(), &format!("2001:db8::{n:x}"), "x\r\neth0");
    }
    let config = config(dir.path(), json!([[{ "subnet": "2001:db8::/32" }]]));
    assert_eq!(add("a", &config), "2001:db8::1f4/32");
}

#[test]
fn the_ends_of_the_address_space_are_handed_out_too() {
    let dir = tempfile::tempdir().unwrap();
    // DIFFERENCE: the reference finds no address in a subnet that begins with zeros.
    for (name, subnet, address) in [("a", "0.0.0.0/30", "0.0.0.2/30"), ("b", "::/126", "::2/126")] {
        let call = Call::new("ADD", "a", &config(dir.path(), json!([[{ "subnet": subnet }]])));
        assert_eq!(call.with("name", json!(name)).run(OURS).addresses(), [address]);
    }
}

#[test]
fn what_else_is_in_the_directory_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "10.1.2.03", "a\r\neth0");
    put(dir.path(), "README", "a\r\neth0");
    put(dir.path(), ".unfinished", "left by a crash");
    put(dir.path(), "last_reserved_ip.0", "garbage\0\u{fffd}");
    put(dir.path(), "10.1.2.3", "\u{fffd}garbage\n\n");
    put(dir.path(), "10.1.2.4", &"x".repeat(5000));
    fs::create_dir(dir.path().join("net/10.1.2.2")).unwrap();
    fs::create_dir(dir.path().join("net/sub")).unwrap();
    fs::write(dir.path().join("net/sub/10.1.2.6"), "a\r\neth0").unwrap();
    symlink("/nonexistent", dir.path().join("net/10.1.2.5")).unwrap();
    let before = tree(dir.path());

    assert_eq!(add("a", &small(dir.path())), "10.1.2.6/29");
    Call::new("ADD", "b", &small(dir.path())).run(OURS).failed(11, &["range 0"]);
    Call::new("DEL", "a", &small(dir.path())).run(OURS).ok();
    let mut after = tree(dir.path());
    for (name, node) in before {
        let is_ours = name.ends_with(".unfinished") || name.ends_with("last_reserved_ip.0");
        assert!(is_ours || after.remove(&name) == Some(node), "{}", name.display());
    }
}

#[test]
fn files_that_a_crash_emptied_are_free_again() {
    let dir = tempfile::tempdir().unwrap();
    for n in 2..=6 {
        put(dir.path(), &format!("10.1.2.{n}"), if n == 4 { "\n" } else { "" });
    }
    let config = newest(small(dir.path()));
    Call::new("STATUS", "", &config).run(OURS).ok();
    assert_eq!(add("a", &config), "10.1.2.2/29");
    let requested = Call::new("ADD", "b", &config).args("IP=10.1.2.4").run(OURS);
    assert_eq!(requested.addresses(), ["10.1.2.4/29"]);
    assert_eq!(fs::read_to_string(dir.path().join("net/10.1.2.4")).unwrap(), "b\r\neth0");
}

#[test]
fn del_needs_neither_ranges_nor_state() {
    let dir = tempfile::tempdir().unwrap();
    add("a", &dual_stack(dir.path()));
    let changed = config(dir.path(), json!([[{ "subnet": "bogus" }], 5]));
    Call::new("DEL", "a", &changed).args("no pair").run(OURS).ok();
    assert_eq!(names(dir.path()), ["last_reserved_ip.0", "last_reserved_ip.1", "lock"]);

    let nowhere = dir.path().join("nowhere");
    Call::new("DEL", "a", &small(&nowhere)).run(OURS).ok();
    assert!(!nowhere.exists());
}

#[test]
fn del_releases_what_is_its_own_and_only_else_what_old_versions_wrote() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "10.1.2.2", "a\r\neth0\n");
    put(dir.path(), "10.1.2.3", "a\r\neth1");
    put(dir.path(), "10.1.2.4", "a");
    put(dir.path(), "10.1.2.5", "ab\r\neth0");
    put(dir.path(), "192.0.2.1", "a\r\neth0");
    // A call that was killed had not come to the point where this gets its name.
    put(dir.path(), ".unfinished", "a\r\neth0");
    let del = || Call::new("DEL", "a", &small(dir.path())).run(OURS).ok();
    del();
    assert_eq!(names(dir.path()), ["10.1.2.3", "10.1.2.4", "10.1.2.5", "lock"]);
    del();
    assert_eq!(names(dir.path()), ["10.1.2.3", "10.1.2.5", "lock"]);
}

#[test]
fn check_looks_for_every_address() {
    let dir = tempfile::tempdir().unwrap();
    let config = dual_stack(dir.path());
    let result = Call::new("ADD", "a", &config).run(OURS).ok();
    let check =
        |id, result: &Value| Call::new("CHECK", id, &config).with("prevResult", result.clone()).run(OURS);
    check("a", &result).ok();
    // Addresses of other plugins in the chain are not ours to look after.
    let mut more = result.clone();
    more["ips"].as_array_mut().unwrap().push(json!({ "address": "192.0.2.1/24" }));
    check("a", &more).ok();
    // One that would be ours but is not reserved.
    more["ips"][0]["address"] = json!("10.1.2.3/29");
    check("a", &more).failed(999, &["10.1.2.3 is not reserved for container a interface eth0"]);
    // A later plugin of the chain may have dropped addresses from the result; they are still reserved.
    check("a", &json!({ "cniVersion": "1.0.0" })).ok();
    check("b", &result).failed(999, &["10.1.2.2", "2001:db8::2", "range 0", "range 1", "container b"]);

    fs::remove_file(dir.path().join("net/2001:db8::2")).unwrap();
    check("a", &result).failed(999, &["2001:db8::2 is not reserved", "range 1, 2001:db8::1-"]);
    let state = tree(dir.path());
    check("a", &json!({ "cniVersion": "1.0.0" })).failed(999, &["range 1"]);
    assert_eq!(tree(dir.path()), state);
}

#[test]
fn gc_keeps_what_is_valid_and_what_is_not_an_address() {
    let dir = tempfile::tempdir().unwrap();
    let kept = [
        ("10.1.2.2", "a\r\neth0"),
        ("10.1.2.3", "a\r\neth1"),
        ("192.0.2.9", "b\r\neth0"),
        ("last_reserved_ip.0", "x\r\neth0"),
        ("lock", ""),
        ("notes", "x\r\neth0"),
        ("2001:db8::2", "a"),
    ];
    let stale = [
        ("10.1.2.4", "a\r\neth2"),
        ("10.1.2.5", "x\r\neth0"),
        ("10.1.2.6", ""),
        ("192.0.2.1", "x"),
        ("2001:db8::3", "garbage"),
    ];
    for (name, contents) in kept.iter().chain(&stale) {
        put(dir.path(), name, contents);
    }
    let gc = |valid: Value| {
        Call::new("GC", "", &newest(dual_stack(dir.path())))
            .with("cni.dev/valid-attachments", valid)
            .run(OURS)
            .ok()
    };
    // Without a list nothing is known to be stale.
    let before = tree(dir.path());
    Call::new("GC", "", &newest(dual_stack(dir.path()))).run(OURS).ok();
    assert_eq!(tree(dir.path()), before);

    gc(json!([
        { "containerID": "a", "ifname": "eth0" },
        { "containerID": "a", "ifname": "eth1" },
        { "containerID": "b", "ifname": "eth0" },
    ]));
    let left: BTreeSet<_> = names(dir.path()).into_iter().collect();
    assert_eq!(left, kept.iter().map(|(name, _)| (*name).to_owned()).collect());

    gc(json!([]));
    let left: BTreeSet<_> = names(dir.path()).into_iter().collect();
    assert_eq!(left, ["last_reserved_ip.0", "lock", "notes"].map(str::to_owned).into());
}

#[test]
fn gc_and_status_make_no_directory() {
    let dir = tempfile::tempdir().unwrap();
    let config = newest(small(&dir.path().join("a/b")));
    Call::new("STATUS", "", &config).run(OURS).ok();
    Call::new("GC", "", &config).with("cni.dev/valid-attachments", json!([])).run(OURS).ok();
    assert!(tree(dir.path()).is_empty());
}

#[test]
fn status_knows_that_ranges_may_come_with_each_add() {
    let dir = tempfile::tempdir().unwrap();
    let without = Call::new("STATUS", "", &newest(config(dir.path(), json!([]))));
    without.run(OURS).failed(7, &["no IP ranges specified"]);
    without.with("capabilities", json!({ "ipRanges": true })).run(OURS).ok();
}

#[test]
fn a_state_directory_that_cannot_be_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let file_name = file.to_str().unwrap();
    Call::new("ADD", "a", &small(&file)).run(OURS).failed(5, &[file_name]);
    Call::new("STATUS", "", &newest(small(&file))).run(OURS).failed(50, &[file_name]);
    // sysfs lets nobody make a folder, root included, as a read-only file system does.
    let sysfs = Path::new("/sys/kernel");
    Call::new("ADD", "a", &small(sysfs)).run(OURS).failed(5, &["cannot create /sys/kernel/net"]);
    assert_eq!(tree(dir.path()).len(), 1);
}

#[test]
fn a_resolver_file_that_is_missing_is_named_before_anything_is_reserved() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = small(dir.path());
    config["ipam"]["resolvConf"] = json!("/nonexistent/resolv.conf");
    Call::new("ADD", "a", &config).run(OURS).failed(5, &["ipam.resolvConf", "/nonexistent/resolv.conf"]);
    assert!(tree(dir.path()).is_empty());
}

#[test]
fn what_is_wrong_with_a_configuration_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let add = |config: &Value| Call::new("ADD", "a", config).run(OURS);
    let with = |ranges: Value| add(&config(dir.path(), ranges));
    with(json!([[{ "subnet": "10.1.2.0/24", "rangeStart": "10.1.3.1" }]]))
        .failed(7, &["range set 0", "ipam.ranges[0]", "rangeStart 10.1.3.1", "10.1.2.0/24"]);
    with(json!([[{ "subnet": "10.1.2.0/24" }], [{ "subnet": "10.1.0.0/16" }]]))
        .failed(7, &["range set 0 overlaps with 1", "10.1.2.1-10.1.2.254", "10.1.0.1-10.1.255.254"]);
    with(json!([[{ "subnet": "10.1.2/24" }]])).failed(7, &["ipam.ranges[0][0].subnet", "10.1.2/24"]);
    with(json!([[{ "subnet": 7 }]])).failed(6, &["ipam.ranges[0][0].subnet"]);
    with(json!([])).failed(7, &["no IP ranges specified"]);
    add(&json!({ "cniVersion": "1.0.0", "name": "net" })).failed(7, &["ipam.ranges"]);

    let two = config(dir.path(), json!([[{ "subnet": "10.1.0.0/24" }], [{ "subnet": "10.2.0.0/24" }]]));
    Call::new("ADD", "a", &two)
        .with("cniVersion", json!("0.2.0"))
        .run(OURS)
        .failed(7, &["0.2.0", "ipam.ranges"]);

    let requested = Call::new("ADD", "a", &small(dir.path()));
    requested
        .clone()
        .with("args", json!({ "cni": { "ips": ["10.1.2"] } }))
        .run(OURS)
        .failed(7, &["args.cni.ips[0]", "10.1.2"]);
    requested
        .clone()
        .with("runtimeConfig", json!({ "ips": ["x"] }))
        .run(OURS)
        .failed(7, &["runtimeConfig.ips[0]", "x"]);
    requested.clone().args("IP=x").run(OURS).failed(4, &["CNI_ARGS", "IP=x"]);
    requested.clone().args("IP").run(OURS).failed(4, &["CNI_ARGS"]);
    requested
        .args("IP=10.1.2.3")
        .with("runtimeConfig", json!({ "ips": ["10.1.2.4", "10.9.9.9"] }))
        .run(OURS)
        .failed(7, &["failed to allocate all requested IPs: 10.1.2.4 10.9.9.9"]);
    assert!(tree(dir.path()).is_empty());
}

#[test]
fn arguments_for_other_plugins_are_let_through() {
    let dir = tempfile::tempdir().unwrap();
    // DIFFERENCE: the reference refuses what it does not know, unless IgnoreUnknown is set.
    let call = Call::new("ADD", "a", &small(dir.path())).args("MAC=02:00:00:00:00:01;IP=10.1.2.5");
    assert_eq!(call.run(OURS).addresses(), ["10.1.2.5/29"]);
}
