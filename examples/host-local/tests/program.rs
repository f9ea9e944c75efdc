//! The built program, where that there is a process matters.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use support::{Call, OURS, config, tree};

fn dual_stack(dir: &Path) -> Value {
    config(dir, json!([[{ "subnet": "10.1.0.0/24" }], [{ "subnet": "2001:db8::/64" }]]))
}

#[test]
fn fifty_adds_at_once_get_fifty_addresses() {
    let dir = tempfile::tempdir().unwrap();
    let config = dual_stack(dir.path());
    let ids: Vec<String> = (0..50).map(|n| format!("c{n}")).collect();
    let calls: Vec<_> = ids.iter().map(|id| Call::new("ADD", id, &config).start(OURS)).collect();
    let addresses: Vec<_> = calls.into_iter().map(|call| call.wait().addresses()).collect();
    // One lock for the whole call: nobody came between the two addresses of another.
    for pair in &addresses {
        let number: u8 = pair[0].trim_start_matches("10.1.0.").trim_end_matches("/24").parse().unwrap();
        assert_eq!(pair[1], format!("2001:db8::{number:x}/64"), "{pair:?}");
    }
    let addresses: Vec<_> = addresses.into_iter().flatten().collect();
    assert_eq!(addresses.len(), 100);
    assert_eq!(addresses.iter().collect::<BTreeSet<_>>().len(), 100);
    // They came one after the other, without a gap.
    assert!(
        addresses.contains(&"10.1.0.51/24".to_owned()) && addresses.contains(&"2001:db8::33/64".to_owned())
    );
}

#[test]
fn whenever_an_add_is_killed_its_files_are_whole_and_del_removes_them() {
    let dir = tempfile::tempdir().unwrap();
    let config = dual_stack(dir.path());
    for n in 0..60 {
        let call = Call::new("ADD", "a", &config).start(OURS);
        thread::sleep(Duration::from_micros(100 * n));
        call.kill();
        for (name, node) in tree(dir.path()) {
            let is_address = name.file_name().unwrap().to_str().unwrap().parse::<IpAddr>().is_ok();
            assert!(!is_address || node.contents.as_deref() == Some("a\r\neth0"), "{name:?}: {node:?}");
        }
        Call::new("DEL", "a", &config).run(OURS).ok();
        let left = tree(dir.path()).into_keys().filter(|name| name.components().count() > 1);
        let left: Vec<_> = left.map(|name| name.file_name().unwrap().to_str().unwrap().to_owned()).collect();
        assert!(left.iter().all(|name| name == "lock" || name.starts_with("last_reserved_ip.")), "{left:?}");
    }
}

#[test]
fn whenever_a_call_is_killed_the_index_is_right_or_not_gone_by() {
    let dir = tempfile::tempdir().unwrap();
    let config = dual_stack(dir.path());
    let folder = dir.path().join("net");
    fs::create_dir(&folder).unwrap();
    for n in 2..100 {
        fs::write(folder.join(format!("10.1.0.{n}")), format!("x{n}\r\neth0")).unwrap();
    }
    for n in 0..80 {
        Call::new("ADD", "stays", &config).run(OURS).ok();
        let command = if n % 2 == 0 { "ADD" } else { "DEL" };
        if command == "DEL" {
            Call::new("ADD", "a", &config).run(OURS).ok();
        }
        let call = Call::new(command, "a", &config).start(OURS);
        thread::sleep(Duration::from_micros(50 * n));
        call.kill();
        // Found by the index or without it.
        Call::new("DEL", "a", &config).run(OURS).ok();
        Call::new("DEL", "stays", &config).run(OURS).ok();
        let mut left = tree(&folder);
        left.retain(|name, _| name.to_str().unwrap().parse::<IpAddr>().is_ok());
        assert_eq!(left.len(), 98, "{:?}", left.keys());
        assert!(left.values().all(|node| node.contents.as_ref().is_some_and(|text| text.starts_with('x'))));
    }
    for n in 2..100 {
        Call::new("DEL", &format!("x{n}"), &config).run(OURS).ok();
    }
    let left: Vec<_> = tree(dir.path()).into_keys().map(|name| name.to_str().unwrap().to_owned()).collect();
    assert_eq!(left, ["net", "net/last_reserved_ip.0", "net/last_reserved_ip.1", "net/lock"]);
}

#[test]
fn an_add_whose_result_cannot_be_delivered_is_undone() {
    let dir = tempfile::tempdir().unwrap();
    let config = dual_stack(dir.path());
    Call::new("ADD", "a", &config).run(OURS).ok();
    let before = tree(dir.path());
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let answer = Call::new("ADD", "b", &config).start_with_stdout(OURS, full.into()).wait();
    assert!(!answer.success, "{answer:#?}");
    assert!(!answer.stderr.is_empty(), "{answer:#?}");
    assert_eq!(tree(dir.path()), before);
}
