//! Plugins that fail, in all ways.

use std::time::{Duration, Instant};

use cni_testing::types::{Command, ErrorCode};
use cni_testing::{Chain, ChainFailure};

use crate::plugins::{NETNS, Plugins, attachment, netns};

const REFUSE: &str = r#"echo '{"code": 11, "msg": "busy", "details": "try later"}'; exit 1"#;

#[test]
fn a_failed_add_ends_the_chain_and_names_plugin_and_error() {
    let plugins = Plugins::two().add("first", "", REFUSE);
    let error = plugins.chain("1.1.0").add(&attachment("c1"), NETNS).unwrap_err();
    assert_eq!(error.to_string(), r#"ADD of plugin "first": code 11, busy: try later"#);
    assert_eq!(error.command, Some(Command::Add));
    assert_eq!(error.object().map(|object| object.code), Some(ErrorCode::TRY_AGAIN_LATER));
    assert_eq!(plugins.log(), ["ADD first c1"]);
    assert!(!plugins.cache().exists(), "nothing is cached");
}

#[test]
fn an_add_that_is_to_be_undone_sends_del_to_all_without_a_result() {
    let plugins = Plugins::two();
    // The result of an ADD that did well is none of the one that did not.
    plugins.chain("1.1.0").add(&attachment("c1"), NETNS).unwrap();
    let plugins = plugins.add("second", "", &format!("[ $CNI_COMMAND != ADD ] || {{ {REFUSE}; }}"));
    let error = plugins.chain("1.1.0").add_or_undo(&attachment("c1"), NETNS).unwrap_err();
    assert!(error.undo.is_none(), "{error}");
    assert_eq!(plugins.log()[2..], ["ADD first c1", "ADD second c1", "DEL second c1", "DEL first c1"]);
    assert!(plugins.request("second", "DEL").get("prevResult").is_none());
}

#[test]
fn what_went_wrong_while_undoing_is_told_too() {
    let plugins = Plugins::two().add("second", "", REFUSE);
    let error = plugins.chain("1.1.0").add_or_undo(&attachment("c1"), NETNS).unwrap_err();
    let refusal = r#"of plugin "second": code 11, busy: try later"#;
    assert_eq!(error.to_string(), format!("ADD {refusal}; then DEL {refusal}"));
}

#[test]
fn a_failed_del_ends_there_and_keeps_the_cache() {
    let plugins = Plugins::two().add("second", "{}", &format!("[ $CNI_COMMAND != DEL ] || {{ {REFUSE}; }}"));
    let chain = plugins.chain("1.1.0");
    chain.add(&attachment("c1"), NETNS).unwrap();
    chain.del(&attachment("c1"), netns()).unwrap_err();
    assert_eq!(plugins.log().last().unwrap(), "DEL second c1");
    assert!(plugins.cache().join("results/lan-c1-eth0").exists());
}

#[track_caller]
fn message_of_add(first: &str, shell: &str) -> String {
    let plugins = Plugins::two().add("first", first, shell);
    plugins.chain("1.1.0").add(&attachment("c1"), NETNS).unwrap_err().to_string()
}

#[test]
fn a_plugin_that_prints_no_result_is_named_with_what_it_printed() {
    let message = message_of_add("hello\u{1b}[2J", "");
    assert!(
        message.starts_with(r#"ADD of plugin "first": it ended with exit code 0 and printed an invalid"#)
    );
    assert!(message.ends_with(r#": "hello\u{1b}[2J\n""#), "{message}");
    for garbage in ["", "[]", "null", r#"{"ips": "none"}"#, "{} {}", r#"{"cniVersion": "9.9.9"}"#] {
        let message = message_of_add(garbage, "");
        assert!(message.contains("printed an invalid result"), "{garbage}: {message}");
    }
}

#[test]
fn a_plugin_that_fails_without_an_error_is_quoted() {
    let message = message_of_add("", "echo oops >&2; exit 7");
    let silent = r#"it ended with exit code 7 and printed no error, but on stderr "oops\n""#;
    assert_eq!(message, format!(r#"ADD of plugin "first": {silent}"#));
    let message = message_of_add("", "echo not json; exit 1");
    assert!(message.contains("exit code 1 and printed an invalid error"), "{message}");
    let message = message_of_add("", "kill -9 $$");
    assert!(message.contains("it ended with a signal"), "{message}");
}

#[test]
fn a_plugin_that_does_not_end_is_killed() {
    let plugins = Plugins::two().add("first", "{}", "sleep 60");
    let chain = plugins.chain("1.1.0").timeout(Duration::from_millis(200));
    let started = Instant::now();
    let error = chain.add(&attachment("c1"), NETNS).unwrap_err();
    assert!(matches!(error.failure, ChainFailure::TimedOut(_)), "{error}");
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_daemon_that_a_plugin_started_is_not_waited_for() {
    let plugins = Plugins::two().add("first", "{}", "sleep 60 &");
    let started = Instant::now();
    plugins.chain("1.1.0").add(&attachment("c1"), NETNS).unwrap();
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_plugin_that_is_not_there_is_named_with_the_folders() {
    let chain = Chain::parse(r#"{"cniVersion": "1.1.0", "name": "lan", "plugins": [{"type": "absent"}]}"#);
    let chain = chain.unwrap();
    let error = chain.clone().plugin_path(["/a", "/b"]).add(&attachment("c1"), NETNS).unwrap_err();
    assert_eq!(error.to_string(), r#"ADD of plugin "absent": there is no such plugin in /a, /b"#);
    let error = chain.add(&attachment("c1"), NETNS).unwrap_err();
    assert!(error.to_string().ends_with("in no folder: none was given"), "{error}");
}

#[test]
fn a_malformed_configuration_is_named_by_its_path() {
    let message = |text: &str| Chain::parse(text).unwrap_err().to_string();
    assert!(message(r#"{"name": "lan", "plugins": [{"type": 5}]}"#).starts_with("plugins[0].type: "));
    assert!(message(r#"{"name": "lan", "plugins": []}"#).starts_with("plugins: "));
    assert_eq!(
        message(r#"{"cniVersion": "9.9.9", "name": "lan", "plugins": [{"type": "a"}]}"#),
        r#"unknown CNI version "9.9.9""#
    );
}
