//! The check itself, tried on crates that are made up.

use std::fs;

use tempfile::TempDir;

use crate::order::{faults, states_order};

const ORDER: &str = "//! A crate.\n//!\n//! # Order of modules\n//!\n//! Each only those before it: \
    `low`, `mid`; `high`.\nmod high;\nmod low;\nmod mid;\npub use high::{High, Other as Renamed};\n";

/// What is wrong in a crate with these files.
fn faults_of(files: &[(&str, &str)]) -> Vec<String> {
    let folder = made(files);
    let faults = faults(&folder.path().join("lib.rs"));
    faults.into_iter().map(|fault| fault.replace(&format!("{}/", folder.path().display()), "")).collect()
}

fn made(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder can be made");
    for (name, text) in files {
        let path = folder.path().join(name);
        let made = fs::create_dir_all(path.parent().expect("it is in the folder"));
        made.and_then(|()| fs::write(path, text)).expect("a file can be made");
    }
    folder
}

/// A crate of three modules, of which the lowest has this in it.
fn faults_with(low: &str) -> Vec<String> {
    faults_of(&[("lib.rs", ORDER), ("low.rs", low), ("mid.rs", "use crate::low::Low;"), ("high.rs", "")])
}

#[test]
fn a_module_may_use_those_before_it() {
    assert_eq!(faults_with("pub struct Low;"), [""; 0]);
}

#[test]
fn a_use_of_a_later_module_is_found_however_it_is_written() {
    for code in [
        "use crate::high::High;",
        "use std::{fmt, io};\nuse crate::{Other, high};",
        "use crate::High;",
        "use crate::{self as root, Renamed};",
        "use super::high;",
        "fn run() { let x = 'a'; crate::high::run::<u8>() }",
        "impl<'a> From<crate::High> for Low<'a> {}",
        "#[cfg(not(test))]\nuse crate::high;",
        "pub(crate) fn f(_: &str) {} const A: &str = r#\"\"#; use crate::high;",
    ] {
        assert_eq!(faults_with(code), ["low.rs is in `low` and uses `high`, which comes later"], "{code}");
    }
}

#[test]
fn a_use_is_found_in_a_room_below() {
    let files =
        [("lib.rs", ORDER), ("low/mod.rs", "mod inner;"), ("low/inner.rs", "use super::super::mid::A;")];
    let faults = faults_of(&[&files[..], &[("mid.rs", ""), ("high.rs", "")]].concat());
    assert_eq!(faults, ["low/inner.rs is in `low` and uses `mid`, which comes later"]);
}

#[test]
fn tests_comments_and_literals_are_no_uses() {
    for code in [
        "#[cfg(test)]\nmod tests {\n    use crate::high::High;\n    fn f() { { crate::high::g() } }\n}",
        "#[cfg(test)]\nuse crate::{high::High};\n",
        "#[cfg(all(test, feature = \"net\"))]\n#[path = \"x.rs\"]\nmod tests;",
        "/// As [`High`](crate::high::High).\n// crate::high::High\n/* /* */ crate::high::High */",
        "const TEXT: &str = \"\\\"crate::high::High\"; const QUOTE: char = '\"'; const RAW: &str = r#\"\"crate::high\"#;",
    ] {
        assert_eq!(faults_with(code), [""; 0], "{code}");
    }
}

#[test]
fn the_order_has_each_module_once() {
    let lib = ORDER.replace("`mid`", "`low`, `middle`");
    let faults = faults_of(&[("lib.rs", lib.as_str()), ("low.rs", ""), ("mid.rs", ""), ("high.rs", "")]);
    assert_eq!(
        faults,
        [
            "the stated order lacks `mid`",
            "the stated order names `middle`, not a module",
            "the stated order names a module twice"
        ]
    );
}

#[test]
fn a_circle_in_a_room_is_found() {
    let room = "mod a;\nmod b;\nmod c;\npub(crate) use c::C;\nuse a::A;";
    let (a, b) = ("use super::b::B;", "use crate::low::C;");
    let rest = [("lib.rs", ORDER), ("mid.rs", ""), ("high.rs", ""), ("low/mod.rs", room), ("low/a.rs", a)];
    let sound = faults_of(&[&rest[..], &[("low/b.rs", b), ("low/c.rs", "use super::Shared;")]].concat());
    assert_eq!(sound, [""; 0]);
    let circular = faults_of(&[&rest[..], &[("low/b.rs", b), ("low/c.rs", "use super::A;")]].concat());
    assert_eq!(
        circular,
        ["a circle: `a` uses `b` in low/a.rs, `b` uses `c` in low/b.rs, `c` uses `a` in low/c.rs"]
    );
}

#[test]
fn a_circle_is_found_where_no_order_is_stated() {
    let files =
        [("lib.rs", "mod a;\nmod b;"), ("a.rs", "use crate::b;"), ("b.rs", "fn f() { crate::a::g() }")];
    let folder = made(&files);
    assert!(!states_order(&folder.path().join("lib.rs")));
    assert_eq!(faults_of(&files), ["a circle: `a` uses `b` in a.rs, `b` uses `a` in b.rs"]);
}
