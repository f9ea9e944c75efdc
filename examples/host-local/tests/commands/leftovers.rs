//! What crashes, reboots and others leave in the state directory, and what ADD makes of it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use cni_testing::json;

use crate::calls::{add, addresses, del, fails, names, put, small, status, succeeds};
use crate::support::tree;

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
