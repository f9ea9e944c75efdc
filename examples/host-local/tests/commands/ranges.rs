//! The pool: which addresses ADD hands out of which ranges, and which it never does.

use cni_testing::json;

use crate::calls::{
    add, addresses, check, del, fails, gc, names, newest, put, small, status, succeeds, with,
};
use crate::support::{config, tree};

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
    check("old", &config, &previous).silent_success();
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
