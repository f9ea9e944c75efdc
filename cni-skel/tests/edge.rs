//! The edge of the process: stdin, stdout and exit code. The plugin is the example `misbehaving`, which cargo builds with the
//! tests.
#![allow(clippy::unwrap_used, reason = "a panic is the failure that is wanted")]

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use cni_skel::types::{ErrorObject, VersionReply};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::pty::openpty;
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
    // With the override, the plugin's own namespace is allowed, so the tests need no other.
    misbehaving.env("CNI_NETNS", "/proc/self/ns/net").env("CNI_NETNS_OVERRIDE", "1");
    misbehaving
}

/// The call from a shell script, which can change the process before the plugin starts: `exec "$0" >&-`.
fn by_shell(call: &Command, script: &str) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script]).arg(call.get_program()).env_clear();
    shell.envs(call.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell
}

fn feed(command: &mut Command, stdin: impl AsRef<[u8]>) -> Output {
    let mut child = command.spawn().unwrap();
    // The plugin may reply before it has read everything.
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
            panic!("no reply within {time:?}: {:?}", child.wait_with_output().unwrap());
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
fn a_panic_is_an_error_with_place_and_message_and_add_is_undone() {
    let output = with_fault("ADD", "panic");
    let error = error(&output);
    assert_eq!((error.code.get(), error.msg.as_str()), (999, "the plugin panicked"));
    let details = error.details.unwrap();
    assert!(details.starts_with("on purpose, in fault 7 at cni-skel/examples/misbehaving.rs:"), "{details}");
    assert!(stderr(&output).contains("undone"));
}

#[test]
fn a_panic_while_undoing_is_reported_too_and_the_other_steps_run() {
    let output = with_fault("ADD", "panic twice");
    let details = error(&output).details.unwrap();
    assert!(details.contains("on purpose, in fault 7") && details.contains("while undoing"), "{details}");
    assert!(stderr(&output).contains("undone"));
}

#[test]
fn a_panic_without_a_message_is_an_error() {
    for fault in ["payload", "payload that panics"] {
        let error = error(&with_fault("ADD", fault));
        assert!(error.details.unwrap().starts_with("a panic without a message at "), "{fault}");
    }
}

#[test]
fn a_panic_in_a_thread_is_reported_with_its_place() {
    // The handler noticed the panic and returned an error of its own.
    let returned = error(&with_fault("ADD", "thread"));
    assert_eq!((returned.code.get(), returned.msg.as_str()), (999, "a thread panicked"));
    let details = returned.details.unwrap();
    let place = "on purpose, in a thread at cni-skel/examples/misbehaving.rs:";
    assert!(details.starts_with(&format!("a thread panicked: {place}")), "{details}");
    // The thread's panic continued in the handler.
    let continued = error(&with_fault("ADD", "scope"));
    assert_eq!((continued.code.get(), continued.msg.as_str()), (999, "the plugin panicked"));
    assert!(continued.details.unwrap().starts_with(place));
}

#[test]
fn nested_calls_report_their_own_panics_only() {
    let outer = error(&with_fault("DEL", "nested calls"));
    let (first, second) = outer.msg.split_once("\n\n").unwrap();
    let details = ErrorObject::decode(first).unwrap().details.unwrap();
    assert!(details.starts_with("on purpose, in fault 7 at ") && !details.contains("outer"), "{details}");
    let second = ErrorObject::decode(second).unwrap();
    assert_eq!((second.msg.as_str(), second.details), ("unsupported field fault: unknown", None));
    let details = outer.details.unwrap();
    assert!(details.contains("on purpose, in a thread of the outer call at "), "{details}");
    assert!(!details.contains("fault 7"), "{details}");
}

#[test]
fn values_that_panic_when_printed_or_dropped_do_not_change_the_reply() {
    let silent = error(&with_fault("DEL", "display"));
    assert_eq!(silent.code.get(), 999);
    assert!(silent.details.unwrap().contains("on purpose, in Display"));
    let output = with_fault("ADD", "drop");
    assert!(stderr(&output).contains("on purpose, in drop"), "{output:?}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(output.status.success() && document["cniVersion"] == "1.1.0", "{output:?}");
}

#[test]
fn a_result_that_cannot_be_written_is_a_failed_add() {
    let config = r#"{"cniVersion": "1.1.0", "name": "lan"}"#;
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = feed(call("ADD").stdout(full), config);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("undone") && stderr(&output).contains("failed to write to stdout"));

    // A pipe without a reader.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = feed(call("ADD").stdout(writer), config);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stderr(&output).contains("undone"));
}

#[test]
fn a_file_size_limit_fails_an_add_but_not_the_log() {
    let config = r#"{"cniVersion": "1.1.0", "name": "lan"}"#;
    let folder = tempfile::tempdir().unwrap();
    let file = File::create(folder.path().join("stdout")).unwrap();
    let output = feed(by_shell(&call("ADD"), r#"ulimit -f 0; exec "$0""#).stdout(file), config);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stderr(&output).contains("undone") && stderr(&output).contains("File too large"), "{output:?}");

    let mut logging = call("ADD");
    logging.env("CNI_LOG", "debug").env("CNI_LOG_FILE", folder.path().join("log"));
    let output = feed(&mut by_shell(&logging, r#"ulimit -f 0; exec "$0""#), config);
    assert!(output.status.success() && !output.stdout.is_empty(), "{output:?}");
}

#[test]
fn non_blocking_stdin_and_stdout_are_waited_for() {
    let config = br#"{"cniVersion": "1.1.0", "name": "lan"}"#;
    let do_not_block = |end: &dyn AsFd| fcntl(end.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map(drop);
    let (stdin, mut runtime) = std::io::pipe().unwrap();
    let (mut answer, mut stdout) = std::io::pipe().unwrap();
    do_not_block(&stdin).unwrap();
    do_not_block(&stdout).unwrap();
    let mut before = 0;
    while let Ok(n) = stdout.write(&[b' '; 4096]) {
        before += n;
    }
    let mut child = call("ADD").stdin(stdin).stdout(stdout).spawn().unwrap();
    // The plugin would end here if it did not wait.
    thread::sleep(Duration::from_millis(50));
    assert!(child.try_wait().unwrap().is_none(), "{:?}", child.wait_with_output());
    runtime.write_all(config).unwrap();
    drop(runtime);
    thread::sleep(Duration::from_millis(50));
    let mut printed = String::new();
    answer.read_to_string(&mut printed).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && before > 0, "{output:?}");
    assert_eq!(printed.trim_start(), "{\n    \"cniVersion\": \"1.1.0\"\n}");
}

#[test]
fn the_handler_is_not_called_if_stdout_cannot_be_duplicated() {
    let config = r#"{"cniVersion": "1.1.0", "name": "lan", "fault": "print"}"#;
    for command in ["ADD", "DEL"] {
        let mut call = call(command);
        call.env("WITHOUT_FILES", "1");
        let error = error(&feed(&mut by_shell(&call, r#"ulimit -n 16; exec "$0""#), config));
        assert_eq!((error.code.get(), error.msg.as_str()), (5, "cannot duplicate stdout"));
        assert!(error.details.unwrap().contains("Too many open files"));
    }
}

#[test]
fn a_plugin_that_aborts_or_exits_prints_an_error() {
    for fault in ["panic in panic", "overflow", "memory", "abort", "exit", "exit in a thread"] {
        for command in ["ADD", "DEL"] {
            let error = error(&with_fault(command, fault));
            assert_eq!((error.code.get(), error.msg.as_str()), (999, "the plugin ended without a reply"));
            assert_eq!(error.cni_version.as_deref(), Some("1.1.0"), "{fault}");
        }
    }
}

#[test]
fn a_thread_that_calls_exit_during_the_reply_leaves_at_most_one_document() {
    for fault in ["exit before the reply", "exit during the reply"] {
        let (mut answer, mut stdout) = std::io::pipe().unwrap();
        // The first thread that writes to the full pipe blocks.
        fcntl(&stdout, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        while stdout.write(&[b' '; 4096]).is_ok() {}
        fcntl(&stdout, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
        let mut child = call("ADD").stdout(stdout).spawn().unwrap();
        let config = format!(r#"{{"cniVersion": "1.1.0", "name": "lan", "fault": "{fault}"}}"#);
        child.stdin.take().unwrap().write_all(config.as_bytes()).unwrap();
        thread::sleep(Duration::from_millis(400));
        let mut printed = String::new();
        answer.read_to_string(&mut printed).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{fault}: {output:?}");
        let document = printed.trim_start();
        // No part of a reply that could not be written may look like a document.
        assert!(document.is_empty() || ErrorObject::decode(document).is_ok(), "{fault}: {document}");
        assert_eq!(document.is_empty(), fault == "exit during the reply", "{fault}: {document}");
    }
}

#[test]
fn the_log_is_not_written_into_the_reply() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stdout");
    let mut call = call("ADD");
    call.env("CNI_LOG", "debug").env("CNI_LOG_FILE", &path).stdout(File::create(&path).unwrap());
    let output = feed(&mut call, r#"{"cniVersion": "1.1.0", "name": "lan"}"#);
    assert!(
        output.status.success() && stderr(&output).contains("it is the file that stdout is"),
        "{output:?}"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\n    \"cniVersion\": \"1.1.0\"\n}");
}

#[test]
fn a_command_without_a_document_does_not_need_stdout() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = feed(call("DEL").stdout(full), r#"{"cniVersion": "1.1.0", "name": "lan"}"#);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn stdin_may_be_closed_slow_or_too_large() {
    let output = by_shell(&call("DEL"), r#"exec "$0" <&-"#).output().unwrap();
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
fn version_replies_in_the_version_of_the_request() {
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
fn an_unknown_command_is_refused_without_waiting_for_stdin() {
    let mut child = misbehaving().env("CNI_COMMAND", "UPDATE").spawn().unwrap();
    let mut open = child.stdin.take().unwrap();
    open.write_all(br#"{"cniVersion": "1.0.0", "name": "lan"}"#).unwrap();
    let error = error(&wait_at_most(child, Duration::from_secs(10)));
    drop(open);
    assert_eq!((error.code.get(), error.msg.as_str()), (4, "unknown CNI_COMMAND: UPDATE"));
    assert_eq!((error.cni_version.as_deref(), error.details), (Some("1.0.0"), None));
}

#[test]
fn without_a_command_the_plugin_prints_what_it_is_and_succeeds() {
    for empty in [false, true] {
        let mut command = misbehaving();
        if empty {
            command.env("CNI_COMMAND", "");
        }
        let child = command.spawn().unwrap();
        // stdin stays open, but the plugin does not read it.
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
fn variables_that_are_not_text_are_an_error_only_if_they_are_used() {
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

#[test]
fn a_hint_is_printed_if_stdin_is_a_terminal() {
    let terminal = openpty(None, None).unwrap();
    let mut child = call("DEL").stdin(terminal.slave).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let hint = lines.next().unwrap().unwrap();
    assert_eq!(hint, "reading the network configuration from the terminal; end it with Ctrl-D");
    let mut person = File::from(terminal.master);
    person.write_all(b"{\"cniVersion\": \"1.1.0\", \"name\": \"lan\"}\n\x04").unwrap();
    let output = wait_at_most(child, Duration::from_secs(10));
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
}

#[test]
fn version_does_not_wait_for_a_terminal() {
    let terminal = openpty(None, None).unwrap();
    let child = misbehaving().env("CNI_COMMAND", "VERSION").stdin(terminal.slave).spawn().unwrap();
    let output = wait_at_most(child, Duration::from_secs(10));
    assert!(output.status.success() && !output.stdout.is_empty() && stderr(&output).is_empty(), "{output:?}");
}

#[test]
fn version_does_not_read_an_endless_stdin() {
    let mut child = misbehaving().env("CNI_COMMAND", "VERSION").spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feeder = thread::spawn(move || {
        // It ends when the plugin has closed the pipe.
        while stdin.write_all(&[b'{'; 4096]).is_ok() {}
    });
    let output = wait_at_most(child, Duration::from_secs(10));
    feeder.join().unwrap();
    assert!(output.status.success() && !output.stdout.is_empty(), "{output:?}");
}

#[test]
fn options_do_not_read_stdin() {
    for (args, code, on_stdout) in
        [("--help", 0, false), ("--version", 0, false), ("--schema", 0, true), ("--other", 1, false)]
    {
        let child = misbehaving().arg(args).spawn().unwrap();
        let output = wait_at_most(child, Duration::from_secs(10));
        assert_eq!((output.status.code(), !output.stdout.is_empty()), (Some(code), on_stdout), "{output:?}");
        assert_eq!(stderr(&output).is_empty(), on_stdout, "{output:?}");
    }
}

#[test]
fn stderr_may_be_closed_full_or_a_pipe_that_nobody_reads() {
    let config = r#"{"cniVersion": "1.1.0", "name": "lan", "logLevel": "debug"}"#;
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    for stderr in [Stdio::from(writer), Stdio::from(full)] {
        let output = feed(call("DEL").env("CNI_LOG_FILE", "relative").stderr(stderr), config);
        assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    }
    let output = feed(&mut by_shell(&call("DEL"), r#"exec "$0" 2>&-"#), config);
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
}

#[test]
fn the_log_is_written_before_the_call_ends_and_not_to_stdout() {
    let mut child = call("ADD").env("CNI_LOG", "info").spawn().unwrap();
    let config = br#"{"cniVersion": "1.1.0", "name": "lan", "fault": "hang"}"#;
    child.stdin.take().unwrap().write_all(config).unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    let said =
        " level=info plugin=misbehaving command=ADD network=lan container=c1 interface=eth0 msg=\"hanging\"";
    assert!(line.ends_with(said), "{line}");
    child.kill().unwrap();
    assert!(child.wait_with_output().unwrap().stdout.is_empty());
}

#[test]
fn any_stdin_and_environment_has_one_reply() {
    let deep = |open: &str, close: &str| {
        let middle = [open.repeat(200_000), close.repeat(200_000)].concat();
        format!(r#"{{"cniVersion": "1.1.0", "name": "lan", "x": {middle}}}"#)
    };
    let inputs: [&[u8]; 12] = [
        b"",
        b"\0",
        b"\xff\xfe{\0}\0",
        b"\xef\xbb\xbf{\"cniVersion\": \"1.1.0\", \"name\": \"lan\"}",
        b"{\"cniVersion\": \"1.1.0\", \"name\": \"\xff\"}",
        br#"{"cniVersion": "1.1.0", "name": "\ud800"}"#,
        br#"{"cniVersion": "1.1.0", "name": "lan", "name": "wan"}"#,
        br#"{"cniVersion": "1.1.0", "name": "lan", "x": 1e999999, "y": -0, "z": 123456789012345678901234567890}"#,
        br#"{"cniVersion": "\u0000\n\"", "name": "lan"}"#,
        deep("[", "]").leak().as_bytes(),
        deep(r#"{"a":"#, "}").replace(":}", ":0}").leak().as_bytes(),
        deep("[", "").leak().as_bytes(),
    ];
    let environments: [&[(&str, &[u8])]; 6] = [
        &[],
        &[("CNI_CONTAINERID", b"\xff"), ("CNI_IFNAME", b"\xff"), ("CNI_NETNS", b"\xff")],
        &[("CNI_NETNS", b"/dev/zero"), ("CNI_NETNS_OVERRIDE", b"\xff")],
        &[("CNI_NETNS", b"/proc/self/mem"), ("CNI_PATH", b":::\xff"), ("CNI_ARGS", b"===;;;")],
        &[
            ("CNI_LOG", b"\xff"),
            ("CNI_LOG_FILE", b"\xff"),
            ("BAGGAGE", b"\xff,=,%"),
            ("RUST_BACKTRACE", b"\xff"),
        ],
        &[("CNI_LOG", b"debug"), ("CNI_LOG_FILE", b"/proc/self/mem"), ("TRACEPARENT", b"00-\xff")],
    ];
    for command in ["ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION", "NONE", ""] {
        for (input, environment) in inputs.iter().flat_map(|input| environments.map(|env| (input, env))) {
            let mut call = call(command);
            call.envs(environment.iter().map(|(name, value)| (name, OsStr::from_bytes(value))));
            let output = feed(&mut call, input);
            let start = String::from_utf8_lossy(&input[..input.len().min(100)]);
            let is_answer =
                output.stdout.is_empty() || serde_json::from_slice::<Value>(&output.stdout).is_ok();
            assert!(
                matches!(output.status.code(), Some(0 | 1)) && is_answer,
                "{command} {start} {environment:?}: {output:?}"
            );
        }
    }
}

#[test]
fn paths_need_not_be_text() {
    let folder = tempfile::tempdir().unwrap();
    let netns = folder.path().join(OsStr::from_bytes(b"net\xff"));
    std::os::unix::fs::symlink("/proc/self/ns/net", &netns).unwrap();
    let config = r#"{"cniVersion": "1.1.0", "name": "lan"}"#;
    let output = feed(call("ADD").env("CNI_NETNS", &netns), config);
    assert!(output.status.success(), "{output:?}");
    let log = folder.path().join(OsStr::from_bytes(b"log\xff"));
    let output = feed(call("DEL").env("CNI_LOG_FILE", &log).env("CNI_LOG", "debug"), config);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(std::fs::read(&log).unwrap(), output.stderr);
}
