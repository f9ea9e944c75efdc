//! What the author of a shell script that pretends to be a plugin gets to read.

use crate::program::Script;

#[test]
fn a_script_that_says_yes_to_everything_is_told_what_to_do() {
    let script = Script::new("#!/bin/sh\necho '{\"cniVersion\": \"1.0.0\"}'\n");
    let ran = script.conform(&[]);
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
    for part in [
        "FAILED env/unknown-command (must)",
        "a runtime takes that for a success",
        "FAILED version/list (must)",
        "no version is listed",
        "CNI_COMMAND=\"NOPE\"",
        "https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#error",
        "--only version/list",
    ] {
        assert!(ran.stdout.contains(part), "{part} is not in\n{}", ran.stdout);
    }
}

#[test]
fn a_script_that_always_fails_is_told_that_add_does_not_work() {
    let script = Script::new("#!/bin/sh\necho 'what?' >&2\nexit 3\n");
    let ran = script.conform(&[]);
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("FAILED add/succeeds"), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("because ADD does not work: the call failed with exit code 3"),
        "{}",
        ran.stdout
    );
}
