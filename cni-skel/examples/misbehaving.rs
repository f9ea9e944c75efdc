//! A plugin that does what a plugin must not do, as its configuration asks. Whatever it is, the answer is one document.
//!
//! ```console
//! $ export CNI_COMMAND=DEL CNI_CONTAINERID=c1 CNI_IFNAME=eth0
//! $ echo '{"cniVersion": "1.1.0", "name": "lan", "fault": "panic"}' | cargo run --example misbehaving
//! ```
#![allow(clippy::print_stdout, reason = "that is one of the things that a plugin must not do")]

use std::process::{Command, ExitCode};
use std::thread;

use cni_skel::types::{AddResult, ErrorCode};
use cni_skel::{AddRequest, CheckRequest, DelRequest, Error, Plugin, Result};
use serde::Deserialize;

fn main() -> ExitCode {
    cni_skel::run(Misbehaving)
}

struct Misbehaving;

#[derive(Deserialize)]
struct Config {
    fault: Option<String>,
}

impl Plugin for Misbehaving {
    type Config = Config;

    const ABOUT: &'static str = "a plugin that misbehaves";

    fn add(&self, req: &AddRequest<Config>) -> Result<AddResult> {
        req.on_failure("say so", || {
            eprintln!("undone");
            Ok(())
        });
        if req.config.fault.as_deref() == Some("panic twice") {
            req.on_failure("panic again", || panic!("while undoing"));
        }
        misbehave(req.config.fault.as_deref())?;
        Ok(AddResult::default())
    }

    fn del(&self, req: &DelRequest<Config>) -> Result<()> {
        misbehave(req.config.fault.as_deref())
    }

    fn check(&self, req: &CheckRequest<Config>) -> Result<()> {
        misbehave(req.config.fault.as_deref())
    }
}

fn misbehave(fault: Option<&str>) -> Result<()> {
    match fault {
        None => Ok(()),
        Some("print") => {
            println!("a line on stdout");
            print!("and a part of one");
            Ok(())
        }
        Some("child") => {
            Command::new("/bin/echo").arg("a child on stdout").status()?;
            Ok(())
        }
        Some("panic" | "panic twice") => panic!("the plugin has {} legs", 7),
        Some("thread") => {
            let answer = thread::spawn(|| -> u8 { panic!("the thread stumbled") }).join();
            answer.map(drop).map_err(|_| Error::new(ErrorCode::INTERNAL, "a thread is gone"))
        }
        Some("payload") => std::panic::panic_any(7_u8),
        Some(other) => Err(Error::unsupported_field("fault", other)),
    }
}
