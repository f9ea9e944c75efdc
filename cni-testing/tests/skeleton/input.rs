//! Input that will not do never reaches the plugin, and is answered with the right code.

use cni_skel::{AddRequest, CheckRequest, DelRequest, GcRequest, NoConfig, Plugin, Result};
use cni_testing::types::{AddResult, Command, ErrorCode, SpecVersion};
use cni_testing::{Call, Outcome, json};

use crate::plugin::Witness;

const CONFIG: &str = r#"{"cniVersion": "1.1.0", "name": "lan"}"#;

/// The error of a call that must not reach the plugin.
#[track_caller]
fn refused(outcome: &Outcome, witness: &Witness, code: ErrorCode) -> String {
    let error = outcome.error_with(code);
    assert_eq!(witness.take(), [""; 0], "{outcome}");
    assert!(error.cni_version.is_some(), "{outcome}");
    error.msg
}

#[test]
fn every_missing_variable_is_named_alone_and_together() {
    let witness = Witness::new();
    for (command, variables) in [
        (Command::Add, &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"][..]),
        (Command::Check, &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"]),
        (Command::Del, &["CNI_CONTAINERID", "CNI_IFNAME"]),
        (Command::Gc, &["CNI_PATH"]),
    ] {
        for variable in variables {
            let absent = Call::new(command, &witness).without_env(variable).run();
            let msg = refused(&absent, &witness, ErrorCode::INVALID_ENVIRONMENT);
            assert_eq!(msg, format!("required env variables [{variable}] missing"));
            let empty = Call::new(command, &witness).env(variable, "").run();
            assert_eq!(refused(&empty, &witness, ErrorCode::INVALID_ENVIRONMENT), msg);
        }
        let all =
            variables.iter().fold(Call::new(command, &witness), |call, name| call.without_env(name)).run();
        let msg = refused(&all, &witness, ErrorCode::INVALID_ENVIRONMENT);
        assert_eq!(msg, format!("required env variables [{}] missing", variables.join(",")));
    }
}

#[test]
fn what_a_command_does_not_require_may_be_missing_or_invalid() {
    let witness = Witness::new();
    let call = Call::del(&witness).without_env("CNI_NETNS").without_env("CNI_PATH").without_env("CNI_ARGS");
    call.run().silent_success();
    assert_eq!(witness.take(), ["del c1 without a namespace"]);
    for command in [Command::Status, Command::Gc] {
        let call = Call::new(command, &witness).env("CNI_CONTAINERID", "").env("CNI_IFNAME", "a/b");
        call.env("CNI_NETNS", "").run().silent_success();
    }
    Call::status(&witness).without_env("CNI_PATH").run().silent_success();
    // As libcni asks.
    let version = Call::new(Command::Version, &witness).env("CNI_CONTAINERID", "").env("CNI_NETNS", "dummy");
    version.env("CNI_IFNAME", "a/b").without_env("CNI_PATH").run().success();
    let noise =
        Call::add(&witness).env("CNI_FOO", "x").env("TRACEPARENT", "malformed").without_env("CNI_PATH");
    noise.run().success();
}

#[test]
fn invalid_and_missing_variables_are_reported_at_once() {
    let witness = Witness::new();
    for id in ["-a", "a b", "a/b", "../x", "é", "a\n"] {
        let msg =
            refused(&Call::add(&witness).container_id(id).run(), &witness, ErrorCode::INVALID_ENVIRONMENT);
        assert!(msg.starts_with("invalid CNI_CONTAINERID: "), "{msg}");
    }
    for ifname in [".", "..", "a/b", "a:b", "a b", "1234567890123456"] {
        let msg =
            refused(&Call::add(&witness).ifname(ifname).run(), &witness, ErrorCode::INVALID_ENVIRONMENT);
        assert!(msg.starts_with("invalid CNI_IFNAME: "), "{msg}");
    }
    let call = Call::add(&witness).container_id("-a").ifname("a/b").without_env("CNI_NETNS");
    let msg = refused(&call.run(), &witness, ErrorCode::INVALID_ENVIRONMENT);
    for part in ["[CNI_NETNS] missing", "invalid CNI_CONTAINERID: ", "invalid CNI_IFNAME: "] {
        assert!(msg.contains(part), "{part}: {msg}");
    }
}

#[test]
fn an_unknown_command_is_refused_in_the_words_that_old_runtimes_look_for() {
    let witness = Witness::new();
    for command in ["NOPE", "add", "ADD "] {
        for stdin in [CONFIG, ""] {
            let outcome = Call::add(&witness).env("CNI_COMMAND", command).stdin(stdin).run();
            let msg = refused(&outcome, &witness, ErrorCode::INVALID_ENVIRONMENT);
            assert_eq!(msg, format!("unknown CNI_COMMAND: {command}"));
            assert_eq!(outcome.error().details, None);
        }
    }
}

#[test]
fn stdin_that_is_no_configuration_is_refused_with_the_path() {
    let witness = Witness::new();
    for (stdin, code, text) in [
        ("", 6, "empty input"),
        ("garbage", 6, "expected value"),
        ("[]", 6, "invalid type: sequence, expected an object"),
        ("\"x\"", 6, "invalid type: string"),
        ("null", 6, "invalid type: null"),
        ("{\"cniVersion\": \"1.1.0\", \"name\": \"lan\"} trailing", 6, "trailing characters"),
        ("{\"cniVersion\": \"1.1.0\", \"name\": \"lan\"}{}", 6, "trailing characters"),
        ("{\"cniVersion\": \"1.1.0\"}", 7, "missing network name"),
        ("{\"cniVersion\": \"1.1.0\", \"name\": \"\"}", 7, "missing network name"),
        ("{\"cniVersion\": \"1.1.0\", \"name\": 7}", 6, "name: invalid type"),
        ("{\"cniVersion\": \"1.1.0\", \"name\": \"a/b\"}", 7, "name: invalid network name \"a/b\""),
        ("{\"cniVersion\": 1, \"name\": \"lan\"}", 6, "cniVersion: invalid type"),
        ("{\"cniVersion\": \"1.1.0\", \"name\": \"lan\", \"mtu\": \"x\"}", 6, "mtu: invalid type"),
        ("{\"cniVersion\": \"1.1.0\", \"name\": \"lan\", \"mtu\": -1}", 7, "mtu: invalid value"),
        ("{\"cniVersion\": \"1.1.0\", \"name\": \"lan\", \"end\": \"x\"}", 7, "end: unknown variant"),
    ] {
        let outcome = Call::add(&witness).stdin(stdin).run();
        let msg = refused(&outcome, &witness, ErrorCode::new(code));
        assert!(msg.starts_with(text), "{stdin}: {msg}");
    }
}

#[test]
fn an_error_names_the_version_of_the_request() {
    let witness = Witness::new();
    let of = |stdin: &str| Call::add(&witness).stdin(stdin).run().error().cni_version.unwrap();
    assert_eq!(of(r#"{"cniVersion": "0.4.0"}"#), "0.4.0");
    assert_eq!(of(r#"{"cniVersion": "9.9.9", "name": "lan"}"#), "9.9.9");
    assert_eq!(of("garbage"), "1.1.0");
}

#[test]
fn a_version_that_the_plugin_does_not_speak_is_refused_with_both_sides() {
    let witness = Witness::new();
    for version in ["9.9.9", "1.0", "v1.0.0", "01.0.0", "1.1.0-rc1"] {
        for command in [Command::Add, Command::Del, Command::Check, Command::Gc, Command::Status] {
            let outcome = Call::new(command, &witness).config(json!({"cniVersion": version})).run();
            let msg = refused(&outcome, &witness, ErrorCode::INCOMPATIBLE_VERSION);
            assert_eq!(msg, "incompatible CNI versions");
            let details = outcome.error().details.unwrap();
            assert!(details.contains(version) && details.contains(r#"["0.1.0" "0.2.0""#), "{details}");
        }
    }
    let absent =
        Call::add(&witness).stdin(r#"{"name": "lan", "prevResult": {"ip4": {"ip": "10.0.0.1/8"}}}"#).run();
    assert_eq!(absent.json()["cniVersion"], "0.1.0");
}

/// A plugin that speaks one version.
struct Modern;

impl Plugin for Modern {
    type Config = NoConfig;

    fn supported_versions(&self) -> &[SpecVersion] {
        &[SpecVersion::V1_0_0]
    }

    fn add(&self, _: &AddRequest) -> Result<AddResult> {
        Ok(AddResult::default())
    }

    fn del(&self, _: &DelRequest) -> Result<()> {
        Ok(())
    }

    fn check(&self, _: &CheckRequest) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_version_that_we_know_and_the_plugin_does_not_is_refused_too() {
    let call = |version: &str| Call::add(&Modern).config(json!({"cniVersion": version})).run();
    call("1.0.0").success();
    for version in ["0.4.0", "1.1.0"] {
        let error = call(version).error_with(ErrorCode::INCOMPATIBLE_VERSION);
        let details = format!("config is {version:?}, plugin supports [\"1.0.0\"]");
        assert_eq!(error.details.as_deref(), Some(details.as_str()));
    }
    let version = Call::new(Command::Version, &Modern).run().success().json();
    assert_eq!(version["supportedVersions"], json!(["1.0.0"]));
}

#[test]
fn a_command_needs_the_version_that_has_it() {
    let witness = Witness::new();
    for (command, version) in [(Command::Check, "0.3.1"), (Command::Gc, "1.0.0"), (Command::Status, "1.0.0")]
    {
        let outcome = Call::new(command, &witness).config(json!({"cniVersion": version})).run();
        let msg = refused(&outcome, &witness, ErrorCode::INCOMPATIBLE_VERSION);
        assert_eq!(msg, format!("config version does not allow {command}"));
    }
}

#[test]
fn a_namespace_that_is_none_fails_add_and_check_and_is_none_to_del() {
    let witness = Witness::new();
    for path in ["/nonexistent/netns", "/etc/passwd", "/", "/proc/self/ns/mnt"] {
        for command in [Command::Add, Command::Check] {
            let outcome = Call::new(command, &witness).env("CNI_NETNS", path).run();
            let msg = refused(&outcome, &witness, ErrorCode::INVALID_ENVIRONMENT);
            assert!(msg.contains("CNI_NETNS") && msg.contains(path), "{msg}");
        }
        Call::del(&witness).env("CNI_NETNS", path).run().silent_success();
        assert_eq!(witness.take(), ["del c1 without a namespace"]);
    }
}

#[test]
fn the_plugins_own_namespace_is_refused_before_the_handler_and_not_given_to_del() {
    let witness = Witness::new();
    let msg = refused(&Call::add(&witness).own_netns().run(), &witness, ErrorCode::INVALID_ENVIRONMENT);
    assert_eq!(msg, "invalid CNI_NETNS: /fake/netns is the plugin's own network namespace");
    let outcome = Call::del(&witness).own_netns().run().silent_success();
    assert_eq!(witness.take(), ["del c1 without a namespace"]);
    assert!(outcome.stderr().contains("ignoring CNI_NETNS=/fake/netns"));

    for value in ["1", "true", "TRUE"] {
        Call::add(&witness).own_netns().env("CNI_NETNS_OVERRIDE", value).run().success();
        Call::del(&witness).own_netns().env("CNI_NETNS_OVERRIDE", value).run().success();
        assert_eq!(witness.take(), ["add test c1 eth0", "del c1 /fake/netns"]);
    }
    let call = Call::add(&witness).own_netns().env("CNI_NETNS_OVERRIDE", "yes");
    refused(&call.run(), &witness, ErrorCode::INVALID_ENVIRONMENT);
}

#[test]
fn only_add_and_version_print_something() {
    let witness = Witness::new();
    let prev = json!({"prevResult": {}});
    for command in [Command::Del, Command::Check, Command::Gc, Command::Status] {
        Call::new(command, &witness).config(&prev).run().silent_success();
    }
    let version = Call::version(&witness).stdin(r#"{"cniVersion": "1.0.0"}"#).run().success();
    assert_eq!(version.json()["cniVersion"], "1.0.0");
    assert_eq!(version.json()["supportedVersions"].as_array().unwrap().len(), 7);
    assert_eq!(Call::add(&witness).run().json(), json!({"cniVersion": "1.1.0"}));
}

#[test]
fn check_without_a_previous_result_is_refused() {
    let witness = Witness::new();
    let error = Call::check(&witness).run().error_with(ErrorCode::INVALID_NETWORK_CONFIG);
    assert_eq!(error.msg, "missing prevResult, which CHECK needs");
}

#[test]
fn a_previous_result_that_is_none_fails_only_who_reads_it() {
    let witness = Witness::new();
    let config = json!({"prevResult": {"ips": "none"}});
    let error = Call::add(&witness).config(&config).run().error_with(ErrorCode::DECODING_FAILURE);
    assert!(error.msg.starts_with("prevResult.ips: "), "{}", error.msg);
    Call::del(&witness).config(&config).run().silent_success();
}

#[test]
fn a_configuration_that_does_not_decode_stops_add_check_and_status_but_not_del_and_gc() {
    let witness = Witness::new();
    let config = json!({"mtu": "1400", "prevResult": {}});
    for command in [Command::Add, Command::Check, Command::Status] {
        let outcome = Call::new(command, &witness).config(config.clone()).run();
        let error = outcome.error_with(ErrorCode::DECODING_FAILURE);
        assert!(error.msg.starts_with("mtu: "), "{command}: {}", error.msg);
        assert!(witness.take().is_empty(), "{command}");
    }
    for command in [Command::Del, Command::Gc] {
        Call::new(command, &witness).config(config.clone()).run().silent_success();
    }
    assert_eq!(witness.take().len(), 1, "DEL reached the handler");
}

/// Asks for its configuration in DEL and GC.
struct Asking;

impl Plugin for Asking {
    type Config = crate::plugin::Config;

    fn add(&self, _: &AddRequest<Self::Config>) -> Result<AddResult> {
        Ok(AddResult::default())
    }

    fn del(&self, req: &DelRequest<Self::Config>) -> Result<()> {
        req.config().map(drop)
    }

    fn check(&self, _: &CheckRequest<Self::Config>) -> Result<()> {
        Ok(())
    }

    fn gc(&self, req: &GcRequest<Self::Config>) -> Result<()> {
        req.config().map(drop)
    }
}

#[test]
fn del_and_gc_get_the_error_of_their_configuration_when_they_ask_for_it() {
    for command in [Command::Del, Command::Gc] {
        Call::new(command, &Asking).config(json!({"mtu": 1400})).run().silent_success();
        let outcome = Call::new(command, &Asking).config(json!({"mtu": "1400"})).run();
        assert!(outcome.error_with(ErrorCode::DECODING_FAILURE).msg.starts_with("mtu: "));
    }
}
