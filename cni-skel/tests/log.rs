//! The log: when it is on, where it is written, and its lines.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cni_skel::types::{AddResult, ErrorCode};
use cni_skel::{
    AddRequest, CheckRequest, DelRequest, Env, Error, Invocation, NoConfig, Plugin, Reply, Result, System,
    debug, dispatch, error, info, warn,
};
use serde_json::{Value, json};

/// Logs at every level. Its ADD and CHECK fail.
#[derive(Default)]
struct Talkative {
    formatted: AtomicUsize,
}

struct Counted<'a>(&'a AtomicUsize);

impl fmt::Display for Counted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fetch_add(1, Ordering::Relaxed);
        f.write_str("counted")
    }
}

impl Talkative {
    fn counted(&self) -> Counted<'_> {
        self.formatted.fetch_add(1, Ordering::Relaxed);
        Counted(&self.formatted)
    }
}

impl Plugin for Talkative {
    type Config = NoConfig;

    fn add(&self, req: &AddRequest) -> Result<AddResult> {
        let log = req.log().clone();
        req.on_failure("take it back", move || {
            info!(log, "taken back");
            Err(Error::new(ErrorCode::INTERNAL, "it is stuck"))
        });
        Err(Error::new(ErrorCode::new(100), "told to\nfail").with_details("because"))
    }

    fn del(&self, req: &DelRequest) -> Result<()> {
        error!(req.log(), "an {}", self.counted());
        warn!(req.log(), "a {}", self.counted());
        info!(req.log(), "and \"{}\"\nforged line", self.counted());
        debug!(req.log(), "at last {}", self.counted());
        Ok(())
    }

    fn check(&self, _: &CheckRequest) -> Result<()> {
        Ok(())
    }
}

fn env(command: &str) -> Env {
    let env =
        Env::new().with("CNI_COMMAND", command).with("CNI_CONTAINERID", "c1").with("CNI_IFNAME", "eth0");
    env.with("CNI_NETNS", "/proc/self/ns/net").with("CNI_NETNS_OVERRIDE", "1")
}

fn call(env: Env, keys: Value) -> Reply {
    let mut config = json!({"cniVersion": "1.1.0", "name": "lan"});
    config.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    let invocation = Invocation::new(env, config.to_string()).program("/opt/cni/bin/talkative");
    dispatch(&Talkative::default(), invocation, Arc::new(System::new()))
}

/// The levels of the handler's own lines, by their first letters.
fn levels(reply: &Reply) -> String {
    let has = |level: &&str| reply.stderr().iter().any(|line| line.contains(&format!(" level={level} ")));
    ["error", "warn", "info", "debug"].iter().filter(|level| has(level)).map(|level| &level[..1]).collect()
}

#[test]
fn the_log_is_off_by_default_and_then_evaluates_nothing() {
    let plugin = Talkative::default();
    for (level, evaluated) in [("", 0), ("off", 0), ("OFF", 0), ("warn", 4)] {
        let stdin = r#"{"cniVersion": "1.1.0", "name": "lan"}"#;
        let invocation = Invocation::new(env("DEL").with("CNI_LOG", level), stdin);
        let reply = dispatch(&plugin, invocation, Arc::new(System::new()));
        assert_eq!(plugin.formatted.swap(0, Ordering::Relaxed), evaluated, "{level}");
        assert_eq!(reply.stderr().is_empty(), evaluated == 0, "{reply:?}");
    }
}

#[test]
fn a_level_includes_the_more_important_ones() {
    for (level, seen) in [("error", "e"), ("Warn", "ew"), ("INFO", "ewi"), ("debug", "ewid")] {
        assert_eq!(levels(&call(env("DEL"), json!({"logLevel": level}))), seen);
        assert_eq!(levels(&call(env("DEL").with("CNI_LOG", level), json!({}))), seen);
    }
}

#[test]
fn a_key_takes_precedence_over_its_variable() {
    let reply = |level| call(env("DEL").with("CNI_LOG", "debug"), json!({"logLevel": level}));
    assert_eq!((levels(&reply("off")).as_str(), levels(&reply("error")).as_str()), ("", "e"));
    // An empty value counts as absent, as in the rest of the configuration.
    assert_eq!(levels(&reply("")), "ewid");
}

#[test]
fn an_event_is_one_line_with_all_fields() {
    let env = env("DEL").with("CNI_LOG", "info").with("CNI_CONTAINERID", "c.1-x_2");
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let reply = call(env.with("TRACEPARENT", trace), json!({}));
    let line = &reply.stderr()[2];
    let (time, rest) = line.split_once(' ').unwrap();
    assert_eq!(
        (time.len(), &time[..5], &time[15..16]),
        ("time=2026-01-01T00:00:00.000000Z".len(), "time=", "T")
    );
    assert_eq!(
        rest,
        "level=info plugin=talkative command=DEL network=lan container=c.1-x_2 interface=eth0 \
         trace=0af7651916cd43dd8448eb211c80319c msg=\"and \\\"counted\\\"\\nforged line\""
    );
}

#[test]
fn missing_fields_are_left_out_and_hostile_values_are_quoted() {
    let hostile = env("DEL").with("CNI_CONTAINERID", "a\" level=error\nb").with("TRACEPARENT", "malformed");
    let reply = call(hostile.with("CNI_LOG", "error").with("CNI_IFNAME", ""), json!({"name": "a/b"}));
    let [line] = reply.stderr() else { panic!("{reply:?}") };
    assert!(
        line.contains(r#" level=error plugin=talkative command=DEL container="a\" level=error\nb" msg="failed with code 4: "#),
        "{line}"
    );
}

#[test]
fn the_skeleton_logs_request_undo_steps_and_outcome() {
    let reply = call(env("ADD").with("CNI_LOG", "debug"), json!({}));
    let lines: Vec<_> = reply.stderr().iter().map(|line| line.split_once(" msg=").unwrap().1).collect();
    assert!(
        lines[0].ends_with(r#" bytes on stdin, CNI_NETNS=/proc/self/ns/net, CNI_ARGS=, CNI_PATH=""#),
        "{lines:#?}"
    );
    assert_eq!(
        lines[1..],
        [
            r#""undo: take it back""#,
            r#""taken back""#,
            r#""undo: failed to take it back: it is stuck""#,
            r#""failed with code 100: told to\nfail: because; failed to take it back; it is stuck""#,
        ]
    );
    let reply = call(env("CHECK").with("CNI_LOG", "debug"), json!({}));
    assert!(reply.stderr()[1].ends_with(r#" msg="done, 0 bytes for stdout""#), "{reply:?}");
}

#[test]
fn lines_are_appended_to_a_file_that_others_cannot_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cni.log");
    let mut lines = Vec::new();
    for _ in 0..2 {
        let reply = call(env("DEL").with("CNI_LOG_FILE", &path), json!({}));
        // The level is info if only a file is named.
        assert_eq!(levels(&reply), "ewi");
        lines.extend(reply.stderr().iter().map(|line| format!("{line}\n")));
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), lines.concat());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o137, 0);
}

#[test]
fn a_network_configuration_cannot_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cni.log");
    let reply = call(env("DEL"), json!({"logFile": path, "logLevel": "info"}));
    assert_eq!(levels(&reply), "ewi");
    assert!(!path.exists());
}

#[test]
fn no_file_is_created_while_the_log_is_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cni.log");
    let reply = call(env("DEL").with("CNI_LOG_FILE", &path), json!({"logLevel": "off"}));
    assert!(reply.stderr().is_empty() && !path.exists());
}

#[test]
fn an_invalid_setting_is_reported_once_and_does_not_fail_the_call() {
    let folder = tempfile::tempdir().unwrap();
    // A pipe without a reader must not block the call.
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let no_file = "cannot open the log file ";
    for (file, level, note, seen) in [
        ("".as_ref(), "loud", "ignoring logLevel: \"loud\" is not one of off, error, ", ""),
        ("cni.log".as_ref(), "", "ignoring CNI_LOG_FILE: \"cni.log\" is not an absolute path", ""),
        ("/nowhere/cni.log".as_ref(), "", "cannot open the log file \"/nowhere/cni.log\": No such ", "ewi"),
        (
            "/nowhere/\ntime=now level=error".as_ref(),
            "",
            "cannot open the log file \"/nowhere/\\ntime=now level=error\": No such ",
            "ewi",
        ),
        (pipe.as_os_str(), "warn", no_file, "ew"),
        (folder.path().as_os_str(), "", no_file, "ewi"),
    ] {
        let reply = call(env("DEL").with("CNI_LOG_FILE", file), json!({"logLevel": level}));
        assert_eq!((reply.exit_code(), levels(&reply).as_str()), (0, seen), "{file:?}: {reply:?}");
        let notes: Vec<_> = reply.stderr().iter().filter(|line| !line.starts_with("time=")).collect();
        assert!(matches!(notes[..], [only] if only.starts_with(note)), "{file:?}: {notes:?}");
    }
    // Another plugin may have a key of the same name.
    let reply = call(env("DEL"), json!({"logLevel": {"deep": 7}}));
    assert!(reply.exit_code() == 0 && reply.stderr().is_empty(), "{reply:?}");
}

#[test]
fn a_path_cannot_forge_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net\ntime=now level=error msg=forged");
    fs::write(&path, "").unwrap();
    for level in ["off", "error", "debug"] {
        let reply = call(env("DEL").with("CNI_NETNS", &path), json!({"logLevel": level}));
        assert!(reply.stderr().iter().any(|note| note.contains("ignoring CNI_NETNS=")), "{reply:?}");
        assert!(!reply.stderr().iter().any(|note| note.contains('\n')), "{reply:?}");
    }
}

#[test]
fn a_full_disk_does_not_fail_the_call() {
    let reply = call(env("DEL").with("CNI_LOG_FILE", "/dev/full"), json!({}));
    assert_eq!((reply.exit_code(), levels(&reply).as_str()), (0, "ewi"));
}
