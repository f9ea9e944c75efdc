//! The events of a run. With `--json` each is an object on one line, and its key `event` has the kind.

use std::path::PathBuf;
use std::time::Duration;

use cni_testing::PluginCall;
use cni_testing::types::{AddResult, ErrorObject, SpecVersion};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Event {
    /// The network that is run.
    Network { name: String, cni_version: String, plugins: Vec<String>, containers: usize, path: Vec<PathBuf> },
    /// The next step.
    Step { title: &'static str },
    /// A call of a plugin.
    Call(Box<Call>),
    /// Traffic between two containers.
    Exchange(Exchange),
    /// What exists in the kernel and in the folders of state while all containers are attached.
    State { items: Vec<String> },
    /// A remark that is not a failure.
    Note { text: String },
    /// A failure that is not that of a plugin.
    Failure { text: String },
    /// What exists at the end: what the network keeps, what should be gone, and what is missing.
    Left { kept: Vec<String>, leaked: Vec<String>, missing: Vec<String> },
    /// The totals. What failed is for people: each failure has had an event of its own.
    Summary {
        ok: bool,
        #[serde(skip)]
        failed: Vec<String>,
        calls: usize,
        exchanges: usize,
        failures: usize,
        #[serde(rename = "seconds", serialize_with = "seconds")]
        in_plugins: Duration,
    },
}

/// A call of a plugin, with the calls of other plugins that it made.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Call {
    pub(crate) command: String,
    pub(crate) plugin: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) container: Option<String>,
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub(crate) duration: Duration,
    pub(crate) exit_code: Option<i32>,
    /// What the plugin printed, if it succeeded and printed JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) result: Option<Box<RawValue>>,
    /// Why the call failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) stderr: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) delegates: Vec<Self>,
    #[serde(skip)]
    pub(crate) decoded: Option<AddResult>,
}

impl Call {
    pub(crate) fn new(call: &PluginCall<'_>, version: SpecVersion, delegates: Vec<Self>) -> Self {
        let result = if call.failure.is_none() { call.stdout } else { "" };
        Self {
            command: call.command.to_string(),
            plugin: call.plugin.to_string(),
            container: call.attachment.map(|attachment| attachment.container_id.to_string()),
            duration: call.duration,
            exit_code: call.exit_code,
            error: call.failure.map(ToString::to_string),
            stderr: call.stderr.to_owned(),
            delegates,
            ..Self::printed(result, version)
        }
    }

    /// A call that another plugin made.
    pub(crate) fn delegated(
        command: String,
        plugin: String,
        duration: Duration,
        exit_code: i32,
        stdout: &str,
        version: SpecVersion,
    ) -> Self {
        let error = (exit_code != 0).then(|| match ErrorObject::decode(stdout) {
            Ok(object) => format!("code {}, {}", object.code.get(), object.msg),
            Err(_) => format!("it ended with exit code {exit_code}"),
        });
        let result = if exit_code == 0 { stdout } else { "" };
        let exit_code = Some(exit_code);
        Self { command, plugin, duration, exit_code, error, ..Self::printed(result, version) }
    }

    fn printed(stdout: &str, version: SpecVersion) -> Self {
        Self {
            command: String::new(),
            plugin: String::new(),
            container: None,
            duration: Duration::ZERO,
            exit_code: None,
            result: RawValue::from_string(compact(stdout)).ok(),
            error: None,
            stderr: String::new(),
            delegates: Vec::new(),
            decoded: AddResult::decode(version, stdout).ok(),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Exchange {
    pub(crate) protocol: &'static str,
    pub(crate) from: String,
    pub(crate) from_address: String,
    pub(crate) to: String,
    pub(crate) to_address: String,
    /// How many bytes were sent each way.
    pub(crate) bytes: usize,
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub(crate) duration: Duration,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

/// Puts JSON on one line. A line break outside of strings is white space, and strings cannot contain one.
fn compact(json: &str) -> String {
    json.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}
