//! What cannot be done, and what fails: exit status, message, and nothing left.

use crate::program::{CNITEST, Folder, cnitest, run};

const LAN: &str =
    r#"{"cniVersion": "1.1.0", "name": "lan", "plugins": [{"type": "first"}, {"type": "second"}]}"#;

#[test]
fn a_malformed_conflist_is_named_with_the_place_in_it() {
    let message = |conflist: &str| {
        let folder = Folder::new(conflist);
        let ran = folder.run(&[]).with(2);
        assert_eq!(ran.stdout, "");
        ran.stderr.replace(&folder.conflist(), "FILE")
    };
    assert!(message("{").starts_with("cnitest: FILE: EOF while parsing an object"), "{}", message("{"));
    let wrong_type = r#"{"name": "lan", "plugins": [{"type": "first"}, {"type": 5}]}"#;
    let said = message(wrong_type);
    assert!(said.starts_with("cnitest: FILE: plugins[1].type: invalid type: integer `5`"), "{said}");
    let said = message(r#"{"name": "lan", "plugins": [{"type": "../first"}]}"#);
    assert!(said.starts_with("cnitest: FILE: plugins[0].type: invalid plugin name"), "{said}");
    assert_eq!(message(&LAN.replace("1.1.0", "9.9.9")), "cnitest: FILE: unknown CNI version \"9.9.9\"\n");
}

#[test]
fn a_conflist_that_is_not_there_is_named() {
    let ran = cnitest(&["run", "/nowhere/lan.conflist"]).with(2);
    assert_eq!(ran.stderr, "cnitest: /nowhere/lan.conflist: No such file or directory (os error 2)\n");
}

#[test]
fn wrong_arguments_are_named() {
    let ran = cnitest(&["run", "--containers", "none", "lan.conflist"]).with(2);
    assert!(ran.stderr.contains("none") && ran.stderr.ends_with("see cnitest --help\n"), "{}", ran.stderr);
    assert!(cnitest(&["--help"]).with(0).stdout.contains("Usage: cnitest run"));
    assert!(cnitest(&["-V"]).with(0).stdout.starts_with("cnitest "));
}

#[test]
fn a_missing_plugin_is_named_with_the_folders() {
    let folder = Folder::new(LAN).plugin("first", "");
    let ran = folder.run(&["--path", "/b"]).with(2);
    let where_looked = folder.path("").display().to_string();
    let expected = format!(
        "cnitest: there is no plugin \"second\" in {}, /b; --path DIR ",
        where_looked.trim_end_matches('/')
    );
    assert!(ran.stderr.starts_with(&expected), "{}", ran.stderr);
    let ipam =
        r#"{"cniVersion": "1.0.0", "name": "lan", "plugins": [{"type": "first", "ipam": {"type": "gone"}}]}"#;
    let ran = Folder::new(ipam).plugin("first", "").run(&[]).with(2);
    assert!(ran.stderr.starts_with("cnitest: there is no plugin \"gone\" in "), "{}", ran.stderr);
}

#[test]
fn a_relative_folder_of_state_is_refused() {
    let folder = Folder::new(
        r#"{"cniVersion": "1.0.0", "name": "lan", "plugins": [{"type": "first", "dataDir": "../state"}]}"#,
    );
    let ran = folder.plugin("first", "").run(&[]).with(2);
    assert!(ran.stderr.contains("cannot put an empty folder over ../state"), "{}", ran.stderr);
}

#[test]
fn a_failing_plugin_is_told_and_what_was_added_is_deleted() {
    let add = r#"[ $CNI_COMMAND != ADD ] || echo '{"cniVersion": "1.1.0"}'"#;
    let fails_for_c2 = format!(
        r#"case $CNI_COMMAND$CNI_CONTAINERID in ADDc2) echo '{{"code": 11, "msg": "busy"}}'; exit 1;; esac; {add}"#
    );
    let folder = Folder::new(LAN).plugin("first", add).plugin("second", &fails_for_c2);
    let ran = folder.run(&["--json"]).with(1);
    let order = [
        "STATUS first",
        "STATUS second",
        "ADD first c0",
        "ADD second c0",
        "DEL second c0",
        "DEL first c0",
        "ADD first c1",
        "ADD second c1",
        "ADD first c2",
        "ADD second c2",
        "DEL second c2",
        "DEL first c2",
        "DEL second c1",
        "DEL first c1",
    ];
    assert_eq!(ran.calls(), order);
    let text = folder.run(&[]).with(1).stdout;
    assert!(text.contains("FAILED code 11, busy\n"), "{text}");
    assert!(text.contains("\n1 failure: 14 plugin calls"), "{text}");
}

#[test]
fn a_plugin_that_hangs_is_killed_and_told() {
    let folder = Folder::new(LAN).plugin("first", "sleep 60").plugin("second", "sleep 60");
    let ran = folder.run(&["--timeout", "1"]).with(1);
    assert!(ran.stdout.contains("FAILED it did not end within 1s and was killed"), "{}", ran.stdout);
}

#[test]
fn a_plugin_that_prints_megabytes_is_told_and_not_shown() {
    let folder = Folder::new(LAN).plugin("first", "head -c 30000000 /dev/zero | tr '\\0' x; exit 1");
    let ran = folder.plugin("second", "").run(&[]).with(1);
    assert!(ran.stdout.contains("FAILED"), "{}", ran.stdout);
    assert!(ran.stdout.len() < 100_000, "{} bytes: {}", ran.stdout.len(), &ran.stdout[..1000]);
}

#[test]
fn a_daemon_that_a_plugin_starts_ends_with_the_run() {
    let daemon = "setsid sleep 1000 </dev/null & echo $! >>daemons; [ $CNI_COMMAND != ADD ] || echo '{}'";
    let folder = Folder::new(LAN).plugin("first", daemon).plugin("second", "echo '{}'");
    folder.run(&[]).with(0);
    let daemons = std::fs::read_to_string(folder.path("daemons")).unwrap();
    assert!(daemons.lines().count() > 5, "{daemons}");
    for process in daemons.lines() {
        assert!(!std::path::Path::new("/proc").join(process).exists(), "process {process} goes on");
    }
}

#[test]
fn what_a_plugin_prints_cannot_reach_the_terminal() {
    let garbage = r#"printf '\033[2J'; printf '\033[2J' >&2; exit 1"#;
    let error = r#"printf %s '{"code": 100, "msg": "\u001b[2J", "details": "one\ntwo"}'; exit 1"#;
    for hostile in [garbage, error] {
        let folder = Folder::new(LAN).plugin("first", hostile).plugin("second", hostile);
        let ran = folder.run(&[]).with(1);
        assert!(!ran.stdout.contains('\u{1b}') && ran.stdout.contains("\\u{1b}[2J"), "{}", ran.stdout);
    }
}

#[test]
fn a_reader_that_goes_away_keeps_nothing_from_being_taken_down() {
    let folder =
        Folder::new(LAN).plugin("first", "echo $CNI_COMMAND >>log; echo '{}'").plugin("second", "echo '{}'");
    let command = format!("{CNITEST} run --path {} {} | true", folder.path("").display(), folder.conflist());
    run("/bin/sh", ["-c", &command]);
    let log = std::fs::read_to_string(folder.path("log")).unwrap();
    assert_eq!(log.lines().filter(|line| *line == "DEL").count(), 5, "{log}");
}
