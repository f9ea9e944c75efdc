//! The options of a plugin for a person who starts it by hand, and that they do not disturb a runtime's call.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use cni_skel::types::{AddResult, ErrorCode, SpecVersion};
use cni_skel::{
    AddRequest, CheckRequest, DelRequest, Env, Error, Invocation, NoConfig, Plugin, Reply, Result, System,
    dispatch,
};

const SCHEMA: &str = r#"{"type": "object"}"#;

struct Described;

impl Plugin for Described {
    type Config = NoConfig;

    const ABOUT: &'static str = "CNI example plugin 1.2.3";
    const SCHEMA: Option<&'static str> = Some(SCHEMA);

    fn supported_versions(&self) -> &[SpecVersion] {
        &[SpecVersion::V1_0_0, SpecVersion::V1_1_0]
    }

    fn add(&self, _: &AddRequest) -> Result<AddResult> {
        Ok(AddResult::default())
    }

    fn del(&self, _: &DelRequest) -> Result<()> {
        Err(Error::new(ErrorCode::new(100), "called"))
    }

    fn check(&self, _: &CheckRequest) -> Result<()> {
        Ok(())
    }
}

/// A plugin without a description and without a schema.
struct Silent;

impl Plugin for Silent {
    type Config = NoConfig;

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

fn ask_in(plugin: &impl Plugin, env: Env, args: &[&str]) -> Reply {
    let stdin = r#"{"cniVersion": "1.1.0", "name": "lan"}"#;
    let invocation = Invocation::new(env, stdin).program("/opt/cni/bin/example").args(args);
    dispatch(plugin, invocation, Arc::new(System::new()))
}

fn ask(plugin: &impl Plugin, args: &[&str]) -> Reply {
    ask_in(plugin, Env::new(), args)
}

#[track_caller]
fn text(reply: &Reply, exit_code: u8) -> String {
    assert_eq!((reply.exit_code(), reply.stdout()), (exit_code, None), "{reply:?}");
    reply.stderr().join("\n")
}

fn del() -> Env {
    Env::new().with("CNI_COMMAND", "DEL").with("CNI_CONTAINERID", "c1").with("CNI_IFNAME", "eth0")
}

#[test]
fn option_version_prints_name_and_protocol_versions() {
    for option in ["--version", "-V"] {
        let text = text(&ask(&Described, &[option]), 0);
        assert_eq!(text, "CNI example plugin 1.2.3\nCNI protocol versions supported: 1.0.0, 1.1.0");
    }
    assert!(text(&ask(&Silent, &["--version"]), 0).starts_with("CNI plugin example\n"));
}

#[test]
fn option_help_prints_options_variables_and_log_settings() {
    for option in ["--help", "-h"] {
        let text = text(&ask(&Described, &[option]), 0);
        assert!(text.starts_with("CNI example plugin 1.2.3\n"), "{text}");
        for word in
            ["usage: example [option]", "--version", "--schema", "CNI_COMMAND", "CNI_LOG_FILE", "logLevel"]
        {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
    assert!(!text(&ask(&Silent, &["--help"]), 0).contains("--schema"));
}

#[test]
fn option_schema_prints_the_schema_on_stdout_if_there_is_one() {
    let reply = ask(&Described, &["--schema"]);
    assert_eq!((reply.exit_code(), reply.stdout()), (0, Some(format!("{SCHEMA}\n").as_str())));
    assert_eq!(text(&ask(&Silent, &["--schema"]), 1), "example has no schema");
}

#[test]
fn any_other_argument_is_an_error_that_names_it() {
    for (args, unexpected) in [
        (&["--halp"][..], "--halp"),
        (&["ADD"], "ADD"),
        (&["--help", "me"], "me"),
        (&[""], ""),
        (&["--schema=x"], "--schema=x"),
    ] {
        let text = text(&ask(&Described, args), 1);
        assert!(text.starts_with(&format!("example: unexpected argument {unexpected:?};")), "{text}");
    }
    let no_text = Invocation::new(Env::new(), "").args([OsStr::from_bytes(b"--\xff")]);
    let reply = dispatch(&Described, no_text, Arc::new(System::new()));
    assert!(text(&reply, 1).contains(r#""--\xFF""#), "{reply:?}");
}

#[test]
fn an_option_takes_precedence_over_a_command() {
    assert!(text(&ask_in(&Described, del(), &["--help"]), 0).contains("usage"));
    assert!(ask_in(&Described, del(), &["--schema"]).stdout().unwrap().contains("object"));
}

#[test]
fn other_arguments_do_not_change_a_call() {
    for args in [&[][..], &["x"], &["--verbose", "--help"], &["--help", "x"]] {
        let reply = ask_in(&Described, del(), args);
        assert!(reply.stdout().unwrap().contains("called"), "{args:?}: {reply:?}");
    }
}
