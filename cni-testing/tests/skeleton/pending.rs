//! A delegate that works beside the plugin.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cni_skel::files::{self, StateFile};
use cni_skel::types::{AddResult, Command, ErrorCode};
use cni_skel::{AddRequest, CheckRequest, DelRequest, Error, NoConfig, Plugin, Result};
use cni_testing::{Call, DelegateReply, faults, json};
use serde::Deserialize;
use serde_json::Value;

/// Starts its IPAM plugin, waits for what it may be told to wait for, and ends as it is told.
struct Starter;

#[derive(Deserialize)]
struct Config {
    end: String,
    /// A file that the IPAM plugin makes.
    #[serde(default)]
    wait_for: Option<String>,
}

impl Plugin for Starter {
    type Config = Config;

    fn add(&self, req: &AddRequest<Config>) -> Result<AddResult> {
        let pending = req.ipam()?.start_add()?;
        if let Some(file) = &req.config.wait_for {
            let until = Instant::now() + Duration::from_secs(30);
            while !Path::new(file).exists() {
                assert!(Instant::now() < until, "it does nothing until its answer is asked for");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        match req.config.end.as_str() {
            "finish" => pending.finish(),
            "finish, then fail" => {
                pending.finish()?;
                Err(Error::new(ErrorCode::new(100), "failed"))
            }
            "swallow" => Ok(pending.finish().unwrap_or_default()),
            "fail" => Err(Error::new(ErrorCode::new(100), "failed")),
            "forget" => {
                std::mem::forget(pending);
                Err(Error::new(ErrorCode::new(100), "failed"))
            }
            "panic" => panic!("on purpose"),
            "drop" => Ok(AddResult::default()),
            other => Err(Error::unsupported_field("end", other)),
        }
    }

    fn del(&self, req: &DelRequest<Config>) -> Result<()> {
        req.ipam()?.del()
    }

    fn check(&self, req: &CheckRequest<Config>) -> Result<()> {
        req.ipam()?.check()
    }
}

fn call(command: Command, end: &str) -> Call<'static, &'static Starter> {
    Call::new(command, &Starter).config(config(end))
}

fn config(end: &str) -> Value {
    json!({"cniVersion": "1.0.0", "name": "lan", "ipam": {"type": "pool"}, "end": end})
}

fn ip() -> DelegateReply {
    DelegateReply::add(json!({"ips": [{"address": "10.1.0.2/16"}]}))
}

#[test]
fn its_answer_is_what_finish_gives() {
    let outcome = call(Command::Add, "finish").delegate("pool", ip()).run();
    assert_eq!(outcome.result().ips[0].address.to_string(), "10.1.0.2/16");
    assert_eq!(outcome.commands_of("pool"), ["ADD"]);
}

#[test]
fn an_add_that_fails_at_any_time_after_the_start_is_followed_by_one_del() {
    for (end, code) in
        [("finish, then fail", 100), ("fail", 100), ("forget", 100), ("panic", ErrorCode::INTERNAL.get())]
    {
        let outcome =
            call(Command::Add, end).delegate("pool", ip()).delegate("pool", DelegateReply::del()).run();
        let error = outcome.error_with(ErrorCode::new(code));
        assert!(!error.details.unwrap_or_default().contains("DEL"), "{end}");
        assert_eq!(outcome.commands_of("pool"), ["ADD", "DEL"], "{end}");
    }
}

#[test]
fn an_add_that_is_answered_by_an_error_is_followed_by_one_del() {
    for (end, is_told) in [("finish", true), ("swallow", false), ("fail", false)] {
        let outcome = call(Command::Add, end)
            .delegate("pool", ip().failing(ErrorCode::new(123), "no address"))
            .delegate("pool", DelegateReply::del())
            .run();
        assert_eq!(outcome.exit_code() == Some(0), end == "swallow", "{outcome}");
        assert_eq!(outcome.stdout().contains("no address"), is_told, "{outcome}");
        assert_eq!(outcome.commands_of("pool"), ["ADD", "DEL"], "{end}");
    }
}

#[test]
fn one_that_hangs_is_an_error_when_its_answer_is_asked_for() {
    let outcome = call(Command::Add, "finish")
        .delegate("pool", ip().hanging())
        .delegate("pool", DelegateReply::del().failing(ErrorCode::new(124), "no"))
        .run();
    let error = outcome.error_with(ErrorCode::TRY_AGAIN_LATER);
    assert!(error.details.unwrap().contains("DEL after it failed too: no"));
}

#[test]
fn faults_leave_nothing_of_it() {
    for end in ["finish", "drop"] {
        let report = faults::assert_clean_failure(tempfile::TempDir::new, |folder, command| {
            let folder = folder.as_ref().unwrap();
            call(command, end).delegate_plugin("pool", Pool(folder.path().join("taken"))).state(folder.path())
        });
        assert!(report.injected >= 10, "{report}");
    }
}

/// An IPAM plugin with one address, which is a file.
struct Pool(PathBuf);

impl Plugin for Pool {
    type Config = NoConfig;

    fn add(&self, _: &AddRequest) -> Result<AddResult> {
        let taken = StateFile::create_new(&self.0, 0o600);
        taken.map_err(|cause| Error::io("the address is taken", cause))?;
        Ok(AddResult::default())
    }

    fn del(&self, _: &DelRequest) -> Result<()> {
        Ok(files::remove_file(&self.0)?)
    }

    fn check(&self, _: &CheckRequest) -> Result<()> {
        Ok(())
    }
}

/// An IPAM plugin as a program, which says what it does in a file.
fn program(folder: &Path, on_add: &str) {
    let script = format!(
        "#!/bin/sh\nPATH=/usr/bin:/bin\ncat > /dev/null\ncd {}\n\
         if [ $CNI_COMMAND = ADD ]; then {on_add}; fi\necho end of $CNI_COMMAND >> log\n\
         echo '{{\"cniVersion\": \"1.0.0\", \"ips\": [{{\"address\": \"10.1.0.2/16\"}}]}}'\n",
        folder.display()
    );
    let program = folder.join("pool");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_program_works_while_the_plugin_does() {
    let folder = tempfile::tempdir().unwrap();
    program(folder.path(), "echo > started");
    let wait_for = folder.path().join("started");
    let mut config = config("finish");
    config["wait_for"] = json!(wait_for);
    let outcome = call(Command::Add, "").config(config).plugin_path(folder.path()).run();
    assert_eq!(outcome.result().ips.len(), 1);
    assert!(wait_for.exists());
}

#[test]
fn a_program_has_ended_before_it_gets_its_del() {
    for end in ["fail", "forget", "panic"] {
        let folder = tempfile::tempdir().unwrap();
        program(folder.path(), "sleep 0.2");
        let outcome = call(Command::Add, end).plugin_path(folder.path()).run();
        assert_eq!(outcome.exit_code(), Some(1), "{outcome}");
        assert_eq!(
            fs::read_to_string(folder.path().join("log")).unwrap(),
            "end of ADD\nend of DEL\n",
            "{end}"
        );
    }
}

#[test]
fn a_program_that_nobody_asks_for_its_answer_has_ended_before_the_call() {
    let folder = tempfile::tempdir().unwrap();
    program(folder.path(), "sleep 0.2");
    let outcome = call(Command::Add, "drop").plugin_path(folder.path()).run();
    assert_eq!(outcome.exit_code(), Some(0), "{outcome}");
    assert_eq!(fs::read_to_string(folder.path().join("log")).unwrap(), "end of ADD\n");
}
