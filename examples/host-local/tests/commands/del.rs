//! DEL: what it needs, and what it releases.

use cni_testing::json;

use crate::calls::{add, addresses, del, dual_stack, names, put, small, succeeds};
use crate::support::config;

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
