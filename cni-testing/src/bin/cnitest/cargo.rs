//! Builds plugins that are packages of a workspace.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cni_testing::types::PluginName;
use serde::Deserialize;

use crate::Impossible;

/// Builds those plugins that are packages of the workspace around a file, in the profile that this program was built
/// in, and gives back the folders that they are in then.
pub(crate) fn build(plugins: &[PluginName], near: &Path) -> Result<Vec<PathBuf>, Impossible> {
    let file = near.canonicalize().map_err(|why| Impossible(format!("{}: {why}", near.display())))?;
    let folder = file.parent().unwrap_or(&file);
    let packages = packages(folder)?;
    let wanted: Vec<_> = plugins.iter().filter(|plugin| packages.contains(plugin.as_str())).collect();
    if wanted.is_empty() {
        let names: Vec<_> = plugins.iter().map(PluginName::as_str).collect();
        let of = folder.display();
        return Err(Impossible(format!(
            "--build: no package of the workspace of {of} is {}",
            names.join(" or ")
        )));
    }
    let mut arguments = vec!["build".into(), "--message-format=json-render-diagnostics".into()];
    arguments.extend(profile());
    arguments.extend(wanted.iter().flat_map(|plugin| ["--package".into(), plugin.as_str().into()]));
    let output = cargo(folder, &arguments)?;

    #[derive(Deserialize)]
    struct Message {
        executable: Option<PathBuf>,
    }
    let messages = output.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok());
    let folders: BTreeSet<_> =
        messages.filter_map(|message| message.executable?.parent().map(Path::to_owned)).collect();
    Ok(folders.into_iter().collect())
}

/// The names of all packages of a workspace.
fn packages(folder: &Path) -> Result<BTreeSet<String>, Impossible> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
    }
    let output = cargo(folder, &["metadata", "--no-deps", "--format-version=1"].map(OsString::from))?;
    let metadata: Metadata = serde_json::from_str(&output)
        .map_err(|why| Impossible(format!("--build: cargo metadata printed something else: {why}")))?;
    Ok(metadata.packages.into_iter().map(|package| package.name).collect())
}

/// The options for the profile of this program: `target/release/cnitest` was built with `--release`.
fn profile() -> Vec<OsString> {
    let own = env::current_exe().ok();
    let folder = own.as_deref().and_then(Path::parent).and_then(Path::file_name);
    match folder.and_then(|name| name.to_str()) {
        Some("debug") => Vec::new(),
        _ => vec!["--release".into()],
    }
}

fn cargo(folder: &Path, arguments: &[OsString]) -> Result<String, Impossible> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(&cargo);
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).stderr(Stdio::inherit());
    let failed = |why: String| Impossible(format!("--build: {}: {why}", cargo.display()));
    let output = command.output().map_err(|why| failed(why.to_string()))?;
    if !output.status.success() {
        return Err(failed(format!("{}; its own messages are above", output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
