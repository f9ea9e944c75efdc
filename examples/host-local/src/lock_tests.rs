//! Somebody takes the lock of a network and never gives it back.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use cni_skel::types::{Attachment, ContainerId, ErrorCode, IfName, NetworkName};
use cni_skel::{Error, Result};

use crate::add::allocate;
use crate::check::check;
use crate::del::release;
use crate::gc::collect;
use crate::range::tests::spec;
use crate::range_set::RangeSet;
use crate::reservation::Reservation;
use crate::status::ready;
use crate::store::Store;

fn attachment(id: &str) -> Attachment {
    Attachment::new(ContainerId::try_from(id).unwrap(), IfName::try_from("eth0").unwrap())
}

fn add(store: &Store, id: &str, sets: &[RangeSet]) -> Result<()> {
    let reservation = Reservation::prepare(store, &attachment(id), 1, false)?;
    allocate(&store.lock_or_create()?, &attachment(id), &reservation, sets, &[None]).map(drop)
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir.join("net")).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

#[test]
fn whoever_needs_the_lock_is_to_try_again_later_and_whoever_looks_need_not_wait() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::new(dir.path(), &NetworkName::try_from("net").unwrap());
    let sets = [RangeSet::new(&[spec("10.1.2.0/24", "", "", "")]).unwrap()];
    add(&store, "a", &sets).unwrap();
    let before = files(dir.path());
    let held = store.lock().unwrap();

    let impatient = store.clone().patience(Duration::from_millis(20));
    let undone = {
        let reservation = Reservation::prepare(&impatient, &attachment("b"), 1, false).unwrap();
        let locked = held.as_ref().unwrap();
        allocate(locked, &attachment("b"), &reservation, &sets, &[None]).unwrap()
    };
    let errors: [(&str, Error); 4] = [
        ("ADD", add(&impatient, "c", &sets).unwrap_err()),
        ("DEL", release(&impatient, &attachment("a")).unwrap_err()),
        ("GC", collect(&impatient, &[]).unwrap_err()),
        ("undone ADD", undone.undo(&impatient).unwrap_err()),
    ];
    for (what, error) in errors {
        assert_eq!(error.code(), ErrorCode::TRY_AGAIN_LATER, "{what}: {error}");
        assert!(error.msg().contains("/net/lock for 20ms"), "{what}: {error}");
    }
    let held_address = "10.1.2.2".parse().unwrap();
    check(&impatient, &attachment("a"), &sets, [held_address]).unwrap();
    ready(&impatient, &sets, false).unwrap();

    // Nothing was lost, and once the lock is free all goes on.
    drop(held);
    undone.undo(&impatient.patience(Duration::from_secs(30))).unwrap();
    assert_eq!(files(dir.path()), before);
    release(&store, &attachment("a")).unwrap();
    assert!(!files(dir.path()).contains_key("10.1.2.2"));
}
