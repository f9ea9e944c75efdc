//! Output for people and machines, and which checks are run.

use cni_testing::Binary;
use cni_testing::conformance::Suite;
use serde_json::Value;

use crate::program::{Faulty, conform};

fn config() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("faulty.conf");
    std::fs::write(&file, r#"{"cniVersion": "1.1.0", "name": "lan", "type": "faulty"}"#).unwrap();
    let name = file.display().to_string();
    (folder, name)
}

#[test]
fn one_check_can_be_repeated_with_the_line_that_the_report_shows() {
    let (faulty, (_folder, config)) = (Faulty::new(), config());
    let program = faulty.with("del/silent").display().to_string();
    let ran = conform(&[&program, "--config", &config, "--only", "del"]);
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
    let line = ran.stdout.lines().find_map(|line| line.trim().strip_prefix("again")).unwrap().trim();
    let words: Vec<_> = line.split(' ').skip(2).collect();
    let again = conform(&words);
    assert_eq!(again.code, Some(1), "{line}: {}{}", again.stdout, again.stderr);
    assert!(again.stdout.contains("1 checks in"), "{}", again.stdout);
}

#[test]
fn failures_below_must_do_not_count_for_the_exit_status() {
    let (faulty, (_folder, config)) = (Faulty::new(), config());
    let program = faulty.with("env/noise").display().to_string();
    let ran = conform(&[&program, "--config", &config, "--only", "env"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("FAILED env/noise (should)"), "{}", ran.stdout);
    let musts = conform(&[&program, "--config", &config, "--only", "input", "--level", "must"]);
    assert!(!musts.stdout.contains("FAILED"), "{}", musts.stdout);
}

#[test]
fn json_and_junit_tell_the_same_as_the_text() {
    let (faulty, (folder, config)) = (Faulty::new(), config());
    let program = faulty.with("error/msg").display().to_string();
    let junit = folder.path().join("report.xml").display().to_string();
    let ran = conform(&[&program, "--config", &config, "--only", "error", "--json", "--junit", &junit]);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&report["mustsFailed"], &report["kind"]), (&1.into(), &"interface".into()));
    let failed: Vec<_> =
        report["checks"].as_array().unwrap().iter().filter(|check| check["outcome"] == "failed").collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["id"], "error/msg");
    let xml = std::fs::read_to_string(junit).unwrap();
    assert!(xml.contains("failures=\"1\""), "{xml}");
    assert!(xml.contains("<testcase classname=\"error\" name=\"error/msg\""), "{xml}");
}

#[test]
fn the_ipam_plugin_of_a_list_is_found_in_it() {
    let (faulty, folder) = (Faulty::new(), tempfile::tempdir().unwrap());
    let program = faulty.with("no/fault").display().to_string();
    let config = folder.path().join("lan.conflist");
    // The plugin that it belongs to, and those around, need not be there.
    let list = r#"{"cniVersion": "1.1.0", "name": "lan", "plugins": [{"type": "first"},
        {"type": "nowhere", "kind": "ipam", "ipam": {"type": "faulty"}}, {"type": "last"}]}"#;
    std::fs::write(&config, list).unwrap();
    let ran = conform(&[&program, "--config", &config.display().to_string(), "--only", "ipam/result"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("faulty: an IPAM plugin"), "{}", ran.stdout);
}

#[test]
fn a_group_can_be_left_out() {
    let (faulty, (_folder, config)) = (Faulty::new(), config());
    let program = faulty.with("error/msg").display().to_string();
    let ran = conform(&[&program, "--config", &config, "--only", "error", "--skip", "error/msg"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn the_list_has_every_check() {
    let list = conform(&["--list", "--json"]);
    let list: Value = serde_json::from_str(&list.stdout).unwrap();
    assert_eq!(list.as_array().unwrap().len(), cni_testing::conformance::checks().count());
    assert!(conform(&["--list"]).stdout.contains("del/twice-succeeds (must, needs namespace)"));
}

#[test]
fn what_needs_no_namespace_is_run_without_any_in_less_than_three_seconds() {
    let (faulty, config) =
        (Faulty::new(), cni_testing::json!({"cniVersion": "1.1.0", "name": "lan", "type": "faulty"}));
    let program = faulty.with("no/fault");
    let run = || {
        let report = Suite::new(Binary::at(&program), &config).without_namespaces().run().unwrap();
        assert_eq!(report.counts().1, 0, "{report}");
        assert!(report.counts().0 >= 45, "{report}");
        report.took
    };
    // The machine may be busy with other tests.
    let quickest = (0..3).map(|_| run()).min().unwrap();
    assert!(quickest.as_secs_f64() < 3.0, "{quickest:?}");
}
