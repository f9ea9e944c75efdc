//! GC: what it collects.

use std::collections::BTreeSet;

use cni_testing::json;

use crate::calls::{dual_stack, gc, names, put, small, status, succeeds, with};
use crate::support::tree;

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
