//! `cnitest conform`: the conformance suite from the shell.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cni_testing::conformance::{Check, Level, Suite, checks};
use cni_testing::types::SpecVersion;
use cni_testing::{Binary, Chain, isolation};
use nix::unistd::{AccessFlags, access};
use serde_json::{Value, json};

use crate::Impossible;
use crate::conform_options::Options;
use crate::descendants;

/// Runs the suite. Returns whether the plugin passes all checks of level must.
pub(crate) fn conform(options: &Options) -> Result<bool, Impossible> {
    let binary = executable(&options.binary)?;
    let given = options.config.as_deref().map(read).transpose()?;
    let junit = options.junit.as_deref().map(std::path::absolute).transpose();
    let junit = junit.map_err(|why| Impossible(format!("--junit: {why}")))?;

    // An ordinary user can become root of a namespace only before this process has a second thread. Without namespaces
    // the suite runs the checks that need none.
    let isolated = isolation::enter();
    descendants::end_with_parent();
    let config = given.unwrap_or_else(|| minimal_config(&binary, options.timeout));
    let mut suite = Suite::new(Binary::at(&binary).timeout(options.timeout), config)
        .path(&options.path)
        .timeout(options.timeout)
        .only(&options.only)
        .skip(&options.skip)
        .level(options.level);
    if let Some(kind) = options.kind {
        suite = suite.kind(kind);
    }
    if options.plays_ipam {
        suite = suite.play_ipam();
    }
    if let Some(ifname) = &options.ifname {
        suite = suite.ifname(ifname);
    }
    let own = PathBuf::from(isolation::OWN);
    match isolated.and_then(|()| isolation::cover(&BTreeSet::from([own.clone()]))) {
        // The folder ends with this process.
        Ok(()) => suite = suite.scratch(own),
        Err(why) => suite = suite.without_namespaces_because(why.to_string()),
    }
    let report = suite.run().map_err(|why| Impossible(format!("{}: {why}", options.binary.display())))?;

    if let Some(file) = junit {
        fs::write(&file, report.junit())
            .map_err(|why| Impossible(format!("cannot write {}: {why}", file.display())))?;
    }
    let again = |check: &Check| format!("{} --only {}", options.words.join(" "), check.id());
    let text = if options.json { format!("{}\n", report.json()) } else { report.text(again) };
    // If nobody reads stdout, nobody misses the report.
    let _ = io::stdout().write_all(text.as_bytes());
    Ok(report.failures(Level::Must).next().is_none())
}

fn read(config: &Path) -> Result<Value, Impossible> {
    let shown = config.display();
    let text = fs::read(config).map_err(|why| Impossible(format!("{shown}: {why}")))?;
    serde_json::from_slice(&text).map_err(|why| Impossible(format!("{shown} is not JSON: {why}")))
}

/// The configuration with only the required keys, in the newest version that the plugin says it supports.
fn minimal_config(binary: &Path, timeout: Duration) -> Value {
    let name = binary.file_name().unwrap_or_default().to_string_lossy();
    let config =
        |version: SpecVersion| json!({"cniVersion": version.as_str(), "name": "conform", "type": name});
    let supported = |version: SpecVersion| {
        let list = json!({"cniVersion": version.as_str(), "name": "conform", "plugins": [{"type": name}]});
        let chain = Chain::parse(list.to_string()).ok()?.plugin_path(binary.parent()).timeout(timeout);
        let reply = chain.versions().ok()?.pop()?.1;
        reply.supported_versions.iter().filter_map(|version| version.parse().ok()).max()
    };
    let config = config(supported(SpecVersion::NEWEST).unwrap_or(SpecVersion::NEWEST));
    let _ = writeln!(
        io::stderr(),
        "cnitest: no --config FILE is given: trying {config}; if ADD needs more, give a file"
    );
    config
}

/// Lists all checks.
pub(crate) fn list(json: bool) -> String {
    let mut text = String::new();
    let mut all = Vec::new();
    for check in checks() {
        if json {
            let kinds: Vec<_> = check.kinds().iter().map(|kind| kind.as_str()).collect();
            all.push(json!({
                "id": check.id(),
                "level": check.level().as_str(),
                "needs": check.needs().as_str(),
                "kinds": kinds,
                "since": check.since_version().as_str(),
                "section": check.section(),
                "expected": check.expected(),
                "why": check.why(),
            }));
        } else {
            text.push_str(&format!(
                "{} ({}, needs {})\n    {}\n    {}\n",
                check.id(),
                check.level(),
                check.needs().as_str(),
                check.expected(),
                check.section()
            ));
        }
    }
    if json { format!("{}\n", Value::Array(all)) } else { text }
}

/// The absolute path of an executable.
fn executable(program: &Path) -> Result<PathBuf, Impossible> {
    let wrong = |why: String| Impossible(format!("{}: {why}", program.display()));
    let program = std::path::absolute(program).map_err(|why| wrong(why.to_string()))?;
    let kind = fs::metadata(&program).map_err(|why| wrong(format!("there is no such plugin: {why}")))?;
    if !kind.is_file() {
        return Err(wrong("it is not a file".to_owned()));
    }
    access(&program, AccessFlags::X_OK).map_err(|_| wrong("it is not executable".to_owned()))?;
    Ok(program)
}
