//! What a plugin leaves running is named, and ended.

use std::time::{Duration, Instant};

use cni_testing::conformance::Suite;
use cni_testing::{Binary, json};

use crate::program::Faulty;

/// What the checks of this group find in a plugin with a fault.
fn found(fault: &str) -> Vec<String> {
    let config = json!({"cniVersion": "1.1.0", "name": "lan", "type": "faulty", "ipam": {"type": "played"}});
    let faulty = Faulty::new();
    let report = Suite::new(Binary::at(faulty.with(fault)), config).only(["end"]).run().unwrap();
    report.findings.iter().filter_map(|finding| Some(finding.failure()?.to_owned())).collect()
}

/// The process that a finding names is gone.
#[track_caller]
fn assert_ended(finding: &str) {
    let number = finding.split("process ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    let is_running = || {
        let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
        stat.contains("(sleep)") && !stat.contains(") Z ")
    };
    let until = Instant::now() + Duration::from_secs(10);
    while is_running() && Instant::now() < until {
        std::thread::yield_now();
    }
    assert!(!is_running(), "{finding}");
}

#[test]
fn whoever_holds_stdout_or_stderr_is_named_and_ended() {
    for (fault, command, output) in
        [("end/output-closed", "CHECK", "stdout"), ("end/stderr-closed", "STATUS", "stderr")]
    {
        let [found] = &found(fault)[..] else { panic!("{fault} is not one finding") };
        let start = format!("a second after {command} had ended: {output} is held open by process ");
        assert!(found.starts_with(&start) && found.ends_with(" (/bin/sleep 60)"), "{found}");
        assert_ended(found);
    }
}

#[test]
fn whoever_runs_on_is_named_and_ended() {
    let [found] = &found("end/nothing-runs-on")[..] else { panic!("it is not one finding") };
    assert!(found.starts_with("a second after GC had ended: process "), "{found}");
    assert_ended(found);
}
