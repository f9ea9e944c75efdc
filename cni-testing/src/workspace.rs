//! The plugins of the workspace whose tests are running.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// Builds the plugin of this package of the workspace, in the profile that the tests are built in, and returns its path.
/// It is built once in a process.
///
/// A package's own programs need no such help: `env!("CARGO_BIN_EXE_<name>")`. This is for those of its neighbours,
/// which cargo does not build for a test: an IPAM plugin below the one that is tested.
///
/// Nothing is downloaded: a test may run where there is no network. Make the plugin's package a dev-dependency of the
/// package under test. Cargo then has all of its dependencies before it starts the test.
///
/// # Panics
/// Panics if the plugin cannot be built; what cargo says goes to stderr.
#[track_caller]
pub fn workspace_plugin(name: &str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());

    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(program) = built.get(name) {
        return program.clone();
    }
    let program = build(name).unwrap_or_else(|why| panic!("cannot build plugin {name:?}: {why}"));
    built.insert(name.to_owned(), program.clone());
    program
}

fn build(name: &str) -> Result<PathBuf, String> {
    let own = env::current_exe().map_err(|cause| format!("no own executable: {cause}"))?;
    let folder = profile_folder(&own).ok_or("this executable is in no target folder of cargo's")?;
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(&cargo);
    command.args(["build", "--quiet", "--offline", "--package", name, "--profile", profile]);
    // The tests may have been built elsewhere than cargo would build now.
    command.arg("--target-dir").arg(target_folder(&folder));
    let status = command.status().map_err(|cause| format!("{}: {cause}", cargo.display()))?;
    if !status.success() {
        return Err(format!(
            "cargo build --offline --package {name} ended with {status}; \
             if a crate is missing, make {name} a dev-dependency or run cargo fetch"
        ));
    }
    let program = folder.join(name);
    program.is_file().then_some(program.clone()).ok_or(format!("there is no {}", program.display()))
}

/// The folder of a profile, `target/debug`, above one of its executables: `target/debug/deps/test-0123`.
fn profile_folder(executable: &Path) -> Option<PathBuf> {
    let folder = executable.parent()?;
    let is_below = ["deps", "examples"].iter().any(|name| folder.ends_with(name));
    let folder = if is_below { folder.parent()? } else { folder };
    Some(folder.to_owned())
}

fn target_folder(profile: &Path) -> &Path {
    profile.parent().unwrap_or(profile)
}
