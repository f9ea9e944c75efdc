//! A plugin's call, as a runtime makes it.

use std::path::Path;

use serde_json::{Value, json};

use super::Bench;
use crate::failure::Failure;
use crate::node::IFNAME;
use crate::process::{Call, Ran};
use crate::subject::Subject;

/// Where programs are that plugins start, in the plugin's environment.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Who is attached to what.
#[derive(Clone, Debug)]
pub(crate) struct Attachment<'a> {
    pub(crate) id: String,
    pub(crate) ifname: String,
    pub(crate) netns: &'a Path,
}

impl<'a> Attachment<'a> {
    /// The one that is measured.
    pub(crate) fn measured(netns: &'a Path) -> Self {
        Self { id: "measured".to_owned(), ifname: IFNAME.to_owned(), netns }
    }
}

impl Bench<'_> {
    /// A call of a subject's plugin; none if it has none of that name.
    pub(crate) fn call(&self, subject: Subject, plugin: &str, command: &str) -> Option<Call> {
        let mut call = Call::new(self.programs.find(subject, plugin)?);
        call.env = vec![
            ("CNI_COMMAND", command.into()),
            ("CNI_PATH", self.programs.folder(subject).into()),
            ("PATH", PATH.into()),
        ];
        Some(call)
    }

    /// A call for an attachment.
    pub(crate) fn call_for(
        &self,
        (subject, plugin): (Subject, &str),
        command: &str,
        attachment: &Attachment<'_>,
        config: &Value,
    ) -> Result<Call, Failure> {
        let mut call = self
            .call(subject, plugin, command)
            .ok_or_else(|| Failure(format!("there is no plugin {plugin} of {subject}")))?;
        call.env.push(("CNI_CONTAINERID", attachment.id.clone().into()));
        call.env.push(("CNI_IFNAME", attachment.ifname.clone().into()));
        call.env.push(("CNI_NETNS", attachment.netns.into()));
        call.stdin = config.to_string().into_bytes();
        Ok(call)
    }
}

/// A configuration with what the plugin before it has answered.
pub(crate) fn with_prev_result(config: &Value, ran: &Ran) -> Result<Value, Failure> {
    let result: Value = serde_json::from_slice(&ran.stdout).map_err(Failure::from("a result is no JSON"))?;
    if result["ips"].as_array().is_none_or(Vec::is_empty) {
        return Err(Failure(format!("a result has no addresses: {result}")));
    }
    let mut config = config.clone();
    config["prevResult"] = result;
    Ok(config)
}

/// host-local's part of a configuration.
pub(crate) fn host_local(data_dir: &Path, subnet: &str) -> Value {
    json!({"type": "host-local", "dataDir": data_dir, "ranges": [[{"subnet": subnet}]]})
}
