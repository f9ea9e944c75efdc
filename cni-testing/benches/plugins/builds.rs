//! The programs. Those of this repository are built first.

use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use tempfile::TempDir;

use crate::failure::Failure;
use crate::options::Options;
use crate::subject::{Linking, Subject};

const MUSL: &str = "-unknown-linux-musl";
/// Our plugins to measure, if the workspace has their packages.
const PLUGINS: [&str; 5] = ["bridge", "host-local", "loopback", "passthrough", "portmap"];

/// The folders with the programs.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) go: PathBuf,
    pub(crate) linkings: Vec<Linking>,
    /// Copies of our programs, because another build may replace those in cargo's folder.
    copies: TempDir,
}

impl Programs {
    /// Builds our plugins and the floor in each linking.
    pub(crate) fn build(options: &Options) -> Result<Self, Failure> {
        let copies = TempDir::new().map_err(Failure::from("cannot make a folder for the programs"))?;
        let linkings = options.linkings.clone().unwrap_or_else(|| {
            if has_musl() { vec![Linking::Default, Linking::Musl] } else { vec![Linking::Default] }
        });
        let programs = Self { go: options.go.clone(), linkings, copies };
        if !programs.go.join("bridge").is_file() {
            return Err(Failure(format!(
                "there are no Go plugins in {}; Debian's package is containernetworking-plugins",
                programs.go.display()
            )));
        }
        let plugins = packages()?;
        for linking in programs.linkings.clone() {
            programs.build_linked(linking, &plugins)?;
        }
        Ok(programs)
    }

    fn build_linked(&self, linking: Linking, plugins: &[String]) -> Result<(), Failure> {
        eprintln!("building our plugins, linked as {}", linking.as_str());
        // Separately, so that cargo does not unify their features.
        let mut built = Vec::new();
        for plugin in plugins {
            built.extend(cargo(linking, &["--package", plugin])?);
        }
        built.extend(cargo(linking, &["--package", "cni-testing", "--example", "floor"])?);
        let folder = self.copies.path().join(linking.as_str());
        std::fs::create_dir(&folder).map_err(Failure::from(folder.display()))?;
        for program in built {
            let Some(name) = program.file_name() else { continue };
            std::fs::copy(&program, folder.join(name)).map_err(Failure::from(program.display()))?;
        }
        Ok(())
    }

    /// Returns the folder with a subject's programs.
    pub(crate) fn folder(&self, subject: Subject) -> PathBuf {
        match subject.linking() {
            None => self.go.clone(),
            Some(linking) => self.copies.path().join(linking.as_str()),
        }
    }

    /// Returns a program of a subject, if it exists.
    pub(crate) fn find(&self, subject: Subject, name: &str) -> Option<PathBuf> {
        let program = self.folder(subject).join(name);
        program.is_file().then_some(program)
    }

    /// Returns all subjects: the Go plugins, and ours and the floor in each linking.
    pub(crate) fn subjects(&self) -> Vec<Subject> {
        let ours = self.linkings.iter().copied().map(Subject::Ours);
        let floors = self.linkings.iter().copied().map(Subject::Floor);
        [Subject::Go].into_iter().chain(ours).chain(floors).collect()
    }
}

/// Runs a program and returns its stdout.
pub(crate) fn output(program: impl AsRef<Path>, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program.as_ref()).args(arguments).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn has_musl() -> bool {
    let folder = output(rustc(), &["--print", "target-libdir", "--target", &musl()]);
    folder.is_some_and(|folder| Path::new(&folder).is_dir())
}

fn musl() -> String {
    env::consts::ARCH.to_owned() + MUSL
}

pub(crate) fn rustc() -> PathBuf {
    env::var_os("RUSTC").map_or_else(|| "rustc".into(), PathBuf::from)
}

fn cargo_program() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from)
}

/// Returns our plugins that exist.
fn packages() -> Result<Vec<String>, Failure> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
    }
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let arguments = ["metadata", "--no-deps", "--format-version=1", "--manifest-path", manifest];
    let metadata = output(cargo_program(), &arguments)
        .ok_or_else(|| Failure("cargo metadata does not list the packages of the workspace".to_owned()))?;
    let metadata: Metadata =
        serde_json::from_str(&metadata).map_err(Failure::from("cargo metadata printed invalid JSON"))?;
    let there: BTreeSet<_> = metadata.packages.into_iter().map(|package| package.name).collect();
    Ok(PLUGINS.iter().filter(|plugin| there.contains(**plugin)).map(|plugin| (*plugin).to_owned()).collect())
}

/// Builds in the release profile, and returns the programs.
fn cargo(linking: Linking, what: &[&str]) -> Result<Vec<PathBuf>, Failure> {
    #[derive(Deserialize)]
    struct Message {
        executable: Option<PathBuf>,
    }
    let mut command = Command::new(cargo_program());
    command.args(["build", "--release", "--message-format=json-render-diagnostics"]).args(what);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).stderr(Stdio::inherit());
    match linking {
        Linking::Default => {}
        Linking::Static => {
            let host = host().ok_or_else(|| Failure("rustc does not print its own target".to_owned()))?;
            command.args(["--target", &host]).env("RUSTFLAGS", "-C target-feature=+crt-static");
        }
        Linking::Musl => {
            command.args(["--target", &musl()]);
        }
    }
    let output = command.output().map_err(Failure::from("cargo"))?;
    if !output.status.success() {
        return Err(Failure(format!("cargo build {} ended with {}", what.join(" "), output.status)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok());
    Ok(messages.filter_map(|message| message.executable).collect())
}

fn host() -> Option<String> {
    let version = output(rustc(), &["-vV"])?;
    version.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned)
}
