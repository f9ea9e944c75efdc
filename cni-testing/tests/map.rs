//! The map from the clauses of the specification to the tests that hold them, and the page of differences: every test
//! that they name is there, and no cell is empty.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const MAP: &str = "cni-skel/docs/specification.md";
const DIFFERENCES: &str = "cni-types/docs/conversions.md";

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(workspace().join(path)).unwrap_or_else(|cause| panic!("{path}: {cause}"))
}

/// The cells of the rows of a page's tables, without the heads.
fn rows(page: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut is_body = false;
    for line in read(page).lines() {
        let Some(cells) = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')) else {
            is_body = false;
            continue;
        };
        if cells.chars().all(|c| "-|: ".contains(c)) {
            is_body = true;
        } else if is_body {
            rows.push(cells.split('|').map(|cell| cell.trim().to_owned()).collect());
        }
    }
    rows
}

/// The tests that a text names as `file.rs::function`.
fn tests_in(text: &str) -> Vec<(String, String)> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted
        .filter_map(|name| name.split_once(".rs::"))
        .map(|(file, name)| (format!("{file}.rs"), name.to_owned()))
        .collect()
}

/// Whether a source has a test of that name, rather than any function.
fn has_test(source: &str, name: &str) -> bool {
    let head = format!("fn {name}(");
    let Some(at) = source.find(&head) else { return false };
    let attributes = source[..at].trim_end().rsplit("\n\n").next().unwrap_or_default();
    attributes.contains("#[test]")
}

#[track_caller]
fn assert_all_are_there(page: &str, at_least: usize) {
    let tests: BTreeSet<_> = tests_in(&read(page)).into_iter().collect();
    assert!(tests.len() >= at_least, "{page} names {} tests only", tests.len());
    let missing: Vec<_> = tests
        .iter()
        .filter(|(file, name)| {
            !fs::read_to_string(workspace().join(file)).is_ok_and(|source| has_test(&source, name))
        })
        .map(|(file, name)| format!("{file}::{name}"))
        .collect();
    assert!(missing.is_empty(), "{page} names tests that are not there:\n{}", missing.join("\n"));
}

#[test]
fn every_clause_says_where_it_is_carried_out_and_which_test_holds_it() {
    let rows = rows(MAP);
    assert!(rows.len() > 160, "{MAP} has {} rows only", rows.len());
    for row in rows {
        let [clause, place, tests, go] = row.as_slice() else { panic!("not four cells: {row:?}") };
        let base = "](https://github.com/containernetworking/cni/blob/";
        let is_text = clause.contains(&format!("{base}spec-v")) && clause.contains(".md#");
        let is_code = clause.contains(&format!("{base}v1.3.0/")) && clause.contains(".go)");
        assert!(clause.starts_with('[') && (is_text || is_code), "no link: {clause}");
        assert!(!place.is_empty() && !go.is_empty(), "an empty cell: {row:?}");
        assert!(!tests_in(tests).is_empty(), "no test: {row:?}");
    }
}

#[test]
fn every_test_that_the_map_names_is_there() {
    assert_all_are_there(MAP, 100);
}

#[test]
fn every_difference_from_the_go_library_has_a_reason_and_a_test() {
    let rows = rows(DIFFERENCES).into_iter().filter(|row| row.len() == 4).collect::<Vec<_>>();
    assert!(rows.len() > 15, "{DIFFERENCES} lists {} differences only", rows.len());
    for row in rows {
        assert!(row.iter().all(|cell| !cell.is_empty()) && !tests_in(&row[3]).is_empty(), "{row:?}");
    }
    assert_all_are_there(DIFFERENCES, 10);
}

#[test]
fn a_test_that_is_not_there_is_missed() {
    let source = "#[test]\nfn a_b() {}\n\n/// No test.\nfn c_d() {}\n";
    assert!(has_test(source, "a_b"));
    assert!(!has_test(source, "c_d") && !has_test(source, "a") && !has_test(source, "e"));
    assert_eq!(tests_in("x `a/b.rs::c` y `z`"), [("a/b.rs".to_owned(), "c".to_owned())]);
}
