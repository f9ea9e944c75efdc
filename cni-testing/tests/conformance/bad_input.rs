//! What cannot be checked is said, with exit status 2, and nothing stays behind.

use std::time::Instant;

use crate::program::{Faulty, Ran, Script, conform};

#[track_caller]
fn impossible(ran: &Ran, part: &str) {
    assert_eq!(ran.code, Some(2), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains(part), "{part} is not in {}", ran.stderr);
}

#[test]
fn a_plugin_that_is_not_there_or_cannot_be_run_is_said() {
    let script = Script::new("#!/bin/sh\n");
    let config = script.path().join("script.conf").display().to_string();
    impossible(&conform(&["/no/such/plugin", "--config", &config]), "there is no such plugin");
    impossible(&conform(&["/tmp", "--config", &config]), "not a file");
    impossible(&conform(&[&config, "--config", &config]), "not executable");
    let text = Script::new("no program at all");
    let ran = text.conform(&[]);
    assert_eq!(ran.code, Some(2), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn a_plugin_that_hangs_is_killed_with_all_that_it_started() {
    let script = Script::new("#!/bin/sh\nsleep 4711 &\nsleep 4711\n");
    let started = Instant::now();
    impossible(&script.conform(&["--timeout", "1"]), "did not end within 1s");
    assert!(started.elapsed().as_secs() < 20);
    let left = std::process::Command::new("/bin/sh")
        .args(["-c", "grep -la 'sleep.4711' /proc/[0-9]*/cmdline"])
        .output();
    let left = String::from_utf8(left.unwrap().stdout).unwrap();
    // The shell that looks has the words in its own command line.
    let left: Vec<_> = left.lines().filter(|file| !is_shell(file)).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_plugin_that_hangs_in_all_but_version_is_given_up() {
    let script = Script::new(
        "#!/bin/sh\n[ $CNI_COMMAND != VERSION ] && exec sleep 4714\n\
         echo '{\"cniVersion\": \"1.0.0\", \"supportedVersions\": [\"1.0.0\"]}'\n",
    );
    let started = Instant::now();
    impossible(&script.conform(&["--timeout", "1"]), "script: it hangs: calls of env/unknown-command, ");
    assert!(started.elapsed().as_secs() < 30);
}

#[test]
fn a_call_that_hangs_now_and_then_is_a_failure() {
    let script = Script::new(
        "#!/bin/sh\n[ $CNI_COMMAND = NOPE ] && exec sleep 4715\n\
         echo '{\"cniVersion\": \"1.0.0\", \"supportedVersions\": [\"1.0.0\"]}'\n",
    );
    let ran = script.conform(&["--timeout", "1", "--only", "env/unknown-command", "--only", "version"]);
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("found      it did not end within 1s"), "{}", ran.stdout);
}

#[test]
fn a_plugin_that_the_kernel_holds_back_is_not_taken_for_one_that_hangs() {
    // Who waits for a child that was started with CLONE_VFORK waits as for a lock of the kernel.
    let script = Script::new(
        "#!/usr/bin/perl\nuse Config;\nlocal $| = 1;\n\
         if ($ENV{CNI_COMMAND} eq 'VERSION') { print '{\"cniVersion\": \"1.0.0\", \"supportedVersions\": [\"1.0.0\"]}'; exit }\n\
         my $clone = $Config{archname} =~ /^x86_64/ ? 56 : 220;\n\
         if (syscall($clone, 0x4000 | 17, 0, 0, 0, 0) == 0) { sleep 4713 }\n",
    );
    // The check of slow input calls it in another way.
    for check in ["env/unknown-command", "input/slow"] {
        let ran = script.conform(&["--timeout", "1", "--only", check]);
        impossible(&ran, "did not end within 1s, because the kernel keeps it waiting");
    }
}

fn is_shell(cmdline: &str) -> bool {
    std::fs::read(cmdline).is_ok_and(|words| words.starts_with(b"/bin/sh") || words.starts_with(b"grep"))
        || !std::path::Path::new(cmdline).exists()
}

#[test]
fn a_plugin_that_prints_without_end_is_no_plugin() {
    let script = Script::new("#!/bin/sh\nexec /usr/bin/head -c 3000000 /dev/zero\n");
    impossible(&script.conform(&[]), "answered VERSION with 3000000 bytes");
}

#[test]
fn a_daemon_that_a_plugin_starts_ends_with_the_suite() {
    let script = Script::new(
        "#!/bin/sh\n/usr/bin/setsid /bin/sleep 4712 </dev/null &\necho '{\"code\": 100, \"msg\": \"x\"}'\nexit 1\n",
    );
    // The check of slow input calls it in another way.
    let ran = script.conform(&["--only", "env/unknown-command", "--only", "input/slow"]);
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
    let ended = std::process::Command::new("/bin/sh")
        .args(["-c", "grep -la 'sleep.4712' /proc/[0-9]*/cmdline"])
        .output();
    let left = String::from_utf8(ended.unwrap().stdout).unwrap();
    let left: Vec<_> = left.lines().filter(|file| !is_shell(file)).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_configuration_that_is_none_or_of_another_plugin_is_said() {
    let script = Script::new("#!/bin/sh\n");
    let at = |name: &str, text: &str| {
        let file = script.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let program = script.path().join("script").display().to_string();
    for (text, part) in [
        ("{", "is not JSON"),
        ("[]", "not a JSON object"),
        ("{\"type\": \"script\"}", "name"),
        ("{\"cniVersion\": \"7\", \"name\": \"lan\", \"type\": \"script\"}", "7"),
        ("{\"cniVersion\": \"1.0.0\", \"name\": \"lan\", \"type\": \"bridge\"}", "for plugin \"bridge\""),
        ("{\"cniVersion\": \"1.0.0\", \"name\": \"lan\", \"plugins\": []}", "empty"),
        (
            "{\"cniVersion\": \"1.0.0\", \"name\": \"lan\", \"plugins\": [{\"type\": \"nowhere\"}, {\"type\": \"script\"}]}",
            "there is no plugin \"nowhere\"",
        ),
        (
            "{\"cniVersion\": \"1.0.0\", \"name\": \"lan\", \"plugins\": [{\"type\": \"bridge\"}, {\"type\": \"tuning\"}]}",
            "is called \"script\", but the list has bridge, tuning",
        ),
    ] {
        impossible(&conform(&[&program, "--config", &at("bad.conf", text)]), part);
    }
    impossible(&conform(&[&program, "--config", "/no/such/file"]), "/no/such/file");
}

#[test]
fn without_privileges_what_needs_none_is_checked_and_the_rest_is_counted() {
    let (faulty, folder) = (Faulty::new(), tempfile::tempdir().unwrap());
    let config = folder.path().join("lan.conf");
    std::fs::write(&config, r#"{"cniVersion": "1.1.0", "name": "lan", "type": "faulty"}"#).unwrap();
    // In a user namespace whose users may make no further one, and without privileges in it.
    let script = format!(
        "echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all --inh-caps=-all \
         --securebits=+noroot,+noroot_locked {} conform {} --config {} --json",
        env!("CARGO_BIN_EXE_cnitest"),
        faulty.with("no/fault").display(),
        config.display()
    );
    let ran = std::process::Command::new("unshare").args(["-Ur", "/bin/sh", "-c", &script]).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&ran.stdout)
        .unwrap_or_else(|why| panic!("{why}: {}", String::from_utf8_lossy(&ran.stderr)));
    assert_eq!((ran.status.code(), &report["mustsFailed"]), (Some(0), &0.into()));
    let checks = report["checks"].as_array().unwrap();
    let of = |outcome: &str| checks.iter().filter(|check| check["outcome"] == outcome).collect::<Vec<_>>();
    assert!(of("passed").len() >= 45 && of("failed").is_empty(), "{report}");
    let not_run = of("not run");
    assert_eq!(not_run.len(), checks.len() - of("passed").len());
    let reason = not_run[0]["found"].as_str().unwrap_or_default();
    assert!(reason.starts_with("the kernel allows no namespaces"), "{}", not_run[0]);
}

#[test]
fn a_machine_that_does_not_have_enough_is_not_held_against_the_plugin() {
    let (faulty, folder) = (Faulty::new(), tempfile::tempdir().unwrap());
    let config = folder.path().join("lan.conf");
    std::fs::write(&config, r#"{"cniVersion": "1.1.0", "name": "lan", "type": "faulty"}"#).unwrap();
    let script = format!(
        "ulimit -n 7; exec {} conform {} --config {}",
        env!("CARGO_BIN_EXE_cnitest"),
        faulty.with("no/fault").display(),
        config.display()
    );
    let ran = std::process::Command::new("/bin/sh").args(["-c", &script]).output().unwrap();
    assert_eq!(ran.status.code(), Some(2), "{}", String::from_utf8_lossy(&ran.stdout));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("Too many open files"));
}

#[test]
fn a_check_that_does_not_exist_is_said() {
    let script = Script::new("#!/bin/sh\n");
    impossible(&script.conform(&["--only", "del/thrice"]), "there is no check \"del/thrice\"");
    impossible(&script.conform(&["--skip", "nothing"]), "there is no check \"nothing\"");
}
