//! What the author of a shell script that pretends to be a plugin gets to read.

use cni_testing::{Binary, conformance, json};

use crate::program::{Script, conform};

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
        // What to print instead, with the code that this check asks for.
        "on stdout: {\"cniVersion\": \"1.0.0\", \"code\": 4, \"msg\": \"what is wrong\"}",
        "\"supportedVersions\": [\"0.4.0\", \"1.0.0\"]",
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

#[test]
fn the_author_of_a_script_that_does_not_know_the_protocol_is_told_it_and_where_to_begin() {
    let script = Script::new("#!/bin/sh\n[ \"$CNI_COMMAND\" = DEL ] || echo \"attached $CNI_CONTAINERID\"\n");
    let ran = script.conform(&[]);
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
    let (beginning, _) = ran.stdout.split_once("FAILED env").unwrap();
    for part in [
        "CNI_COMMAND in its environment says what to do",
        "Begin with add/succeeds: ",
        "FAILED add/succeeds (must)",
        "a result looks like {\"cniVersion\": \"1.0.0\", \"interfaces\": [..], \"ips\": [..]}",
    ] {
        assert!(beginning.contains(part), "{part} is not in\n{beginning}");
    }
}

#[test]
fn who_knows_the_protocol_is_not_told_it() {
    let script =
        Script::new("#!/bin/sh\necho '{\"cniVersion\": \"1.0.0\", \"supportedVersions\": [\"1.0.0\"]}'\n");
    let ran = script.conform(&["--only", "env/unknown-command"]);
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
    assert!(!ran.stdout.contains("CNI_COMMAND in its environment"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("Begin with"), "{}", ran.stdout);
}

#[test]
fn a_program_is_asserted_to_conform_as_a_plugin_in_process_is() {
    let script = Script::new("#!/bin/sh\nexit 3\n");
    let config = json!({"cniVersion": "1.0.0", "name": "lan", "type": "script"});
    let program = Binary::at(script.path().join("script"));
    let panic = std::panic::catch_unwind(|| conformance::assert_conforms(program, &config)).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("FAILED add/succeeds (must)"), "{text}");
}

#[test]
fn without_a_configuration_a_minimal_one_of_the_newest_version_is_tried_and_said() {
    let script = Script::new(
        "#!/bin/sh\n[ \"$CNI_COMMAND\" = DEL ] || \
         echo '{\"cniVersion\": \"1.0.0\", \"supportedVersions\": [\"0.4.0\", \"1.0.0\", \"9.0.0\"]}'\n",
    );
    let program = script.path().join("script").display().to_string();
    let ran = conform(&[&program, "--only", "version/list", "--only", "add/succeeds"]);
    let config = r#"{"cniVersion":"1.0.0","name":"conform","type":"script"}"#;
    assert_eq!((ran.code, ran.stderr.contains(config)), (Some(0), true), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("no --config FILE is given"), "{}", ran.stderr);
}
