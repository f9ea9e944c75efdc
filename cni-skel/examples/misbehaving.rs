//! A plugin that does what a plugin must not do, as its configuration asks. In every case, it prints one document.
//!
//! ```console
//! $ export CNI_COMMAND=DEL CNI_CONTAINERID=c1 CNI_IFNAME=eth0
//! $ echo '{"cniVersion": "1.1.0", "name": "lan", "fault": "panic"}' | cargo run --example misbehaving
//! ```
#![allow(clippy::print_stdout, reason = "it is one of the things that a plugin must not do")]

use std::fs::File;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, mem, process, thread};

use cni_skel::types::{AddResult, ErrorCode};
use cni_skel::{
    AddRequest, CheckRequest, DelRequest, Env, Error, Invocation, Plugin, Result, System, dispatch, info,
};
use serde::Deserialize;

fn main() -> ExitCode {
    if std::env::var_os("WITHOUT_FILES").is_some() {
        while let Ok(file) = File::open("/dev/null") {
            mem::forget(file);
        }
    }
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
    const SCHEMA: Option<&'static str> = Some(r#"{"properties": {"fault": {"type": "string"}}}"#);

    fn add(&self, req: &AddRequest<Config>) -> Result<AddResult> {
        req.on_failure("say so", || {
            eprintln!("undone");
            Ok::<_, Error>(())
        });
        if req.config.fault.as_deref() == Some("panic twice") {
            req.on_failure("panic again", || -> Result<()> { panic!("while undoing") });
        }
        if req.config.fault.as_deref() == Some("drop") {
            let value = PanicsWhenUsed;
            req.on_failure("be dropped", move || {
                drop(value);
                Ok::<_, Error>(())
            });
        }
        if req.config.fault.as_deref() == Some("hang") {
            info!(req.log(), "hanging");
            thread::sleep(Duration::from_secs(600));
        }
        misbehave(req.config.fault.as_deref())?;
        Ok(AddResult::default())
    }

    fn del(&self, req: &DelRequest<Config>) -> Result<()> {
        misbehave(req.config()?.fault.as_deref())
    }

    fn check(&self, req: &CheckRequest<Config>) -> Result<()> {
        misbehave(req.config.fault.as_deref())
    }
}

fn misbehave(fault: Option<&str>) -> Result<()> {
    match fault {
        None | Some("drop") => Ok(()),
        Some("print") => {
            println!("a line on stdout");
            print!("and a part of one");
            Ok(())
        }
        Some("child") => {
            Command::new("/bin/echo").arg("a child on stdout").status()?;
            Ok(())
        }
        Some("panic" | "panic twice") => panic!("on purpose, in fault {}", 7),
        Some("thread") => {
            let answer = thread::spawn(|| -> u8 { panic!("on purpose, in a thread") }).join();
            answer.map(drop).map_err(|_| Error::new(ErrorCode::INTERNAL, "a thread panicked"))
        }
        Some("scope") => thread::scope(|scope| {
            scope.spawn(|| panic!("on purpose, in a thread"));
            Ok(())
        }),
        Some("nested calls") => {
            let outer =
                thread::spawn(|| -> u8 { panic!("on purpose, in a thread of the outer call") }).join();
            let documents = ["panic", "unknown"].map(nested_call).join("\n\n");
            outer.map(drop).map_err(|_| Error::new(ErrorCode::INTERNAL, documents))
        }
        Some("payload") => std::panic::panic_any(7_u8),
        Some("payload that panics") => std::panic::panic_any(PanicsWhenUsed),
        Some("display") => {
            Err(Error::new(ErrorCode::INTERNAL, "an error with a cause").with_source(PanicsWhenUsed))
        }
        Some("panic in panic") => {
            let _dropped_during_the_panic = PanicsWhenDropped;
            panic!("on purpose")
        }
        Some("overflow") => Err(Error::new(ErrorCode::INTERNAL, format!("{} deep", deeper(1)))),
        Some("memory") => {
            let most: Vec<u8> = Vec::with_capacity(isize::MAX as usize);
            Err(Error::new(ErrorCode::INTERNAL, format!("{} bytes", most.capacity())))
        }
        Some("abort") => process::abort(),
        Some("exit") => process::exit(0),
        Some("exit in a thread") => {
            let ended = thread::spawn(|| process::exit(7)).join();
            Err(Error::new(ErrorCode::INTERNAL, format!("the thread did not exit: {}", ended.is_err())))
        }
        Some("exit before the reply") => {
            thread::spawn(|| process::exit(0));
            thread::sleep(Duration::from_millis(100));
            Ok(())
        }
        Some("exit during the reply") => {
            thread::spawn(|| {
                thread::sleep(Duration::from_millis(100));
                process::exit(0)
            });
            Ok(())
        }
        Some(other) => Err(Error::unsupported_field("fault", other)),
    }
}

/// Calls this plugin in the same process, and returns what it would print.
fn nested_call(fault: &str) -> String {
    let env = Env::new().with("CNI_COMMAND", "DEL").with("CNI_CONTAINERID", "c1").with("CNI_IFNAME", "eth0");
    let stdin = format!(r#"{{"cniVersion": "1.1.0", "name": "lan", "fault": "{fault}"}}"#);
    let reply = dispatch(&Misbehaving, Invocation::new(env, stdin), Arc::new(System::new()));
    reply.stdout().unwrap_or_default().to_owned()
}

/// Recurses until the stack overflows.
fn deeper(depth: u64) -> u64 {
    let here = std::hint::black_box([depth; 64]);
    if here[7] == 0 { 0 } else { deeper(here[7] + 1) + here[0] }
}

/// Panics when it is dropped, even during a panic.
struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("on purpose, during a panic");
    }
}

/// Panics when it is printed and when it is dropped, but not during a panic.
#[derive(Debug)]
struct PanicsWhenUsed;

impl fmt::Display for PanicsWhenUsed {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("on purpose, in Display")
    }
}

impl std::error::Error for PanicsWhenUsed {}

impl Drop for PanicsWhenUsed {
    fn drop(&mut self) {
        // A second panic during a panic would end the process.
        assert!(thread::panicking(), "on purpose, in drop");
    }
}
