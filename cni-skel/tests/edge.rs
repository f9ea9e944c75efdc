//! The edge of the process: stdin, stdout, exit code, and what must not reach them. The plugin is the example
//! `misbehaving`, which cargo builds with the tests.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use cni_skel::types::{ErrorObject, VersionReply};
use serde_json::Value;

fn misbehaving() -> Command {
    let tests = std::env::current_exe().unwrap();
    let program: PathBuf = tests.parent().unwrap().parent().unwrap().join("examples/misbehaving");
    assert!(program.is_file(), "{} is not built; run the tests with cargo test", program.display());
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn call(command: &str) -> Command {
    let mut misbehaving = misbehaving();
    misbehaving.envs([("CNI_COMMAND", command), ("CNI_CONTAINERID", "c1"), ("CNI_IFNAME", "eth0")]);
    // Any namespace will do that is not the plugin's own, and that override says so of any.
    misbehaving.env("CNI_NETNS", "/proc/self/ns/net").env("CNI_NETNS_OVERRIDE", "1");
    misbehaving
}

fn feed(command: &mut Command, stdin: impl AsRef<[u8]>) -> Output {
    let mut child = command.spawn().unwrap();
    // It may answer before it has read everything.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_ref());
    child.wait_with_output().unwrap()
}

fn with_fault(command: &str, fault: &str) -> Output {
    feed(&mut call(command), format!(r#"{{"cniVersion": "1.1.0", "name": "lan", "fault": "{fault}"}}"#))
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn error(output: &Output) -> ErrorObject {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    ErrorObject::decode(std::str::from_utf8(&output.stdout).unwrap()).unwrap()
}

fn wait_at_most(mut child: Child, time: Duration) -> Output {
    let until = Instant::now() + time;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > until {
            child.kill().unwrap();
            panic!("no answer within {time:?}: {:?}", child.wait_with_output().unwrap());
        }
        thread::sleep(Duration::from_millis(2));
    }
    child.wait_with_output().unwrap()
}

#[test]
fn what_a_handler_and_its_children_print_goes_to_stderr() {
    for (fault, text) in [("print", "and a part of one"), ("child", "a child on stdout")] {
        let output = with_fault("ADD", fault);
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document, serde_json::json!({"cniVersion": "1.1.0"}));
        assert!(stderr(&output).contains(text), "{output:?}");
        let output = with_fault("DEL", fault);
        assert!(
            output.status.success() && output.stdout.is_empty() && stderr(&output).contains(text),
            "{output:?}"
        );
    }
}

#[test]
fn a_panic_is_an_error_with_place_and_message_and_what_was_done_is_undone() {
    let output = with_fault("ADD", "panic");
    let error = error(&output);
    assert_eq!((error.code.get(), error.msg.as_str()), (999, "the plugin panicked"));
    let details = error.details.unwrap();
    assert!(details.starts_with("the plugin has 7 legs at cni-skel/examples/misbehaving.rs:"), "{details}");
    assert!(stderr(&output).contains("undone"));
}

#[test]
fn a_second_panic_while_undoing_is_told_too_and_does_not_stop_the_undoing() {
    let output = with_fault("ADD", "panic twice");
    let details = error(&output).details.unwrap();
    assert!(details.contains("the plugin has 7 legs") && details.contains("while undoing"), "{details}");
    assert!(stderr(&output).contains("undone"));
}

#[test]
fn a_panic_without_a_message_and_one_in_a_thread_are_answered() {
    let payload = error(&with_fault("ADD", "payload"));
    assert!(payload.details.unwrap().starts_with("a panic without a message at "));
    assert_eq!(error(&with_fault("ADD", "thread")).msg, "a thread is gone");
}

#[test]
fn a_result_that_cannot_be_written_is_a_failed_add() {
    let config = r#"{"cniVersion": "1.1.0", "name": "lan"}"#;
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = feed(call("ADD").stdout(full), config);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("undone") && stderr(&output).contains("failed to write to stdout"));

    // Closed from the start: only a shell can do that to a child.
    let add = call("ADD");
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", r#"exec "$0" >&-"#]).arg(add.get_program()).env_clear();
    shell.envs(add.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = feed(shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()), config);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stderr(&output).contains("undone") && stderr(&output).contains("stdout is closed"), "{output:?}");

    // Nobody at the other end of the pipe.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = feed(call("ADD").stdout(writer), config);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stderr(&output).contains("undone"));
}

#[test]
fn a_command_without_an_answer_does_not_need_stdout() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = feed(call("DEL").stdout(full), r#"{"cniVersion": "1.1.0", "name": "lan"}"#);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn stdin_may_be_closed_slow_or_too_large() {
    let add = call("DEL");
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", r#"exec "$0" <&-"#]).arg(add.get_program()).env_clear();
    shell.envs(add.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = shell.output().unwrap();
    assert_eq!(error(&output).code.get(), 6);

    let mut child = call("DEL").spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for chunk in [r#"{"cniVer"#, r#"sion": "1.1.0", "#, r#""name": "lan"}"#] {
        stdin.write_all(chunk.as_bytes()).unwrap();
        thread::sleep(Duration::from_millis(20));
    }
    drop(stdin);
    assert!(child.wait_with_output().unwrap().status.success());

    let error = error(&feed(&mut call("DEL"), vec![b' '; (16 << 20) + 1]));
    assert_eq!(
        (error.code.get(), error.msg.as_str()),
        (6, "the network configuration on stdin is larger than 16 MiB")
    );
}

#[test]
fn version_echoes_the_version_that_it_is_asked_in() {
    for (stdin, version) in [
        (&br#"{"cniVersion": "0.4.0"}"#[..], "0.4.0"),
        (br#"{"cniVersion": "9.9.9"}"#, "9.9.9"),
        (b"", "1.1.0"),
        (b"garbage", "1.1.0"),
        (br#"{"cniVersion": 7}"#, "1.1.0"),
    ] {
        let output = feed(misbehaving().env("CNI_COMMAND", "VERSION").env("CNI_IFNAME", "a/b"), stdin);
        assert!(output.status.success(), "{output:?}");
        let reply = VersionReply::decode(std::str::from_utf8(&output.stdout).unwrap()).unwrap();
        assert_eq!((reply.cni_version.as_str(), reply.supported_versions.len()), (version, 7));
    }
}

#[test]
fn version_does_not_wait_for_a_runtime_that_leaves_stdin_open() {
    for stdin in ["", r#"{"cniVersion": "1.0.0"}"#] {
        let mut child = misbehaving().env("CNI_COMMAND", "VERSION").spawn().unwrap();
        let mut open = child.stdin.take().unwrap();
        open.write_all(stdin.as_bytes()).unwrap();
        let output = wait_at_most(child, Duration::from_secs(10));
        assert!(output.status.success() && !output.stdout.is_empty(), "{output:?}");
        drop(open);
    }
}

#[test]
fn without_a_command_a_person_gets_text_and_success() {
    for empty in [false, true] {
        let mut command = misbehaving();
        if empty {
            command.env("CNI_COMMAND", "");
        }
        let child = command.spawn().unwrap();
        // stdin stays open: it is not read.
        let output = wait_at_most(child, Duration::from_secs(10));
        assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
        let text = stderr(&output);
        assert!(
            text.starts_with("a plugin that misbehaves\nCNI protocol versions supported: 0.1.0, "),
            "{text}"
        );
    }
}

#[test]
fn variables_that_are_no_text_are_an_error_or_nobodys_business() {
    let no_text = OsStr::from_bytes(b"\xff\xfe");
    let config = r#"{"cniVersion": "1.1.0", "name": "lan"}"#;
    let output = feed(call("DEL").env("CNI_CONTAINERID", no_text), config);
    let error = error(&output);
    assert_eq!(error.code.get(), 4);
    assert!(error.msg.contains("CNI_CONTAINERID"), "{}", error.msg);
    for name in ["CNI_NETNS", "CNI_ARGS", "CNI_PATH", "OTHER"] {
        assert!(feed(call("DEL").env(name, no_text), config).status.success(), "{name}");
    }
    assert_eq!(feed(call("DEL").env("CNI_COMMAND", no_text), config).status.code(), Some(1));
}
