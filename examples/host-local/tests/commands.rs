//! Each command, in process, on a state directory of its own.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use cni_testing::types::ErrorCode;
use cni_testing::{Call, Outcome, json};
use host_local::HostLocal;
use serde_json::Value;
use support::{config, tree};

type HostLocalCall = Call<'static, &'static HostLocal>;

fn add(id: &str, config: &Value) -> HostLocalCall {
    Call::add(&HostLocal).container_id(id).config(config)
}

fn del(id: &str, config: &Value) -> HostLocalCall {
    Call::del(&HostLocal).container_id(id).config(config)
}

fn check(id: &str, config: &Value, previous: &Value) -> Outcome {
    Call::check(&HostLocal).container_id(id).config(with(config, "prevResult", previous.clone())).run()
}

fn gc(config: &Value) -> HostLocalCall {
    Call::gc(&HostLocal).config(config)
}

fn status(config: &Value) -> HostLocalCall {
    Call::status(&HostLocal).config(config)
}

/// A pool of one set with the addresses 10.1.2.2 to 10.1.2.6.
fn small(dir: &Path) -> Value {
    newest(config(dir, json!([[{ "subnet": "10.1.2.0/29" }]])))
}

/// The same, and a set of IPv6 addresses from 2001:db8::2 on.
fn dual_stack(dir: &Path) -> Value {
    newest(config(dir, json!([[{ "subnet": "10.1.2.0/29" }], [{ "subnet": "2001:db8::/64" }]])))
}

/// In the newest version of the specification, which has GC and STATUS.
fn newest(config: Value) -> Value {
    with(&config, "cniVersion", json!("1.1.0"))
}

/// The same configuration with another value for a key.
fn with(config: &Value, key: &str, value: Value) -> Value {
    let mut config = config.clone();
    config[key] = value;
    config
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

/// The addresses of a result, with their prefixes.
#[track_caller]
fn addresses(call: HostLocalCall) -> Vec<String> {
    call.run().result().ips.iter().map(|ip| ip.address.to_string()).collect()
}

#[track_caller]
fn succeeds(call: HostLocalCall) {
    let _ = call.run().silent_success();
}

/// Asserts that the call fails with this code and a message that holds all of these words.
#[track_caller]
fn fails(outcome: &Outcome, code: u32, words: &[&str]) {
    let error = outcome.error_with(ErrorCode::new(code));
    for word in words {
        assert!(error.msg.contains(word), "no {word:?} in {:?}", error.msg);
    }
}

#[test]
fn add_and_del_leave_only_what_the_next_add_starts_from() {
    let dir = tempfile::tempdir().unwrap();
    let config = dual_stack(dir.path());
    assert_eq!(addresses(add("a", &config)), ["10.1.2.2/29", "2001:db8::2/64"]);
    assert_eq!(
        names(dir.path()),
        ["10.1.2.2", "2001:db8::2", "last_reserved_ip.0", "last_reserved_ip.1", "lock"]
    );
    assert_eq!(fs::read_to_string(dir.path().join("net/10.1.2.2")).unwrap(), "a\r\neth0");
    assert_eq!(fs::read_to_string(dir.path().join("net/last_reserved_ip.1")).unwrap(), "2001:db8::2");
    succeeds(del("a", &config));
    succeeds(del("a", &config));
    assert_eq!(names(dir.path()), ["last_reserved_ip.0", "last_reserved_ip.1", "lock"]);
}

#[test]
fn a_failed_add_leaves_the_state_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), json!([[{ "subnet": "10.1.0.0/24" }], [{ "subnet": "10.2.0.0/30" }]]));
    addresses(add("a", &config));
    let before = tree(dir.path());
    // The second set has no more than one address.
    let exhausted = add("b", &config).run();
    fails(
        &exhausted,
        11,
        &["failed to allocate for range 1: no IP addresses available in range set: 10.2.0.1-10.2.0.2"],
    );
    assert_eq!(tree(dir.path()), before);
    fails(&add("b", &config).args("IP=10.3.0.9").run(), 7, &["all requested IPs: 10.3.0.9"]);
    assert_eq!(tree(dir.path()), before);
    // The last step fails, after both addresses have been reserved.
    fs::remove_file(dir.path().join("net/10.2.0.2")).unwrap();
    fs::remove_file(dir.path().join("net/last_reserved_ip.1")).unwrap();
    fs::create_dir(dir.path().join("net/last_reserved_ip.1")).unwrap();
    let before = tree(dir.path());
    fails(&add("b", &config).run(), 5, &["last_reserved_ip.1"]);
    assert_eq!(tree(dir.path()), before);
}

#[test]
fn an_add_that_failed_once_keeps_the_addresses_of_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let before = config(dir.path(), json!([[{ "subnet": "10.1.0.0/24" }]]));
    addresses(add("a", &before));
    let state = tree(dir.path());
    // DIFFERENCE: the reference would release the first address, which a running container uses.
    let more = config(dir.path(), json!([[{ "subnet": "10.9.0.0/24" }], [{ "subnet": "10.1.0.0/24" }]]));
    fails(&add("a", &more).run(), 999, &["range 1: 10.1.0.2 has been allocated to a"]);
    assert_eq!(tree(dir.path()), state);
}

#[test]
fn an_exhausted_pool_serves_again_after_a_del() {
    let dir = tempfile::tempdir().unwrap();
    let config = small(dir.path());
    for n in 2..=6 {
        assert_eq!(addresses(add(&format!("c{n}"), &config)), [format!("10.1.2.{n}/29")]);
    }
    fails(&add("d", &config).run(), 11, &["range 0", "10.1.2.1-10.1.2.6"]);
    fails(&status(&config).run(), 50, &["range set 0", "10.1.2.1-10.1.2.6"]);
    succeeds(del("c4", &config));
    succeeds(status(&config));
    assert_eq!(addresses(add("d", &config)), ["10.1.2.4/29"]);
}

#[test]
fn a_full_part_of_a_vast_range_costs_no_time() {
    let dir = tempfile::tempdir().unwrap();
    for n in 2..500 {
        put(dir.path(), &format!("2001:db8::{n:x}"), "x\r\neth0");
    }
    let config = config(dir.path(), json!([[{ "subnet": "2001:db8::/32" }]]));
    assert_eq!(addresses(add("a", &config)), ["2001:db8::1f4/32"]);
}

#[test]
fn the_ends_of_the_address_space_are_handed_out_too() {
    let dir = tempfile::tempdir().unwrap();
    // DIFFERENCE: the reference finds no address in a subnet that begins with zeros.
    for (name, subnet, address) in [("a", "0.0.0.0/30", "0.0.0.2/30"), ("b", "::/126", "::2/126")] {
        let config = with(&config(dir.path(), json!([[{ "subnet": subnet }]])), "name", json!(name));
        assert_eq!(addresses(add("a", &config)), [address]);
    }
}

#[test]
fn a_range_may_be_all_addresses_or_the_last_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let end6 = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let cases = [
        ("all4", json!({ "subnet": "0.0.0.0/0" }), vec!["0.0.0.2/0", "0.0.0.3/0"]),
        ("all6", json!({ "subnet": "::/0" }), vec!["::2/0", "::3/0"]),
        ("eight", json!({ "subnet": "10.0.0.0/8" }), vec!["10.0.0.2/8", "10.0.0.3/8"]),
        // The first and the last address of all, if somebody insists; and around from one to the other.
        (
            "ends4",
            json!({ "subnet": "0.0.0.0/0", "rangeStart": "255.255.255.254", "rangeEnd": "255.255.255.255" }),
            vec!["255.255.255.254/0", "255.255.255.255/0"],
        ),
        (
            "start4",
            json!({ "subnet": "0.0.0.0/0", "rangeStart": "0.0.0.0", "rangeEnd": "0.0.0.2" }),
            vec!["0.0.0.0/0", "0.0.0.2/0"],
        ),
        (
            "ends6",
            json!({ "subnet": "::/0", "rangeStart": "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", "rangeEnd": end6 }),
            vec!["ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/0"],
        ),
        ("start6", json!({ "subnet": "::/0", "rangeStart": "::", "rangeEnd": "::2" }), vec!["::/0", "::2/0"]),
    ];
    for (name, range, wanted) in cases {
        let config = with(&newest(config(dir.path(), json!([[range]]))), "name", json!(name));
        for (id, address) in ["a", "b"].iter().zip(&wanted) {
            assert_eq!(addresses(add(id, &config)), [*address], "{name}");
        }
        if name.starts_with("ends") || name.starts_with("start") {
            fails(&add("c", &config).run(), 11, &["no IP addresses available"]);
            fails(&status(&config).run(), 50, &["range set 0"]);
            // The search begins behind the end of all addresses.
            succeeds(del("a", &config));
            assert_eq!(addresses(add("c", &config)), [wanted[0]], "{name}");
            succeeds(del("c", &config));
        }
        let valid = with(&config, "cni.dev/valid-attachments", json!([]));
        succeeds(gc(&valid));
        let left = tree(&dir.path().join(name)).into_keys().map(|name| name.to_str().unwrap().to_owned());
        assert_eq!(left.collect::<Vec<_>>(), ["last_reserved_ip.0", "lock"], "{name}");
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

    assert_eq!(addresses(add("a", &small(dir.path()))), ["10.1.2.6/29"]);
    fails(&add("b", &small(dir.path())).run(), 11, &["range 0"]);
    succeeds(del("a", &small(dir.path())));
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
    let config = small(dir.path());
    succeeds(status(&config));
    assert_eq!(addresses(add("a", &config)), ["10.1.2.2/29"]);
    assert_eq!(addresses(add("b", &config).args("IP=10.1.2.4")), ["10.1.2.4/29"]);
    assert_eq!(fs::read_to_string(dir.path().join("net/10.1.2.4")).unwrap(), "b\r\neth0");
}

#[test]
fn what_zeros_have_been_left_of_is_free_again_too() {
    let dir = tempfile::tempdir().unwrap();
    for n in 2..=6 {
        put(dir.path(), &format!("10.1.2.{n}"), &"\0".repeat(11));
    }
    assert_eq!(addresses(add("a", &small(dir.path())).args("IP=10.1.2.5")), ["10.1.2.5/29"]);
    // All who are known to be nobody's go when the folder is read anyway.
    assert_eq!(names(dir.path()), ["10.1.2.5", "last_reserved_ip.0", "lock"]);
}

#[test]
fn what_is_excluded_is_never_handed_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = newest(config(
        dir.path(),
        json!([
            [{ "subnet": "10.1.2.0/28", "exclude": ["10.1.2.2", "10.1.2.8/29"] }],
            [{ "subnet": "2001:db8::/64" }],
        ]),
    ));
    config["ipam"]["exclude"] = json!(["10.1.2.4-10.1.2.6", "2001:db8::-2001:db8::ffff", "192.0.2.1"]);
    assert_eq!(addresses(add("a", &config)), ["10.1.2.3/28", "2001:db8::1:0/64"]);
    assert_eq!(addresses(add("b", &config)), ["10.1.2.7/28", "2001:db8::1:1/64"]);
    for address in ["10.1.2.2", "10.1.2.5", "2001:db8::9"] {
        succeeds(del("b", &config));
        fails(&add("c", &config).args(&format!("IP={address}")).run(), 7, &[address, "is excluded"]);
    }
    assert_eq!(addresses(add("b", &config)), ["10.1.2.7/28", "2001:db8::1:2/64"]);
    fails(&add("c", &config).run(), 11, &["range 0", "no IP addresses available"]);
    fails(&status(&config).run(), 50, &["range set 0"]);
    // Who holds one from before keeps it, and gives it back.
    put(dir.path(), "10.1.2.5", "old\r\neth0");
    put(dir.path(), "2001:db8::9", "old\r\neth0");
    let previous = json!({ "ips": [{ "address": "10.1.2.5/28" }, { "address": "2001:db8::9/64" }] });
    let _ = check("old", &config, &previous).silent_success();
    succeeds(del("old", &config));
    assert!(!names(dir.path()).contains(&"10.1.2.5".to_owned()));
}

#[test]
fn the_old_form_of_a_range_has_exclusions_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = newest(config(dir.path(), json!([])));
    config["ipam"]["subnet"] = json!("10.1.2.0/29");
    config["ipam"]["exclude"] = json!(["10.1.2.2-10.1.2.5"]);
    assert_eq!(addresses(add("a", &config)), ["10.1.2.6/29"]);
}

#[test]
fn an_exclusion_that_is_none_is_named() {
    let dir = tempfile::tempdir().unwrap();
    for (exclude, words) in [
        (json!(["10.1.2"]), ["ipam.exclude[0]", "10.1.2"]),
        (json!(["10.1.2.3", "10.1.2.9-10.1.2.8"]), ["ipam.exclude[1]", "10.1.2.9-10.1.2.8"]),
        (json!(["10.1.2.3/40"]), ["ipam.exclude[0]", "10.1.2.3/40"]),
    ] {
        let mut config = small(dir.path());
        config["ipam"]["exclude"] = exclude;
        fails(&add("a", &config).run(), 7, &words);
        // DEL does not care.
        succeeds(del("a", &config));
    }
    let range = json!([[{ "subnet": "10.1.2.0/29", "exclude": ["10.1.3.1"] }]]);
    fails(&add("a", &newest(config(dir.path(), range))).run(), 7, &["ipam.ranges[0]", "exclude 10.1.3.1"]);
    assert!(tree(dir.path()).is_empty());
}

/// Dates a file in the state directory back to before any boot.
fn date_back(dir: &Path, name: &str) {
    let file = fs::File::options().write(true).open(dir.join("net").join(name)).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
}

#[test]
fn what_a_reboot_orphaned_is_released_once_and_only_where_that_is_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = small(dir.path());
    let earlier_boot = "00000000-0000-4000-8000-000000000000";
    let mark = dir.path().join(".net.boot");
    for n in 2..=6 {
        put(dir.path(), &format!("10.1.2.{n}"), "orphan\r\neth0");
        if n != 4 {
            date_back(dir.path(), &format!("10.1.2.{n}"));
        }
    }
    fs::write(&mark, earlier_boot).unwrap();
    fails(&add("a", &config).run(), 11, &["range 0"]);
    assert_eq!(fs::read_to_string(&mark).unwrap(), earlier_boot);

    config["ipam"]["reclaimAfterReboot"] = json!(true);
    succeeds(status(&config));
    assert_eq!(addresses(add("a", &config)), ["10.1.2.2/29"]);
    // What another implementation has handed out since the boot stays.
    assert_eq!(names(dir.path()), ["10.1.2.2", "10.1.2.4", "last_reserved_ip.0", "lock"]);
    assert_ne!(fs::read_to_string(&mark).unwrap(), earlier_boot);

    // Where the clock was wrong at first, the files of this boot look old: they stay.
    date_back(dir.path(), "10.1.2.2");
    assert_eq!(addresses(add("b", &config)), ["10.1.2.3/29"]);
    assert!(names(dir.path()).contains(&"10.1.2.2".to_owned()));
}

#[test]
fn a_network_that_was_not_reclaimed_before_loses_nothing() {
    for mark in [None, Some(""), Some("garbage")] {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "10.1.2.2", "running\r\neth0");
        date_back(dir.path(), "10.1.2.2");
        if let Some(mark) = mark {
            fs::write(dir.path().join(".net.boot"), mark).unwrap();
        }
        let mut config = small(dir.path());
        config["ipam"]["reclaimAfterReboot"] = json!(true);
        assert_eq!(addresses(add("a", &config)), ["10.1.2.3/29"]);
        assert!(names(dir.path()).contains(&"10.1.2.2".to_owned()));
        assert_eq!(addresses(add("b", &config)), ["10.1.2.4/29"]);
    }
}

#[test]
fn del_needs_neither_ranges_nor_state() {
    let dir = tempfile::tempdir().unwrap();
    addresses(add("a", &dual_stack(dir.path())));
    let changed = config(dir.path(), json!([[{ "subnet": "bogus" }], 5]));
    succeeds(del("a", &changed).args("no pair"));
    assert_eq!(names(dir.path()), ["last_reserved_ip.0", "last_reserved_ip.1", "lock"]);

    let nowhere = dir.path().join("nowhere");
    succeeds(del("a", &small(&nowhere)));
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
    succeeds(del("a", &small(dir.path())));
    assert_eq!(names(dir.path()), ["10.1.2.3", "10.1.2.4", "10.1.2.5", "lock"]);
    succeeds(del("a", &small(dir.path())));
    assert_eq!(names(dir.path()), ["10.1.2.3", "10.1.2.5", "lock"]);
}

#[test]
fn check_looks_for_every_address() {
    let dir = tempfile::tempdir().unwrap();
    let config = dual_stack(dir.path());
    let result = add("a", &config).run().json();
    let check = |id, result: &Value| check(id, &config, result);
    let _ = check("a", &result).silent_success();
    // Addresses of other plugins in the chain are not ours to look after.
    let mut more = result.clone();
    more["ips"].as_array_mut().unwrap().push(json!({ "address": "192.0.2.1/24" }));
    let _ = check("a", &more).silent_success();
    // One that would be ours but is not reserved.
    more["ips"][0]["address"] = json!("10.1.2.3/29");
    fails(&check("a", &more), 999, &["10.1.2.3 is not reserved for container a interface eth0"]);
    // A later plugin of the chain may have dropped addresses from the result; they are still reserved.
    let _ = check("a", &json!({ "cniVersion": "1.0.0" })).silent_success();
    fails(&check("b", &result), 999, &["10.1.2.2", "2001:db8::2", "range 0", "range 1", "container b"]);

    fs::remove_file(dir.path().join("net/2001:db8::2")).unwrap();
    fails(&check("a", &result), 999, &["2001:db8::2 is not reserved", "range 1, 2001:db8::1-"]);
    let state = tree(dir.path());
    fails(&check("a", &json!({ "cniVersion": "1.0.0" })), 999, &["range 1"]);
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
    let config = dual_stack(dir.path());
    let collect = |valid| succeeds(gc(&with(&config, "cni.dev/valid-attachments", valid)));
    // Without a list nothing is known to be stale.
    let before = tree(dir.path());
    succeeds(gc(&config));
    assert_eq!(tree(dir.path()), before);

    collect(json!([
        { "containerID": "a", "ifname": "eth0" },
        { "containerID": "a", "ifname": "eth1" },
        { "containerID": "b", "ifname": "eth0" },
    ]));
    let left: BTreeSet<_> = names(dir.path()).into_iter().collect();
    assert_eq!(left, kept.iter().map(|(name, _)| (*name).to_owned()).collect());

    collect(json!([]));
    let left: BTreeSet<_> = names(dir.path()).into_iter().collect();
    assert_eq!(left, ["last_reserved_ip.0", "lock", "notes"].map(str::to_owned).into());
}

#[test]
fn gc_and_status_make_no_directory() {
    let dir = tempfile::tempdir().unwrap();
    let config = small(&dir.path().join("a/b"));
    succeeds(status(&config));
    succeeds(gc(&with(&config, "cni.dev/valid-attachments", json!([]))));
    assert!(tree(dir.path()).is_empty());
}

#[test]
fn status_knows_that_ranges_may_come_with_each_add() {
    let dir = tempfile::tempdir().unwrap();
    let config = newest(config(dir.path(), json!([])));
    fails(&status(&config).run(), 7, &["no IP ranges specified"]);
    succeeds(status(&with(&config, "capabilities", json!({ "ipRanges": true }))));
}

#[test]
fn a_state_directory_that_cannot_be_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let file_name = file.to_str().unwrap();
    fails(&add("a", &small(&file)).run(), 5, &[file_name]);
    fails(&status(&small(&file)).run(), 50, &[file_name]);
    // sysfs lets nobody make a folder, root included, as a read-only file system does.
    let sysfs = Path::new("/sys/kernel");
    fails(&add("a", &small(sysfs)).run(), 5, &["cannot create /sys/kernel/net"]);
    assert_eq!(tree(dir.path()).len(), 1);
}

#[test]
fn a_resolver_file_that_is_missing_is_named_before_anything_is_reserved() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = small(dir.path());
    config["ipam"]["resolvConf"] = json!("/nonexistent/resolv.conf");
    fails(&add("a", &config).run(), 5, &["ipam.resolvConf", "/nonexistent/resolv.conf"]);
    assert!(tree(dir.path()).is_empty());
}

#[test]
fn what_is_wrong_with_a_configuration_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let refused =
        |code, ranges, words: &[_]| fails(&add("a", &config(dir.path(), ranges)).run(), code, words);
    refused(
        7,
        json!([[{ "subnet": "10.1.2.0/24", "rangeStart": "10.1.3.1" }]]),
        &["range set 0", "ipam.ranges[0]", "rangeStart 10.1.3.1", "10.1.2.0/24"],
    );
    refused(
        7,
        json!([[{ "subnet": "10.1.2.0/24" }], [{ "subnet": "10.1.0.0/16" }]]),
        &["range set 0 overlaps with 1", "10.1.2.1-10.1.2.254", "10.1.0.1-10.1.255.254"],
    );
    refused(7, json!([[{ "subnet": "10.1.2/24" }]]), &["ipam.ranges[0][0].subnet", "10.1.2/24"]);
    refused(6, json!([[{ "subnet": 7 }]]), &["ipam.ranges[0][0].subnet"]);
    refused(7, json!([]), &["no IP ranges specified"]);
    fails(&add("a", &json!({})).run(), 7, &["ipam.ranges"]);

    let two = config(dir.path(), json!([[{ "subnet": "10.1.0.0/24" }], [{ "subnet": "10.2.0.0/24" }]]));
    fails(&add("a", &with(&two, "cniVersion", json!("0.2.0"))).run(), 7, &["0.2.0", "ipam.ranges"]);
    assert!(tree(dir.path()).is_empty());
}

#[test]
fn requests_from_every_place_add_up() {
    let dir = tempfile::tempdir().unwrap();
    let ranges =
        json!([[{ "subnet": "10.1.0.0/24" }], [{ "subnet": "10.2.0.0/24" }], [{ "subnet": "10.3.0.0/24" }]]);
    let config = with(&config(dir.path(), ranges), "args", json!({ "cni": { "ips": ["10.2.0.7"] } }));
    let config = with(&config, "runtimeConfig", json!({ "ips": ["10.3.0.8/24"] }));
    let expected = ["10.1.0.6/24", "10.2.0.7/24", "10.3.0.8/24"];
    assert_eq!(addresses(add("a", &config).args("IP=10.1.0.6")), expected);
    succeeds(del("a", &config));
    assert_eq!(addresses(add("b", &config).args("IP=10.2.0.7,10.1.0.6")), expected);
}

#[test]
fn a_request_for_an_address_that_cannot_be_met_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let config = small(dir.path());
    let args = with(&config, "args", json!({ "cni": { "ips": ["10.1.2"] } }));
    fails(&add("a", &args).run(), 7, &["args.cni.ips[0]", "10.1.2"]);
    let capability = with(&config, "runtimeConfig", json!({ "ips": ["x"] }));
    fails(&add("a", &capability).run(), 7, &["runtimeConfig.ips[0]", "x"]);
    fails(&add("a", &config).args("IP=x").run(), 4, &["CNI_ARGS", "IP=x"]);
    fails(&add("a", &config).args("IP").run(), 4, &["CNI_ARGS"]);
    let more = with(&config, "runtimeConfig", json!({ "ips": ["10.1.2.4", "10.9.9.9"] }));
    let words = ["failed to allocate all requested IPs: 10.1.2.4 10.9.9.9"];
    fails(&add("a", &more).args("IP=10.1.2.3").run(), 7, &words);
    assert!(tree(dir.path()).is_empty());
}

#[test]
fn arguments_for_other_plugins_are_let_through() {
    let dir = tempfile::tempdir().unwrap();
    // DIFFERENCE: the reference refuses what it does not know, unless IgnoreUnknown is set.
    let call = add("a", &small(dir.path())).args("MAC=02:00:00:00:00:01;IP=10.1.2.5");
    assert_eq!(addresses(call), ["10.1.2.5/29"]);
}
