//! VLANs: those that the configuration asks for, and that a port takes part in.

use std::collections::BTreeMap;

use cni_skel::net::{Batch, BridgeVlan, Link, LinkIndex, Net};
use cni_skel::types::ErrorCode;
use cni_skel::{Error, Result};
use serde::Deserialize;

use crate::config::Config;

/// The highest number of a VLAN; the lowest is 1.
const MAX: u32 = 4094;
/// The VLAN of what has no tag, where there is a trunk and nobody says which.
const DEFAULT: u16 = 1;

/// An entry of key `vlanTrunk`: a VLAN, a range of them, or both.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TrunkEntry {
    id: Option<u32>,
    #[serde(rename = "minID")]
    min_id: Option<u32>,
    #[serde(rename = "maxID")]
    max_id: Option<u32>,
}

/// The VLANs that a port is to be in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PortVlans {
    wanted: Vec<BridgeVlan>,
    /// Whether it stays in the VLAN that a new port is in.
    keeps_default: bool,
}

impl PortVlans {
    /// Those of a container's port; none where the configuration does not speak of VLANs.
    ///
    /// # Errors
    /// Code 7 for numbers that no VLAN has, and for what contradicts itself.
    pub(crate) fn of(config: &Config) -> Result<Option<Self>> {
        let tagged = ranges(&config.vlan_trunk)?;
        let native = match number("vlan", config.vlan, 0)? {
            0 if tagged.is_empty() => return Ok(None),
            0 => DEFAULT,
            vlan if tagged.iter().any(|(first, last)| (*first..=*last).contains(&vlan)) => {
                return Err(Error::invalid_config(format!("vlan: {vlan} is in vlanTrunk too")));
            }
            vlan => vlan,
        };
        let mut wanted = vec![BridgeVlan::native(native)];
        for (first, last) in tagged {
            // Only the default one can be among them, and it is the lowest there is. Without a tag counts more.
            let first = if first == native { first + 1 } else { first };
            if first <= last {
                wanted.push(BridgeVlan::tagged_range(first, last));
            }
        }
        wanted.sort_by_key(|vlan| vlan.first);
        Ok(Some(Self { wanted, keeps_default: config.preserve_default_vlan }))
    }

    /// Those of a gateway's port.
    pub(crate) fn of_gateway(vlan: u16, config: &Config) -> Self {
        Self { wanted: vec![BridgeVlan::native(vlan)], keeps_default: config.preserve_default_vlan }
    }

    /// Has a port take part in them, and in no others that a new port would be in. It may be done again.
    pub(crate) fn apply<'a>(&self, mut batch: Batch<'a>, bridge: &Link, port: LinkIndex) -> Batch<'a> {
        let default = bridge.bridge.and_then(|options| options.default_pvid).filter(|default| *default != 0);
        let has = |id: u16| self.wanted.iter().any(|vlan| (vlan.first..=vlan.last).contains(&id));
        if let Some(default) = default.filter(|default| !self.keeps_default && !has(*default)) {
            batch = batch.delete_bridge_vlans(port, &[BridgeVlan::tagged(default)]);
        }
        batch.add_bridge_vlans(port, &self.wanted)
    }

    /// Looks whether a port takes part in them, and in no others unless they were to stay.
    pub(crate) fn check(&self, host: &Net, port: &Link) -> Result<()> {
        let is = host.bridge_vlans()?.remove(&port.index).unwrap_or_default();
        let (wanted, present) = (each(&self.wanted), each(&is));
        let is_missing = wanted.iter().any(|(id, way)| present.get(id) != Some(way));
        let is_more = present.len() > wanted.len() && !self.keeps_default;
        if is_missing || is_more {
            let msg = format!(
                "host interface {} is in VLANs {}, not {}",
                port.name,
                shown(&is),
                shown(&self.wanted)
            );
            return Err(Error::new(ErrorCode::INTERNAL, msg));
        }
        Ok(())
    }
}

/// The numbers of key `vlanTrunk` in order, each once: first and last of those without a gap.
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
                        "{}: {min} is behind maxID {max}",
                        key("minID")
                    )));
                }
                all.push((first, last));
            }
            (None, None) if entry.id.is_some() => {}
            (None, None) => {
                let msg = format!("vlanTrunk[{index}]: there is neither id nor minID and maxID");
                return Err(Error::invalid_config(msg));
            }
            (Some(_), None) | (None, Some(_)) => {
                let msg = format!("vlanTrunk[{index}]: minID and maxID come together");
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
    valid.ok_or_else(|| Error::invalid_config(format!("{key}: {value} is not from {lowest} to {MAX}")))
}

/// How a port takes part in each: whether it is that of untagged packets in, and untagged out.
fn each(vlans: &[BridgeVlan]) -> BTreeMap<u16, (bool, bool)> {
    let each =
        vlans.iter().flat_map(|vlan| (vlan.first..=vlan.last).map(|id| (id, (vlan.pvid, vlan.untagged))));
    each.collect()
}

fn shown(vlans: &[BridgeVlan]) -> String {
    let shown = vlans.iter().map(|vlan| {
        let way = match (vlan.pvid, vlan.untagged) {
            (true, true) => " untagged",
            (true, false) => " untagged in",
            (false, true) => " untagged out",
            (false, false) => "",
        };
        match (vlan.first, vlan.last) {
            (first, last) if first == last => format!("{first}{way}"),
            (first, last) => format!("{first}-{last}{way}"),
        }
    });
    let shown: Vec<_> = shown.collect();
    if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
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
            (json!({"vlan": 4095}), "vlan: 4095 is not from 0 to 4094"),
            (json!({"vlan": 65537}), "vlan: 65537 is not from 0 to 4094"),
            (json!({"vlanTrunk": [{"id": 7}, {"id": 0}]}), "vlanTrunk[1].id: 0 is not from 1 to 4094"),
            (
                json!({"vlanTrunk": [{"minID": 1, "maxID": 4095}]}),
                "vlanTrunk[0].maxID: 4095 is not from 1 to 4094",
            ),
            (json!({"vlanTrunk": [{"minID": 0, "maxID": 5}]}), "vlanTrunk[0].minID: 0 is not from 1 to 4094"),
            (json!({"vlanTrunk": [{"minID": 9, "maxID": 5}]}), "vlanTrunk[0].minID: 9 is behind maxID 5"),
            (json!({"vlanTrunk": [{"id": 3, "minID": 9}]}), "vlanTrunk[0]: minID and maxID come together"),
            (json!({"vlanTrunk": [{"maxID": 9}]}), "vlanTrunk[0]: minID and maxID come together"),
            (json!({"vlanTrunk": [{}]}), "vlanTrunk[0]: there is neither id nor minID and maxID"),
            (json!({"vlan": 7, "vlanTrunk": [{"minID": 5, "maxID": 9}]}), "vlan: 7 is in vlanTrunk too"),
        ] {
            let error = vlans(keys).unwrap_err();
            assert_eq!((error.msg(), error.code()), (msg, ErrorCode::INVALID_NETWORK_CONFIG));
        }
    }
}
