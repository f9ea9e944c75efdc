//! Finds the kind of a plugin by calling it.

use cni_skel::types::{Command, SpecVersion};
use serde_json::Value;

use super::bench::{Bench, version_config};
use super::ending::Ending;
use super::level::Kind;

/// The versions that VERSION lists.
pub(super) fn supported(bench: &Bench<'_>) -> Result<Vec<SpecVersion>, String> {
    let version = bench.setup.version();
    let request = bench.request(Command::Version).stdin(version_config(version.as_str()));
    let exchange = bench.call(request).map_err(text)?;
    const MOST: usize = 1 << 20;
    if exchange.stdout.len() > MOST {
        let printed = exchange.stdout.len();
        return Err(format!("it answered VERSION with {printed} bytes, so it is not a plugin"));
    }
    let reply = exchange.first_document().unwrap_or_default();
    let listed = reply["supportedVersions"].as_array().cloned().unwrap_or_default();
    let mut versions: Vec<SpecVersion> =
        listed.iter().filter_map(|version| version.as_str()?.parse().ok()).collect();
    versions.dedup();
    Ok(versions)
}

/// Finds the kind of a plugin by its result of ADD.
pub(super) fn kind(bench: &Bench<'_>) -> Result<Kind, String> {
    if !bench.setup.before.is_empty() {
        return Ok(Kind::Chained);
    }
    let attached = match bench.attach() {
        Ok(attached) => attached,
        Err(ending) => return Err(text(ending)),
    };
    let _ = bench.detach(&attached);
    let some = |key: &str| match &attached.result[key] {
        Value::Array(elements) => !elements.is_empty(),
        Value::Null => false,
        _ => true,
    };
    Ok(if some("interfaces") {
        Kind::Interface
    } else if ["ips", "ip4", "ip6"].into_iter().any(some) {
        // Before version 0.3.0 results have no interfaces. An interface plugin is known by its IPAM plugin.
        if bench.setup.ipam().is_some() { Kind::Interface } else { Kind::Ipam }
    } else {
        Kind::Chained
    })
}

/// Whether ADD works for a plugin of the kind in the profile.
pub(super) fn works(bench: &Bench<'_>) -> Result<(), String> {
    let attached = bench.attach().map_err(text)?;
    let _ = bench.detach(&attached);
    Ok(())
}

/// The first line of the text. The rest is for the report of a check.
fn text(ending: Ending) -> String {
    let (Ending::Failed(why) | Ending::Hung(why) | Ending::NotRun(why)) = ending;
    why.lines().next().unwrap_or_default().to_owned()
}
