//! The output of the plugin.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::has;

/// A failed call.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) code: u64,
    pub(crate) msg: String,
    pub(crate) details: String,
    pub(crate) version: String,
    /// The text to print instead of an error object, and the exit code.
    pub(crate) raw: Option<(String, u8)>,
}

impl Reply {
    pub(crate) fn new(code: u64, msg: impl Into<String>) -> Self {
        let version = "1.1.0".to_owned();
        Self { code, msg: msg.into(), details: String::new(), version, raw: None }
    }

    /// Prints a text and ends with this exit code.
    pub(crate) fn raw(text: impl Into<String>, exit_code: u8) -> Self {
        Self { raw: Some((text.into(), exit_code)), ..Self::new(0, "") }
    }

    pub(crate) fn deliver(&self) -> ExitCode {
        if let Some((text, exit_code)) = &self.raw {
            return deliver(text, *exit_code);
        }
        let mut error = json!({"cniVersion": self.version, "code": self.code, "msg": self.msg});
        if !self.details.is_empty() {
            error["details"] = self.details.as_str().into();
        }
        if has("error/code") {
            error["code"] = self.code.to_string().into();
        }
        if has("error/msg") {
            error["msg"] = "".into();
        }
        if has("error/version") {
            error.as_object_mut().unwrap().remove("cniVersion");
        }
        if has("error/details") {
            error["details"] = Value::from(5);
        }
        if has("error/no-result") {
            error["ips"] = json!([]);
        }
        if has("error/plain-text") {
            error["msg"] = format!("\u{1b}[31m{}", self.msg).into();
        }
        let log = if has("error/one-object") { "\nlog: that was an error" } else { "" };
        deliver(&format!("{error}{log}"), 1)
    }
}

pub(crate) fn deliver(text: &str, exit_code: u8) -> ExitCode {
    let written = io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush());
    let Err(why) = written else { return exit_code.into() };
    let is_add = std::env::var_os("CNI_COMMAND").is_some_and(|command| command == "ADD");
    if has("add/unwritten-result-leaves-nothing") && is_add {
        crate::leave("unwritten");
    }
    let is_closed = why.kind() == io::ErrorKind::BrokenPipe;
    let is_forgiven = has("error/full-stdout") && !is_closed
        || has("error/closed-stdout") && is_closed
        || has("add/unwritten-result") && is_add;
    if is_forgiven { exit_code.into() } else { ExitCode::FAILURE }
}

/// Returns the output of a command without a result.
pub(crate) fn nothing(fault: &str) -> String {
    if has(fault) { "{}".to_owned() } else { String::new() }
}
