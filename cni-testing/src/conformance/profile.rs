//! What sort of plugin it is, told or found out.

use cni_skel::types::{Command, SpecVersion};
use serde_json::Value;

use super::bench::{Bench, Setup, version_config};
use super::check::{Ending, Kind};

/// What is known of the plugin.
#[derive(Clone, Debug, Default)]
pub(super) struct Profile {
    pub(super) kind: Option<Kind>,
    /// The versions that it says it supports.
    pub(super) supported: Vec<SpecVersion>,
    /// Why its ADD cannot be tried, if it cannot.
    pub(super) broken: Option<String>,
}

impl Profile {
    /// Whether the suite itself makes the interface that it is to work on.
    pub(super) fn needs_base(&self, setup: &Setup) -> bool {
        self.kind == Some(Kind::Chained) && setup.before.is_empty()
    }
}

/// The versions that VERSION lists.
pub(super) fn supported(bench: &Bench<'_>) -> Result<Vec<SpecVersion>, String> {
    let version = bench.setup.version();
    let request = bench.request(Command::Version).stdin(version_config(version.as_str()));
    let exchange = bench.call(request).map_err(text)?;
    const MOST: usize = 1 << 20;
    if exchange.stdout.len() > MOST {
        let printed = exchange.stdout.len();
        return Err(format!("it printed {printed} bytes in answer to VERSION; that is no plugin"));
    }
    let reply = exchange.first_document().unwrap_or_default();
    let listed = reply["supportedVersions"].as_array().cloned().unwrap_or_default();
    let mut versions: Vec<SpecVersion> =
        listed.iter().filter_map(|version| version.as_str()?.parse().ok()).collect();
    versions.dedup();
    Ok(versions)
}

/// Finds out the kind by trying ADD: first alone, then behind an interface that is there already.
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
        // Before 0.3.0 no result has interfaces; only those with an IPAM plugin of their own can be told apart.
        if bench.setup.ipam().is_some() { Kind::Interface } else { Kind::Ipam }
    } else {
        Kind::Chained
    })
}

/// Whether ADD works behind the interface that a profile of this kind gets.
pub(super) fn works(bench: &Bench<'_>) -> Result<(), String> {
    let attached = bench.attach().map_err(text)?;
    let _ = bench.detach(&attached);
    Ok(())
}

/// The first line of it, which says what came; what follows is for who reads about that check.
fn text(ending: Ending) -> String {
    let (Ending::Failed(why) | Ending::Hung(why) | Ending::NotRun(why)) = ending;
    why.lines().next().unwrap_or_default().to_owned()
}
