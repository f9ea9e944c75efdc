//! The built binary, called as a runtime calls it.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

use cni_testing::types::ErrorCode;
use cni_testing::{Binary, Call, TestNetns, json, strategies};
use proptest::test_runner::{Config, TestRunner};

fn passthrough() -> Binary {
    Binary::at(env!("CARGO_BIN_EXE_passthrough"))
}

#[test]
fn what_the_plugins_before_made_passes_through_with_keys_that_nobody_knows() {
    let container = TestNetns::new();
    let outcome = Call::add(passthrough())
        .netns(&container)
        .stdin(
            r#"{"cniVersion": "1.0.0", "name": "lan", "prevResult": {
                "ips": [{"address": "10.1.0.2/16"}], "example.com/id": 123456789012345678901234567890}}"#,
        )
        .run();
    assert_eq!(outcome.json()["ips"][0]["address"], "10.1.0.2/16");
    assert!(outcome.stdout().contains("123456789012345678901234567890"));
    assert!(outcome.stdout().contains(r#""cniVersion": "1.0.0""#));
}

#[test]
fn any_previous_result_in_any_version_passes_through() {
    let container = TestNetns::new();
    // Each case is a process.
    let mut runner = TestRunner::new(Config::with_cases(64));
    let passes = runner.run(&strategies::plugin_config(), |sample| {
        let outcome = Call::add(passthrough()).netns(&container).stdin(sample.json).run();
        if let Some(before) = sample.prev_result {
            assert_eq!(outcome.result(), before);
        }
        Ok(())
    });
    passes.unwrap();
}

#[test]
fn without_a_previous_result_the_result_is_empty() {
    let container = TestNetns::new();
    let outcome = Call::add(passthrough()).netns(&container).run();
    assert_eq!(outcome.json(), json!({"cniVersion": "1.1.0"}));
}

#[test]
fn a_previous_result_that_is_none_is_refused_by_its_path() {
    let container = TestNetns::new();
    let config = json!({"prevResult": {"ips": [{"address": 7}]}});
    let outcome = Call::add(passthrough()).netns(&container).config(config).run();
    let error = outcome.error_with(ErrorCode::DECODING_FAILURE);
    assert!(error.msg.starts_with("prevResult.ips[0].address: "), "{}", error.msg);
}

#[test]
fn every_other_command_succeeds_in_silence() {
    let container = TestNetns::new();
    Call::del(passthrough()).run().silent_success();
    Call::check(passthrough()).netns(&container).run().silent_success();
    Call::gc(passthrough()).run().silent_success();
    Call::status(passthrough()).run().silent_success();
}

#[test]
fn this_plugin_is_the_first_example_in_the_documentation_of_cni_skel() {
    let documentation = include_str!("../../../cni-skel/src/lib.rs");
    let example: Vec<_> = documentation
        .lines()
        .skip_while(|line| *line != "//! ```no_run")
        .skip(1)
        .take_while(|line| *line != "//! ```")
        .map(|line| line.strip_prefix("//! ").unwrap_or_default())
        .collect();
    assert_eq!(example, in_one_file());
    assert!(example.len() <= 26, "{} lines", example.len());
}

#[test]
fn this_plugin_is_the_example_in_the_readme_of_cni_skel() {
    let readme = include_str!("../../../cni-skel/README.md");
    let lines = readme.lines().skip_while(|line| *line != "```rust,no_run").skip(1);
    let example: Vec<_> = lines.take_while(|line| *line != "```").collect();
    // The text above it says what the first line says here.
    assert_eq!(example, in_one_file()[1..]);
}

/// The library and the program as a plugin in one file is written: nothing is public, and `main` follows the imports.
fn in_one_file() -> Vec<&'static str> {
    let library = include_str!("../src/lib.rs").lines();
    let is_for_others = |line: &&str| line.starts_with("///") || line.starts_with("#[");
    let mut lines: Vec<_> = library
        .filter(|line| !is_for_others(line))
        .map(|line| line.strip_prefix("pub ").unwrap_or(line))
        .collect();
    let main = include_str!("../src/main.rs").lines().skip_while(|line| !line.starts_with("fn main"));
    let main = main.map(|line| match line {
        "    cni_skel::run(passthrough::Passthrough)" => "    cni_skel::run(Passthrough)",
        line => line,
    });
    let after_imports = lines.iter().position(|line| line.is_empty()).unwrap() + 1;
    lines.splice(after_imports..after_imports, main.chain([""]));
    lines
}
