//! A call of a plugin, as a runtime makes it.

use std::path::Path;

use serde_json::{Value, json};

use super::Bench;
use crate::failure::Failure;
use crate::node::IFNAME;
use crate::process::{Call, Ran};
use crate::subject::Subject;

/// The PATH of plugins, for the programs that they start.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The attachment of a container.
#[derive(Clone, Debug)]
pub(crate) struct Attachment<'a> {
    pub(crate) id: String,
    pub(crate) ifname: String,
    pub(crate) netns: &'a Path,
}

impl<'a> Attachment<'a> {
    /// Returns the attachment that is measured.
    pub(crate) fn measured(netns: &'a Path) -> Self {
        Self { id: "measured".to_owned(), ifname: IFNAME.to_owned(), netns }
    }
}

impl Bench<'_> {
    /// Creates a call of a subject's plugin, if the subject has it.
    pub(crate) fn call(&self, subject: Subject, plugin: &str, command: &str) -> Option<Call> {
        let mut call = Call::new(self.programs.find(subject, plugin)?);
        call.env = vec![
            ("CNI_COMMAND", command.into()),
            ("CNI_PATH", self.programs.folder(subject).into()),
            ("PATH", PATH.into()),
        ];
        Some(call)
    }

    /// Creates a call for an attachment.
    pub(crate) fn call_for(
        &self,
        (subject, plugin): (Subject, &str),
        command: &str,
        attachment: &Attachment<'_>,
        config: &Value,
    ) -> Result<Call, Failure> {
        let mut call = self
            .call(subject, plugin, command)
            .ok_or_else(|| Failure(format!("{subject} has no plugin {plugin}")))?;
        call.env.push(("CNI_CONTAINERID", attachment.id.clone().into()));
        call.env.push(("CNI_IFNAME", attachment.ifname.clone().into()));
        call.env.push(("CNI_NETNS", attachment.netns.into()));
        call.stdin = config.to_string().into_bytes();
        Ok(call)
    }
}

/// Returns a configuration with the result of the previous plugin.
pub(crate) fn with_prev_result(config: &Value, ran: &Ran) -> Result<Value, Failure> {
    let result: Value = serde_json::from_slice(&ran.stdout).map_err(Failure::from("a result is not JSON"))?;
    if result["ips"].as_array().is_none_or(Vec::is_empty) {
        return Err(Failure(format!("a result has no addresses: {result}")));
    }
    let mut config = config.clone();
    config["prevResult"] = result;
    Ok(config)
}

/// Returns the `ipam` object for host-local.
pub(crate) fn host_local(data_dir: &Path, subnet: &str) -> Value {
    json!({"type": "host-local", "dataDir": data_dir, "ranges": [[{"subnet": subnet}]]})
}
