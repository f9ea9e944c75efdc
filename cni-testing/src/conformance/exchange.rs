//! One call and its answer, read as the specification defines it.

use std::time::Duration;

use cni_skel::types::ErrorCode;
use serde_json::Value;

use super::ending::{Ending, fail};
use super::request::{Request, shorten};

/// The first of the codes that plugins may define themselves.
const OF_A_PLUGIN: u32 = 100;

/// A call and its answer.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    pub(super) request: Request,
    /// `None` if a signal ended the plugin.
    pub(super) exit_code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
    pub(super) took: Duration,
}

/// An error object on stdout. Another check finds what else is on stdout.
#[derive(Clone, Debug, Default)]
pub(super) struct Complaint {
    pub(super) code: Option<u64>,
    pub(super) msg: String,
    pub(super) details: String,
}

impl Complaint {
    /// Whether the message or the details contain this text.
    pub(super) fn mentions(&self, text: &str) -> bool {
        self.msg.contains(text) || self.details.contains(text)
    }
}

impl Exchange {
    pub(super) fn succeeded(&self) -> Result<(), Ending> {
        match self.exit_code {
            Some(0) => Ok(()),
            Some(code) => fail(format!("the call failed with exit code {code}{}", self.reason())),
            None => fail("a signal ended the plugin"),
        }
    }

    pub(super) fn silent_success(&self) -> Result<(), Ending> {
        self.succeeded()?;
        if self.stdout.trim().is_empty() { Ok(()) } else { fail("stdout is not empty") }
    }

    /// Asserts that the call failed with an error object.
    pub(super) fn failed(&self) -> Result<Complaint, Ending> {
        self.refused(OF_A_PLUGIN)
    }

    fn refused(&self, code: u32) -> Result<Complaint, Ending> {
        let example = format!(
            "{{\"cniVersion\": \"{}\", \"code\": {code}, \"msg\": \"what is wrong\"}}",
            self.request.version()
        );
        match self.exit_code {
            Some(0) => {
                return fail(format!(
                    "exit code 0: a runtime takes that for a success\n\
                     a failure is any other exit code, and an error on stdout: {example}"
                ));
            }
            Some(_) => {}
            None => return fail("a signal ended the plugin"),
        }
        match self.complaint() {
            Some(complaint) => Ok(complaint),
            None if self.stdout.trim().is_empty() => {
                fail(format!("stdout is empty, but a runtime reads the error from it: {example}"))
            }
            None => {
                fail(format!("stdout is not a JSON object, but a runtime reads the error from it: {example}"))
            }
        }
    }

    /// Asserts that the call failed with one of these codes.
    pub(super) fn failed_with(&self, codes: &[ErrorCode]) -> Result<Complaint, Ending> {
        let first = codes.first().map_or(OF_A_PLUGIN, |code| code.get());
        let complaint = self.refused(first)?;
        let is_one = complaint.code.is_some_and(|code| codes.iter().any(|of| u64::from(of.get()) == code));
        if is_one {
            return Ok(complaint);
        }
        let wanted: Vec<_> = codes.iter().map(|code| code.get().to_string()).collect();
        let found = complaint.code.map_or("none".to_owned(), |code| code.to_string());
        fail(format!("the error's code is {found}, not {}", wanted.join(" or ")))
    }

    /// The result of an ADD.
    pub(super) fn result(&self) -> Result<Value, Ending> {
        self.succeeded()?;
        match self.first_document() {
            Some(result @ Value::Object(_)) => Ok(result),
            _ => {
                let version = self.request.version();
                let parts = match version {
                    "0.1.0" | "0.2.0" => "\"ip4\": {..}",
                    _ => "\"interfaces\": [..], \"ips\": [..]",
                };
                fail(format!(
                    "ADD succeeded without a result: stdout does not start with a JSON object\n\
                     a result looks like {{\"cniVersion\": \"{version}\", {parts}}}"
                ))
            }
        }
    }

    /// The first JSON document on stdout.
    pub(super) fn first_document(&self) -> Option<Value> {
        serde_json::Deserializer::from_str(&self.stdout).into_iter().next()?.ok()
    }

    pub(super) fn complaint(&self) -> Option<Complaint> {
        let object = self.first_document()?;
        object.as_object()?;
        let text = |key: &str| object[key].as_str().unwrap_or_default().to_owned();
        let code = &object["code"];
        let code = code.as_u64().or_else(|| code.as_str()?.parse().ok());
        Some(Complaint { code, msg: text("msg"), details: text("details") })
    }

    /// The answer, to show to a person.
    pub(super) fn answer(&self) -> String {
        let code =
            self.exit_code.map_or("none, a signal ended the plugin".to_owned(), |code| code.to_string());
        let mut text = format!("exit code: {code}\nstdout: {}", shorten(self.stdout.as_bytes()));
        if !self.stderr.trim().is_empty() {
            text.push_str(&format!("\nstderr: {}", shorten(self.stderr.as_bytes())));
        }
        text
    }

    fn reason(&self) -> String {
        match self.complaint() {
            Some(complaint) if !complaint.msg.is_empty() => {
                let details = complaint.details.lines().next().map(|details| format!(" ({details})"));
                format!(": {}{}", complaint.msg, details.unwrap_or_default())
            }
            _ => String::new(),
        }
    }
}
