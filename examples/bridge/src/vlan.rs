//! The VLANs of a port: those that are configured, and those that the port is in.

use std::collections::BTreeMap;

use cni_skel::net::{Batch, BridgeVlan, Link, LinkIndex, Net};
use cni_skel::types::ErrorCode;
use cni_skel::{Error, Result};
use serde::Deserialize;

use crate::config::Config;

/// The highest VLAN ID. The lowest is 1.
const MAX: u32 = 4094;
/// The VLAN of untagged packets, if `vlanTrunk` is configured and `vlan` is not.
const DEFAULT_NATIVE: u16 = 1;

/// An entry of key `vlanTrunk`: a VLAN, a range of VLANs, or both.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TrunkEntry {
    id: Option<u32>,
    #[serde(rename = "minID")]
    min_id: Option<u32>,
    #[serde(rename = "maxID")]
    max_id: Option<u32>,
}

/// The VLANs that a port must be in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PortVlans {
    wanted: Vec<BridgeVlan>,
    /// Whether the port stays in the bridge's default VLAN.
    keeps_default: bool,
}

impl PortVlans {
    /// Returns the VLANs of a container's port. `None` if no VLAN is configured.
    ///
    /// # Errors
    /// Code 7 if a VLAN ID is out of range, or if `vlan` and `vlanTrunk` contradict each other.
    pub(crate) fn of(config: &Config) -> Result<Option<Self>> {
        let tagged = ranges(&config.vlan_trunk)?;
        let native = match number("vlan", config.vlan, 0)? {
            0 if tagged.is_empty() => return Ok(None),
            0 => DEFAULT_NATIVE,
            vlan if tagged.iter().any(|(first, last)| (*first..=*last).contains(&vlan)) => {
                return Err(Error::invalid_config(format!("vlan: {vlan} is also in vlanTrunk")));
            }
            vlan => vlan,
        };
        let mut wanted = vec![BridgeVlan::native(native)];
        for (first, last) in tagged {
            // Only the default native VLAN can be in a trunk as well. It has ID 1, so it is the first of the range.
            let first = if first == native { first + 1 } else { first };
            if first <= last {
                wanted.push(BridgeVlan::tagged_range(first, last));
            }
        }
        wanted.sort_by_key(|vlan| vlan.first);
        Ok(Some(Self { wanted, keeps_default: config.preserve_default_vlan }))
    }

    /// Returns the VLANs of a gateway interface's port.
    pub(crate) fn of_gateway(vlan: u16, config: &Config) -> Self {
        Self { wanted: vec![BridgeVlan::native(vlan)], keeps_default: config.preserve_default_vlan }
    }

    /// Adds a port to the VLANs, and removes it from the bridge's default VLAN. It can be applied again.
    pub(crate) fn apply<'a>(&self, mut batch: Batch<'a>, bridge: &Link, port: LinkIndex) -> Batch<'a> {
        let default = bridge.bridge.and_then(|options| options.default_pvid).filter(|default| *default != 0);
        let has = |id: u16| self.wanted.iter().any(|vlan| (vlan.first..=vlan.last).contains(&id));
        if let Some(default) = default.filter(|default| !self.keeps_default && !has(*default)) {
            batch = batch.delete_bridge_vlans(port, &[BridgeVlan::tagged(default)]);
        }
        batch.add_bridge_vlans(port, &self.wanted)
    }

    /// Checks that a port is in the VLANs, and in no others unless `preserveDefaultVlan` is set.
    pub(crate) fn check(&self, host: &Net, port: &Link) -> Result<()> {
        let is = host.bridge_vlans()?.remove(&port.index).unwrap_or_default();
        let (wanted, present) = (by_id(&self.wanted), by_id(&is));
        let is_missing = wanted.iter().any(|(id, flags)| present.get(id) != Some(flags));
        let has_more = present.len() > wanted.len() && !self.keeps_default;
        if is_missing || has_more {
            let msg =
                format!("host interface {} is in VLANs {}, not {}", port.name, text(&is), text(&self.wanted));
            return Err(Error::new(ErrorCode::INTERNAL, msg));
        }
        Ok(())
    }
}

/// Returns the VLANs of key `vlanTrunk` as ranges in ascending order, without overlaps.
fn ranges(entries: &[TrunkEntry]) -> Result<Vec<(u16, u16)>> {
    let mut all = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let key = |name: &str| format!("vlanTrunk[{index}].{name}");
        if let Some(id) = entry.id {
            let id = number(&key("id"), id, 1)?;
            all.push((id, id));
        }
        match (entry.min_id, entry.max_id) {
            (Some(min), Some(max)) => {
                let (first, last) = (number(&key("minID"), min, 1)?, number(&key("maxID"), max, 1)?);
                if first > last {
                    return Err(Error::invalid_config(format!(
                        "{}: {min} is greater than maxID {max}",
                        key("minID")
                    )));
                }
                all.push((first, last));
            }
            (None, None) if entry.id.is_some() => {}
            (None, None) => {
                let msg = format!("vlanTrunk[{index}]: id, or minID and maxID, is required");
                return Err(Error::invalid_config(msg));
            }
            (Some(_), None) | (None, Some(_)) => {
                let msg = format!("vlanTrunk[{index}]: minID and maxID are required together");
                return Err(Error::invalid_config(msg));
            }
        }
    }
    all.sort_unstable();
    let mut merged: Vec<(u16, u16)> = Vec::new();
    for (first, last) in all {
        match merged.last_mut() {
            Some((_, end)) if first <= *end + 1 => *end = last.max(*end),
            _ => merged.push((first, last)),
        }
    }
    Ok(merged)
}

fn number(key: &str, value: u32, lowest: u32) -> Result<u16> {
    let valid = u16::try_from(value).ok().filter(|_| (lowest..=MAX).contains(&value));
    valid
        .ok_or_else(|| Error::invalid_config(format!("{key}: {value} is not in the range {lowest} to {MAX}")))
}

/// Returns `pvid` and `untagged` of each VLAN.
fn by_id(vlans: &[BridgeVlan]) -> BTreeMap<u16, (bool, bool)> {
    let each =
        vlans.iter().flat_map(|vlan| (vlan.first..=vlan.last).map(|id| (id, (vlan.pvid, vlan.untagged))));
    each.collect()
}

/// Lists VLANs for an error message.
fn text(vlans: &[BridgeVlan]) -> String {
    let texts = vlans.iter().map(|vlan| {
        let suffix = match (vlan.pvid, vlan.untagged) {
            (true, true) => " untagged",
            (true, false) => " untagged ingress",
            (false, true) => " untagged egress",
            (false, false) => "",
        };
        match (vlan.first, vlan.last) {
            (first, last) if first == last => format!("{first}{suffix}"),
            (first, last) => format!("{first}-{last}{suffix}"),
        }
    });
    let texts: Vec<_> = texts.collect();
    if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn vlans(keys: Value) -> Result<Option<Vec<BridgeVlan>>> {
        let config: Config = serde_json::from_value(keys).unwrap();
        Ok(PortVlans::of(&config)?.map(|vlans| vlans.wanted))
    }

    #[test]
    fn a_trunk_has_each_vlan_once_and_in_order() {
        let wanted = |keys, wanted: &[BridgeVlan]| {
            assert_eq!(vlans(keys).unwrap().as_deref(), Some(wanted));
        };
        let trunk =
            json!([{"id": 30}, {"minID": 10, "maxID": 12, "id": 13}, {"minID": 11, "maxID": 20}, {"id": 30}]);
        let (range, single) = (BridgeVlan::tagged_range(10, 20), BridgeVlan::tagged(30));
        wanted(json!({"vlanTrunk": trunk}), &[BridgeVlan::native(1), range, single]);
        wanted(json!({"vlan": 25, "vlanTrunk": trunk}), &[range, BridgeVlan::native(25), single]);
        wanted(json!({"vlan": 4094}), &[BridgeVlan::native(4094)]);
        // The default VLAN is without a tag, in a trunk of all of them too.
        let all = json!([{"minID": 1, "maxID": 4094}]);
        wanted(json!({"vlanTrunk": all}), &[BridgeVlan::native(1), BridgeVlan::tagged_range(2, 4094)]);
        wanted(json!({"vlanTrunk": [{"id": 1}]}), &[BridgeVlan::native(1)]);
        assert_eq!(vlans(json!({"preserveDefaultVlan": true, "vlan": 0, "vlanTrunk": []})).unwrap(), None);
    }

    #[test]
    fn numbers_that_no_vlan_has_and_contradictions_are_refused_by_their_path() {
        for (keys, msg) in [
            (json!({"vlan": 4095}), "vlan: 4095 is not in the range 0 to 4094"),
            (json!({"vlan": 65537}), "vlan: 65537 is not in the range 0 to 4094"),
            (
                json!({"vlanTrunk": [{"id": 7}, {"id": 0}]}),
                "vlanTrunk[1].id: 0 is not in the range 1 to 4094",
            ),
            (
                json!({"vlanTrunk": [{"minID": 1, "maxID": 4095}]}),
                "vlanTrunk[0].maxID: 4095 is not in the range 1 to 4094",
            ),
            (
                json!({"vlanTrunk": [{"minID": 0, "maxID": 5}]}),
                "vlanTrunk[0].minID: 0 is not in the range 1 to 4094",
            ),
            (
                json!({"vlanTrunk": [{"minID": 9, "maxID": 5}]}),
                "vlanTrunk[0].minID: 9 is greater than maxID 5",
            ),
            (
                json!({"vlanTrunk": [{"id": 3, "minID": 9}]}),
                "vlanTrunk[0]: minID and maxID are required together",
            ),
            (json!({"vlanTrunk": [{"maxID": 9}]}), "vlanTrunk[0]: minID and maxID are required together"),
            (json!({"vlanTrunk": [{}]}), "vlanTrunk[0]: id, or minID and maxID, is required"),
            (json!({"vlan": 7, "vlanTrunk": [{"minID": 5, "maxID": 9}]}), "vlan: 7 is also in vlanTrunk"),
        ] {
            let error = vlans(keys).unwrap_err();
            assert_eq!((error.msg(), error.code()), (msg, ErrorCode::INVALID_NETWORK_CONFIG));
        }
    }
}
