//! For each check the plugin with the fault that it is there for: the check finds it, and no other check of its group does,
//! but those that cannot help it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use cni_testing::conformance::{Kind, Level, Suite, Verdict, checks};
use cni_testing::{Binary, json};
use serde_json::Value;

use crate::program::Faulty;

/// Faults that other checks of the group must see too, and which.
const MORE: &[(&str, &[&str])] = &[
    ("env/missing-variable-named", &["env/missing-all-named"]),
    ("env/unknown-command", &["env/command-case"]),
    ("env/missing-variable", &["env/empty-is-missing"]),
    ("chain/result-of-another-version", &["chain/malformed-result"]),
    ("input/empty", &["input/closed-stdin"]),
    ("input/not-json", &["input/trailing"]),
    ("input/bad-name", &["input/no-name", "input/duplicate-keys"]),
    ("input/slow", &["input/large"]),
    ("truth/interface", &["truth/routes"]),
    ("delegation/del", &["delegation/del-error"]),
    ("del/undoes-add", &["del/only-its-own"]),
    ("del/netns-gone", &["del/netns-gone-leaves-nothing"]),
    ("del/no-result", &["del/no-result-leaves-nothing"]),
    ("check/after-add", &["check/later-route"]),
    ("status/ready-means-add", &["status/changes-nothing"]),
    ("gc/collects", &["gc/goes-on"]),
    ("check/host-interface-gone", &["check/link-gone"]),
    ("check/link-gone", &["check/host-interface-gone"]),
    ("load/read-only-state", &["load/read-only-state-code"]),
    ("load/parallel-add", &["load/parallel-unique", "load/parallel-del"]),
];

fn config(check: &str) -> Value {
    let mut config = json!({"cniVersion": "1.1.0", "name": "lan", "type": "faulty", "kind": "interface"});
    match check {
        "env/no-cni-path" => {}
        "load/parallel-unique" | "load/parallel-add" => config["kind"] = "ipam".into(),
        "check/undone-by-hand" => config["kind"] = "chained".into(),
        _ if check.starts_with("chain/") => config["kind"] = "chained".into(),
        _ if check.starts_with("ipam/") => config["kind"] = "ipam".into(),
        _ => config["ipam"] = json!({"type": "played"}),
    }
    config
}

/// Runs these checks against the plugin with the fault that the first is there for; those that failed.
fn failures(faulty: &Faulty, check: &str, only: &[String]) -> BTreeSet<String> {
    let plugin = Binary::at(faulty.with(check)).timeout(Duration::from_secs(5));
    let config = config(check);
    let kind = Kind::ALL.iter().copied().find(|kind| config["kind"] == kind.as_str()).unwrap();
    let suite = Suite::new(plugin, config).kind(kind).timeout(Duration::from_secs(5)).only(only);
    let report = suite.run().unwrap_or_else(|why| panic!("{check}: {why}"));
    let failed = report.findings.iter().filter(|finding| finding.failure().is_some());
    let not_run = report.findings.iter().find(|finding| finding.check.id() == check).unwrap();
    if let Verdict::NotRun(reason) = &not_run.verdict {
        panic!("{check} is not run: {reason}");
    }
    failed.map(|finding| finding.check.id().to_owned()).collect()
}

/// Every check of these groups with its fault.
fn each_finds_its_own(groups: &[&str]) {
    let faulty = Faulty::new();
    let checks: Vec<_> = checks().filter(|check| groups.contains(&check.group())).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut wrong = Vec::new();
        while let Some(check) = checks.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut expected = BTreeSet::from([check.id().to_owned()]);
            let more = MORE.iter().filter(|(fault, _)| *fault == check.id());
            expected.extend(more.flat_map(|(_, more)| more.iter().map(|id| (*id).to_owned())));
            // Those of load take long, and what would fail besides them is of other groups.
            let group = [check.group().to_owned()];
            let only =
                if check.group() == "load" { expected.iter().cloned().collect() } else { group.to_vec() };
            let found = failures(&faulty, check.id(), &only);
            if found != expected {
                wrong.push(format!("with the fault {} these fail: {found:?}", check.id()));
            }
        }
        wrong
    };
    // Most of the time goes by while the kernel makes namespaces and takes them down.
    let wrong: Vec<String> = thread::scope(|scope| {
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_check_of_the_environment_finds_its_fault() {
    each_finds_its_own(&["env"]);
}

#[test]
fn each_check_of_input_and_errors_finds_its_fault() {
    each_finds_its_own(&["input", "error"]);
}

#[test]
fn each_check_of_versions_finds_its_fault() {
    each_finds_its_own(&["version"]);
}

#[test]
fn each_check_of_add_finds_its_fault() {
    each_finds_its_own(&["add", "truth"]);
}

#[test]
fn each_check_of_chains_and_ipam_finds_its_fault() {
    each_finds_its_own(&["chain", "ipam"]);
}

#[test]
fn each_check_of_delegation_finds_its_fault() {
    each_finds_its_own(&["delegation"]);
}

#[test]
fn each_check_of_del_finds_its_fault() {
    each_finds_its_own(&["del"]);
}

#[test]
fn each_check_of_check_gc_and_status_finds_its_fault() {
    each_finds_its_own(&["check", "gc", "status"]);
}

#[test]
fn each_check_of_the_end_finds_its_fault() {
    each_finds_its_own(&["end"]);
}

#[test]
fn each_check_of_load_finds_its_fault() {
    each_finds_its_own(&["load"]);
}

#[test]
fn without_a_fault_nothing_fails_whatever_its_kind() {
    let faulty = Faulty::new();
    let program = faulty.with("no/fault");
    for (check, kind) in
        [("add", "interface"), ("env/no-cni-path", "interface"), ("ipam/x", "ipam"), ("chain/x", "chained")]
    {
        let report = Suite::new(Binary::at(&program), config(check)).run().unwrap();
        assert_eq!(report.kind.map(|kind| kind.as_str()), Some(kind));
        assert!(Level::ALL.iter().all(|level| report.failures(*level).next().is_none()), "{report}");
    }
}

#[test]
fn ids_are_unique_and_texts_are_sentences() {
    let mut seen = BTreeSet::new();
    for check in checks() {
        assert!(seen.insert(check.id()), "{} is there twice", check.id());
        assert!(check.id().contains('/'), "{}", check.id());
        for text in [check.expected(), check.why()] {
            assert!(text.ends_with(['.', '"']) && !text.contains("  "), "{}: {text}", check.id());
        }
    }
}
