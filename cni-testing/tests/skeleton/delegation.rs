//! Delegation: what the IPAM plugin gets, and what becomes of its answer.

use cni_testing::types::{Command, ErrorCode};
use cni_testing::{Call, DelegateReply, json};

use crate::plugin::Witness;

fn config() -> serde_json::Value {
    json!({"cniVersion": "1.0.0", "name": "lan", "type": "witness", "ipam": {"type": "pool", "big": 12345678901234567_u64}})
}

fn ip() -> serde_json::Value {
    json!({"cniVersion": "1.0.0", "ips": [{"address": "10.1.0.2/16"}]})
}

#[test]
fn a_delegate_gets_stdin_and_environment_whole_with_another_command() {
    let witness = Witness::new();
    let stdin = r#"{ "cniVersion":"1.0.0", "name":"lan" , "ipam":{"type":"pool"}, "x":123456789012345678901234567890 }"#;
    let call = || {
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        Call::add(&witness).stdin(stdin).env("TRACEPARENT", trace).args("K8S_POD_NAME=web")
    };
    let done = call().delegate("pool", DelegateReply::add(ip())).run();
    assert_eq!(done.result().ips[0].address.to_string(), "10.1.0.2/16");
    assert_eq!(done.commands_of("pool"), ["ADD"]);
    let failing = DelegateReply::add(ip()).printing("", 1);
    let failed = call().delegate("pool", failing).delegate("pool", DelegateReply::del()).run();
    failed.error_with(ErrorCode::INTERNAL);
    assert_eq!(failed.commands_of("pool"), ["ADD", "DEL"]);
    for call in done.delegate_calls().iter().chain(failed.delegate_calls()) {
        assert_eq!(call.stdin, stdin);
        assert_eq!(call.env.get("CNI_CONTAINERID").unwrap(), "c1");
        assert_eq!(call.env.get("CNI_ARGS").unwrap(), "K8S_POD_NAME=web");
        assert!(call.env.get("TRACEPARENT").is_some());
    }
}

#[test]
fn a_delegates_error_keeps_its_code_message_and_details_and_add_is_followed_by_del() {
    let witness = Witness::new();
    let printed = r#"{"code": 123, "msg": "no address", "details": "the pool is empty"}"#;
    let outcome = Call::add(&witness)
        .config(config())
        .delegate("pool", DelegateReply::add(json!({})).printing(printed, 1))
        .delegate("pool", DelegateReply::del())
        .run();
    let error = outcome.error_with(ErrorCode::new(123));
    assert_eq!((error.msg.as_str(), error.details.as_deref()), ("no address", Some("the pool is empty")));
    assert_eq!(outcome.commands_of("pool"), ["ADD", "DEL"]);
}

#[test]
fn an_error_is_one_whatever_the_exit_code_and_whatever_it_leaves_out() {
    let silent = "plugin \"pool\" failed with exit status: 1 and printed an error without a message";
    for (printed, exit_code, code, msg) in [
        (
            r#"{"cniVersion": "1.0.0", "code": 123, "msg": "no address"}"#,
            0,
            ErrorCode::new(123),
            "no address",
        ),
        (r#"{"msg": "no address"}"#, 1, ErrorCode::INTERNAL, "no address"),
        (r#"{"code": 0, "msg": ""}"#, 1, ErrorCode::INTERNAL, silent),
        (r#"{"code": 11}"#, 1, ErrorCode::TRY_AGAIN_LATER, silent),
    ] {
        let witness = Witness::new();
        let outcome = Call::add(&witness)
            .config(config())
            .delegate("pool", DelegateReply::add(json!({})).printing(printed, exit_code))
            .delegate("pool", DelegateReply::del())
            .run();
        assert_eq!(outcome.error_with(code).msg, msg, "{outcome}");
        assert_eq!(outcome.commands_of("pool"), ["ADD", "DEL"]);
    }
}

#[test]
fn an_add_that_fails_after_its_delegate_did_well_releases_the_delegate() {
    for (end, code) in [("error", ErrorCode::new(100)), ("panic", ErrorCode::INTERNAL)] {
        let witness = Witness::new();
        let mut config = config();
        config["end"] = json!(end);
        let outcome = Call::add(&witness)
            .config(config)
            .delegate("pool", DelegateReply::add(ip()))
            .delegate("pool", DelegateReply::del())
            .run();
        outcome.error_with(code);
    }
}

#[test]
fn a_delegate_that_cannot_be_released_is_told_in_the_details() {
    let witness = Witness::new();
    let outcome = Call::add(&witness)
        .config(config())
        .delegate("pool", DelegateReply::add(json!({})).failing(ErrorCode::new(123), "no address"))
        .delegate("pool", DelegateReply::del().failing(ErrorCode::new(124), "cannot release"))
        .run();
    let details = outcome.error_with(ErrorCode::new(123)).details.unwrap();
    assert!(details.contains("cannot release"), "{details}");
}

#[test]
fn a_delegate_that_is_not_there_or_cannot_be_a_plugin_is_an_error() {
    let witness = Witness::new();
    let of = |call: Call<'static, &Witness>| call.run().error();
    let error = of(Call::add(&witness).config(json!({"ipam": {"type": "nowhere"}})).plugin_path("/a:/b"));
    assert_eq!(error.code, ErrorCode::IO_FAILURE);
    assert_eq!(error.msg, "failed to find plugin \"nowhere\" in path [/a /b]");
    let error = of(Call::add(&witness).config(json!({"ipam": {"type": "../sh"}})));
    assert_eq!(error.code, ErrorCode::INVALID_NETWORK_CONFIG);
    assert!(error.msg.starts_with("ipam.type: invalid plugin name \"../sh\""), "{}", error.msg);
    let error = of(Call::add(&witness).config(json!({"ipam": {"type": "pool"}})).without_env("CNI_PATH"));
    assert_eq!(error.code, ErrorCode::INVALID_ENVIRONMENT);
    assert!(error.msg.contains("CNI_PATH") && error.msg.contains("pool"), "{}", error.msg);
}

#[test]
fn what_a_delegate_prints_instead_of_an_answer_is_quoted() {
    for (stdout, exit_code, code) in [
        ("garbage", 0, ErrorCode::DECODING_FAILURE),
        ("", 0, ErrorCode::DECODING_FAILURE),
        ("[]", 0, ErrorCode::DECODING_FAILURE),
        (r#"{"cniVersion": "7.0.0"}"#, 0, ErrorCode::INCOMPATIBLE_VERSION),
        ("garbage", 1, ErrorCode::DECODING_FAILURE),
        (r#"{"code": "x", "msg": ""}"#, 1, ErrorCode::DECODING_FAILURE),
        ("", 2, ErrorCode::INTERNAL),
    ] {
        let witness = Witness::new();
        let outcome = Call::add(&witness)
            .config(config())
            .delegate("pool", DelegateReply::add(json!({})).printing(stdout, exit_code))
            .delegate("pool", DelegateReply::del())
            .run();
        let error = outcome.error_with(code);
        assert!(error.msg.contains("plugin \"pool\""), "{outcome}");
        assert!(stdout.is_empty() || error.details.unwrap().contains(&stdout[..1]), "{outcome}");
    }
}

#[test]
fn a_delegate_that_hangs_is_given_up_on() {
    let witness = Witness::new();
    let outcome = Call::add(&witness)
        .config(config())
        .delegate("pool", DelegateReply::add(json!({})).hanging())
        .delegate("pool", DelegateReply::del())
        .run();
    let error = outcome.error_with(ErrorCode::TRY_AGAIN_LATER);
    assert!(error.msg.starts_with("plugin \"pool\" did not end within "), "{}", error.msg);
}

#[test]
fn a_real_delegate_that_hangs_is_killed_after_its_time() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("pool");
    std::fs::write(&program, "#!/bin/sh\n[ $CNI_COMMAND = ADD ] && exec /bin/sleep 600\nexit 0\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let witness = Witness::new();
    let mut config = config();
    config["patience"] = json!(300);
    let outcome = Call::add(&witness).config(config).plugin_path(folder.path()).run();
    let error = outcome.error_with(ErrorCode::TRY_AGAIN_LATER);
    assert_eq!(error.msg, "plugin \"pool\" did not end within 300ms and was killed");
    assert_eq!(witness.take(), ["add lan c1 eth0", "undo second", "undo first"]);
}

#[test]
fn a_delegate_is_found_in_a_folder_whose_name_is_no_text() {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join(std::ffi::OsStr::from_bytes(b"bin\xff"));
    std::fs::create_dir(&folder).unwrap();
    let program = folder.join("pool");
    std::fs::write(&program, "#!/bin/sh\necho '{\"cniVersion\": \"1.0.0\"}'\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let witness = Witness::new();
    Call::add(&witness).config(config()).plugin_path(&folder).run().success();
}

#[test]
fn status_and_gc_reach_the_ipam_plugin_by_default() {
    let witness = Witness::new();
    let mut config = config();
    config["cniVersion"] = json!("1.1.0");
    Call::status(&witness).config(&config).delegate("pool", DelegateReply::status()).run().silent_success();
    Call::gc(&witness).config(&config).delegate("pool", DelegateReply::gc()).run().silent_success();
    let exhausted = DelegateReply::status().failing(ErrorCode::NOT_AVAILABLE, "the pool is exhausted");
    let outcome = Call::status(&witness).config(&config).delegate("pool", exhausted).run();
    assert_eq!(outcome.error_with(ErrorCode::NOT_AVAILABLE).msg, "the pool is exhausted");
    let missing = Call::status(&witness).config(json!({"ipam": {"type": "nowhere"}})).run();
    missing.error_with(ErrorCode::NOT_AVAILABLE);
    for command in [Command::Status, Command::Gc] {
        Call::new(command, &witness).config(json!({"ipam": {}})).run().silent_success();
    }
}

#[test]
fn a_scripted_call_that_is_not_made_or_not_expected_fails_the_test() {
    let witness = Witness::new();
    let panics = |call: Call<'static, &Witness>| {
        let run = std::panic::AssertUnwindSafe(|| drop(call.run()));
        let panic = std::panic::catch_unwind(run).expect_err("the test should have failed");
        panic.downcast_ref::<String>().cloned().unwrap()
    };
    let unused = panics(Call::add(&witness).delegate("pool", DelegateReply::add(ip())));
    assert!(unused.contains("expected but not made: ADD of pool"), "{unused}");
    let other = panics(Call::add(&witness).config(config()).delegate("pool", DelegateReply::del()));
    assert!(other.contains("not expected: ADD of pool"), "{other}");
}
