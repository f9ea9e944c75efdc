//! STATUS: when ADD can be served.

use std::fs;
use std::path::Path;

use cni_testing::json;

use crate::calls::{add, addresses, del, fails, newest, small, status, succeeds, with};
use crate::support::{config, tree};

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
fn status_knows_that_ranges_may_come_with_each_add() {
    let dir = tempfile::tempdir().unwrap();
    let config = newest(config(dir.path(), json!([])));
    fails(&status(&config).run(), 50, &["no IP ranges specified"]);
    succeeds(status(&with(&config, "capabilities", json!({ "ipRanges": true }))));
}

#[test]
fn an_invalid_configuration_is_code_50_and_names_the_key() {
    let dir = tempfile::tempdir().unwrap();
    for (ranges, words) in [
        (json!([[{ "subnet": 5 }]]), "ipam.ranges[0][0].subnet"),
        (json!([[{ "subnet": "here" }]]), "`here` is not a subnet"),
        (json!([[{ "subnet": "10.1.2.1/24" }]]), "host bits"),
    ] {
        fails(&status(&newest(config(dir.path(), ranges))).run(), 50, &[words]);
    }
    assert!(tree(dir.path()).is_empty());
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
