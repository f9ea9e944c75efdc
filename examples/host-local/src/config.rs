//! The configuration: what `ipam`, the runtime and the call's arguments ask for.

use std::ffi::OsStr;
use std::net::IpAddr;
use std::path::Path;

use cni_skel::types::{NetworkName, PluginConfig, RequestedIp, Route, SpecVersion};
use cni_skel::{Error, Result};
use serde::Deserialize;

use crate::address::{MaybeAddress, Subnet};
use crate::exclude::Exclusion;
use crate::range::RangeSpec;
use crate::range_set::RangeSet;
use crate::store::Store;

/// Where the state is when key `ipam.dataDir` does not say.
const DATA_DIR: &str = "/var/lib/cni/networks";

/// What every command needs of the configuration. The ranges are not among it, so that DEL and GC work with
/// ranges that have become invalid; a command that needs them decodes them itself.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Config {
    ipam: StateConfig,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct StateConfig {
    data_dir: String,
}

impl Config {
    /// The state of the network in the configured folder.
    pub(crate) fn store(&self, network: &NetworkName) -> Store {
        let data_dir = Some(self.ipam.data_dir.as_str()).filter(|dir| !dir.is_empty()).unwrap_or(DATA_DIR);
        Store::new(Path::new(OsStr::new(data_dir)), network)
    }
}

/// The keys that say what to hand out.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct PoolConfig {
    ipam: IpamConfig,
    runtime_config: RuntimeConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct IpamConfig {
    // A single range without a set around it, as configurations were written before there were sets.
    subnet: Option<Subnet>,
    range_start: MaybeAddress,
    range_end: MaybeAddress,
    gateway: MaybeAddress,
    ranges: Vec<Vec<RangeSpec>>,
    exclude: Vec<Exclusion>,
    routes: Vec<Route>,
    resolv_conf: String,
    fsync: Option<bool>,
    reclaim_after_reboot: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RuntimeConfig {
    ip_ranges: Vec<Vec<RangeSpec>>,
}

/// What STATUS needs besides: it is asked without what the runtime adds for a capability.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CapabilitiesConfig {
    capabilities: Capabilities,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Capabilities {
    ip_ranges: bool,
}

impl PoolConfig {
    /// Decodes the keys from the whole configuration.
    ///
    /// # Errors
    /// Code 6 or 7, naming the path of the key.
    pub(crate) fn decode(config: &PluginConfig) -> Result<Self> {
        Ok(config.decode()?)
    }

    /// The range sets, in the order in which they number the results: the runtime's, the inline range, `ranges`.
    ///
    /// # Errors
    /// Code 7, naming set, key and value, when a set is not one to allocate from, when two overlap, when there is
    /// none, or when there are more than the version of the specification can say.
    pub(crate) fn range_sets(&self, version: SpecVersion) -> Result<Vec<RangeSet>> {
        let mut sets = Vec::new();
        for (index, (key, specs)) in self.named_sets().into_iter().enumerate() {
            let mut set = RangeSet::new(&specs)
                .map_err(|why| Error::invalid_config(format!("invalid range set {index}, {key}: {why}")))?;
            set.exclude(&self.ipam.exclude);
            sets.push(set);
        }
        if sets.is_empty() {
            return Err(Error::invalid_config("no IP ranges specified: missing ipam.ranges"));
        }
        let twice = |(index, set): (usize, &RangeSet)| {
            sets[..index].iter().any(|other| other.family() == set.family())
        };
        if version < SpecVersion::V0_3_0 && sets.iter().enumerate().any(twice) {
            return Err(Error::invalid_config(format!(
                "ipam.ranges has {} range sets, but cniVersion {version} does not support more than 1 address \
                 per family",
                sets.len()
            )));
        }
        for (index, set) in sets.iter().enumerate() {
            if let Some(other) = sets[..index].iter().position(|other| other.overlaps(set)) {
                let (earlier, later) = (&sets[other], set);
                return Err(Error::invalid_config(format!(
                    "range set {other} overlaps with {index}: {earlier} and {later}"
                )));
            }
        }
        Ok(sets)
    }

    /// The range sets that are known before an ADD: none is an error only if none can come with it.
    ///
    /// # Errors
    /// As [`range_sets`](Self::range_sets).
    pub(crate) fn range_sets_so_far(
        &self,
        config: &PluginConfig,
        version: SpecVersion,
    ) -> Result<Vec<RangeSet>> {
        if self.named_sets().is_empty() && config.decode::<CapabilitiesConfig>()?.capabilities.ip_ranges {
            return Ok(Vec::new());
        }
        self.range_sets(version)
    }

    /// Every set with the key that it comes from.
    fn named_sets(&self) -> Vec<(String, Vec<RangeSpec>)> {
        let ipam = &self.ipam;
        let mut sets = Vec::new();
        for (index, specs) in self.runtime_config.ip_ranges.iter().enumerate() {
            sets.push((format!("runtimeConfig.ipRanges[{index}]"), specs.clone()));
        }
        if ipam.subnet.is_some() {
            let (range_start, range_end) = (ipam.range_start, ipam.range_end);
            let (subnet, gateway) = (ipam.subnet, ipam.gateway);
            // What key `exclude` beside them says goes for every set.
            let spec = RangeSpec { subnet, range_start, range_end, gateway, exclude: Vec::new() };
            sets.push(("ipam".to_owned(), vec![spec]));
        }
        for (index, specs) in ipam.ranges.iter().enumerate() {
            sets.push((format!("ipam.ranges[{index}]"), specs.clone()));
        }
        sets
    }

    /// The routes that every result gets.
    pub(crate) fn routes(&self) -> &[Route] {
        &self.ipam.routes
    }

    /// Whether an address is only handed out when its file would outlast a power cut.
    pub(crate) fn fsync(&self) -> bool {
        self.ipam.fsync.unwrap_or(true)
    }

    /// Whether what was handed out before the machine was started is free again.
    pub(crate) fn reclaim_after_reboot(&self) -> bool {
        self.ipam.reclaim_after_reboot
    }

    /// The file with the resolver's settings, if there is to be one.
    pub(crate) fn resolv_conf(&self) -> Option<&Path> {
        Some(self.ipam.resolv_conf.as_str()).filter(|path| !path.is_empty()).map(Path::new)
    }
}

/// Puts each address asked for into the place of its set.
///
/// # Errors
/// Code 7 when an address is in no set, or another one of its set is asked for too.
pub(crate) fn place(asked: &[RequestedIp], sets: &[RangeSet]) -> Result<Vec<Option<IpAddr>>> {
    let mut places = vec![None; sets.len()];
    let mut left = Vec::new();
    for address in asked.iter().map(RequestedIp::address) {
        let set = sets.iter().position(|set| set.contains(address));
        match set.map(|set| &mut places[set]) {
            Some(place @ None) => *place = Some(address),
            // What two sources ask for is one request.
            Some(Some(before)) if *before == address => {}
            _ => left.push(address.to_string()),
        }
    }
    match left.as_slice() {
        [] => Ok(places),
        left => {
            let left = left.join(" ");
            Err(Error::invalid_config(format!("failed to allocate all requested IPs: {left}")))
        }
    }
}
