//! Calls of the IPAM plugin.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::environment::variable;
use crate::has;
use crate::input::Call;
use crate::reply::Reply;

/// Calls the IPAM plugin, if there is one.
pub(super) fn delegate(call: &Call, command: &str) -> Result<Option<String>, Reply> {
    let Some(name) = call.config["ipam"]["type"].as_str() else { return Ok(None) };
    if name.contains('/') && !has("delegation/type-is-a-path") {
        return Err(call.fails(7, "ipam.type is a path"));
    }
    let path = variable("CNI_PATH").unwrap_or_default();
    let programs =
        path.split(':').filter(|folder| !folder.is_empty()).map(|folder| Path::new(folder).join(name));
    let is_it = |program: &PathBuf| {
        if has("delegation/path-search") { program.exists() } else { program.is_file() }
    };
    let program =
        programs.into_iter().find(is_it).ok_or_else(|| call.fails(5, format!("no plugin {name}")))?;
    let mut child = Command::new(&program);
    child.env("CNI_COMMAND", command).stdin(Stdio::piped()).stdout(Stdio::piped());
    if has("delegation/stderr") {
        child.stderr(Stdio::null());
    }
    if has("delegation/same-environment") {
        child.env_remove("TRACEPARENT");
    }
    let broken = |why: std::io::Error| call.fails(5, why.to_string());
    let mut child = child.spawn().map_err(broken)?;
    let mut config = call.config.clone();
    if has("delegation/same-input") {
        config.as_object_mut().unwrap().remove("type");
    }
    if has("delegation/gc") {
        config.as_object_mut().unwrap().remove("cni.dev/valid-attachments");
    }
    child.stdin.take().unwrap().write_all(config.to_string().as_bytes()).map_err(broken)?;
    let output = child.wait_with_output().map_err(broken)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(Some(text));
    }
    let error: Value = serde_json::from_str(&text).unwrap_or_default();
    let code = if has("delegation/code-passed-on") { 999 } else { error["code"].as_u64().unwrap_or(999) };
    let msg = error["msg"].as_str().unwrap_or_default();
    Err(call.fails(code, if has("delegation/error-passed-on") { "IPAM failed" } else { msg }))
}
