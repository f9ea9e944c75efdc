//! The values that a runtime passes by convention, and which one is used if there are several. This is the only module that
//! decides that.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use cni_types::{
    Alias, Bandwidth, CgroupPath, DeviceId, ErrorCode, InfinibandGuid, IpRange, Label, MacAddr, Pod,
    PortMapping, RequestedIp, RuntimeDns,
};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::{Context, Error, Result};

/// Values that the runtime passes by [convention](https://github.com/containernetworking/cni/blob/spec-v1.1.0/CONVENTIONS.md).
///
/// Each method decodes its value. An absent, `null` or empty value means that the runtime requests nothing. Where a value can
/// be in several places, the method stops at the first one that has a value, so errors in the others are not found.
impl Context {
    /// Returns the ports of the host to forward to the container: key `runtimeConfig.portMappings`.
    ///
    /// # Errors
    /// Code 6 or 7, naming the JSON path, if the value is invalid.
    pub fn port_mappings(&self) -> Result<Vec<PortMapping>> {
        Ok(self.runtime_config("portMappings")?.unwrap_or_default())
    }

    /// Returns sets of address ranges: key `runtimeConfig.ipRanges`. An IPAM plugin assigns one address from each set.
    ///
    /// # Errors
    /// Code 6 or 7, naming the JSON path, if the value is invalid.
    pub fn ip_ranges(&self) -> Result<Vec<Vec<IpRange>>> {
        Ok(self.runtime_config("ipRanges")?.unwrap_or_default())
    }

    /// Returns the bandwidth limits of the container, in bits per second and bits: key `runtimeConfig.bandwidth`. Returns
    /// `None` if neither direction is limited.
    ///
    /// # Errors
    /// Code 6 or 7, naming the JSON path, if the value is invalid.
    pub fn bandwidth(&self) -> Result<Option<Bandwidth>> {
        let bandwidth: Option<Bandwidth> = self.runtime_config("bandwidth")?;
        Ok(bandwidth.filter(|bandwidth| !bandwidth.is_unlimited()))
    }

    /// Returns the resolver settings: key `runtimeConfig.dns`. Returns `None` if all of them are empty.
    ///
    /// # Errors
    /// Code 6 or 7, naming the JSON path, if the value is invalid.
    pub fn runtime_dns(&self) -> Result<Option<RuntimeDns>> {
        let dns: Option<RuntimeDns> = self.runtime_config("dns")?;
        Ok(dns.filter(|dns| !dns.is_empty()))
    }

    /// Returns the hardware address requested for the container's interface: key `runtimeConfig.mac`, else `args.cni.mac`,
    /// else `MAC` in `CNI_ARGS`. The address may be of any length; [`ethernet_mac`](Self::ethernet_mac) is stricter.
    ///
    /// # Errors
    /// Code 6 or 7, naming the JSON path, if the value is not a hardware address. Code 4 if that value is in `CNI_ARGS`.
    pub fn mac(&self) -> Result<Option<MacAddr>> {
        Ok(self.placed_mac()?.map(|(_, mac)| mac))
    }

    /// Returns the hardware address requested for the container's Ethernet interface, from the same places as
    /// [`mac`](Self::mac). It has six bytes, is not a group address and is not zero.
    ///
    /// # Errors
    /// Those of [`mac`](Self::mac). An address that is not an Ethernet unicast address has code 7, or code 4 if it is in
    /// `CNI_ARGS`.
    pub fn ethernet_mac(&self) -> Result<Option<MacAddr>> {
        match self.placed_mac()? {
            Some((place, mac)) if !mac.is_ethernet_unicast() => {
                Err(place.invalid(format!("{mac} is not an Ethernet unicast address")))
            }
            placed => Ok(placed.map(|(_, mac)| mac)),
        }
    }

    /// Returns the addresses requested from an IPAM plugin: key `runtimeConfig.ips`, else `args.cni.ips`, else `IP` in
    /// `CNI_ARGS`.
    ///
    /// CONVENTIONS.md asks a plugin that understands `args.cni.ips` to ignore `IP` in `CNI_ARGS`. For an IPAM plugin that
    /// assigns the addresses from all places, use [`all_requested_ips`](Self::all_requested_ips).
    ///
    /// # Errors
    /// Code 6 or 7, naming the JSON path, if the value is not a list of addresses. Code 4 if that value is in `CNI_ARGS`.
    pub fn requested_ips(&self) -> Result<Vec<RequestedIp>> {
        let ips = self.requested("ips")?;
        if ips.is_empty() { Ok(self.args()?.ips()?) } else { Ok(ips) }
    }

    /// Decodes a requested list: key `runtimeConfig.<key>`, else `args.cni.<key>`.
    ///
    /// Use it instead of [`requested_ips`](Self::requested_ips) for elements of another type, or without `CNI_ARGS`.
    ///
    /// # Errors
    /// Code 6 or 7, naming the JSON path, if the value is not a list of `T`.
    pub fn requested<T: DeserializeOwned>(&self, key: &str) -> Result<Vec<T>> {
        let list: Vec<T> = self.runtime_config(key)?.unwrap_or_default();
        if list.is_empty() { Ok(self.args_cni(key)?.unwrap_or_default()) } else { Ok(list) }
    }

    /// Returns the addresses requested from an IPAM plugin in all places: `IP` in `CNI_ARGS`, `args.cni.ips` and
    /// `runtimeConfig.ips`, in this order, as the reference plugin host-local does. An address can occur more than once.
    ///
    /// # Errors
    /// Code 6 or 7, naming the JSON path, if a value in the configuration is not a list of addresses. Code 4 if the one in
    /// `CNI_ARGS` is not.
    pub fn all_requested_ips(&self) -> Result<Vec<RequestedIp>> {
        let mut ips = self.args()?.ips()?;
        ips.extend(self.args_cni::<Vec<RequestedIp>>("ips")?.unwrap_or_default());
        ips.extend(self.runtime_config::<Vec<RequestedIp>>("ips")?.unwrap_or_default());
        Ok(ips)
    }

    /// Returns the GUID requested for an Infiniband interface: key `runtimeConfig.infinibandGUID`.
    ///
    /// # Errors
    /// Code 6 or 7, naming the JSON path, if the value is invalid.
    pub fn infiniband_guid(&self) -> Result<Option<InfinibandGuid>> {
        self.capability_text("infinibandGUID")
    }

    /// Returns the device that the runtime allocated: key `runtimeConfig.deviceID`.
    ///
    /// # Errors
    /// Code 6 or 7, naming the JSON path, if the value is invalid.
    pub fn device_id(&self) -> Result<Option<DeviceId>> {
        self.capability_text("deviceID")
    }

    /// Returns the control group of the pod: key `runtimeConfig.cgroupPath`.
    ///
    /// # Errors
    /// Code 6 or 7, naming the JSON path, if the value is invalid.
    pub fn cgroup_path(&self) -> Result<Option<CgroupPath>> {
        self.capability_text("cgroupPath")
    }

    /// Returns further names of the container on this network: key `runtimeConfig.aliases`. The value is a list, as
    /// CONVENTIONS.md describes it, or an object with a list for each network, as podman sends it.
    ///
    /// # Errors
    /// Code 6 or 7, naming the JSON path, if the value is invalid.
    pub fn aliases(&self) -> Result<Vec<Alias>> {
        Ok(match self.runtime_config("aliases")? {
            None => Vec::new(),
            Some(Aliases::List(aliases)) => aliases,
            Some(Aliases::Networks(mut networks)) => {
                networks.remove(self.network().as_str()).flatten().unwrap_or_default()
            }
        })
    }

    /// Returns the container's labels: key `args.cni.labels`.
    ///
    /// # Errors
    /// Code 6 or 7, naming the JSON path, if the value is invalid.
    pub fn labels(&self) -> Result<Vec<Label>> {
        Ok(self.args_cni("labels")?.unwrap_or_default())
    }

    /// Returns the Kubernetes pod of the container: keys `K8S_POD_*` in `CNI_ARGS`.
    ///
    /// # Errors
    /// Code 4, naming key and value, if a value is not valid in a [`Pod`].
    pub fn pod(&self) -> Result<Pod> {
        Ok(self.args()?.pod()?)
    }

    /// Returns the requested hardware address and where it is from.
    fn placed_mac(&self) -> Result<Option<(Place, MacAddr)>> {
        if let Some(mac) = self.capability_text("mac")? {
            return Ok(Some((Place::Config("runtimeConfig.mac"), mac)));
        }
        if let Some(Text(Some(mac))) = self.args_cni("mac")? {
            return Ok(Some((Place::Config("args.cni.mac"), mac)));
        }
        Ok(self.args()?.mac()?.map(|mac| (Place::Variable("MAC"), mac)))
    }

    fn capability_text<T: FromStr<Err: fmt::Display>>(&self, capability: &str) -> Result<Option<T>> {
        Ok(self.runtime_config::<Text<T>>(capability)?.and_then(|text| text.0))
    }
}

/// Where a value was found. An error that is detected after decoding names it.
enum Place {
    Config(&'static str),
    Variable(&'static str),
}

impl Place {
    fn invalid(&self, reason: String) -> Error {
        match self {
            Self::Config(path) => Error::invalid_config(format!("{path}: {reason}")),
            Self::Variable(key) => {
                Error::new(ErrorCode::INVALID_ENVIRONMENT, format!("invalid CNI_ARGS: {key}: {reason}"))
            }
        }
    }
}

/// A value written as text. `""` is `None`: runtimes written in Go send it for a field that is not set.
struct Text<T>(Option<T>);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "" => Ok(Self(None)),
            text => text.parse().map(|value| Self(Some(value))).map_err(D::Error::custom),
        }
    }
}

/// The two forms of `aliases`. Not an untagged enum, whose errors have no JSON path.
enum Aliases {
    List(Vec<Alias>),
    Networks(BTreeMap<String, Option<Vec<Alias>>>),
}

impl<'de> Deserialize<'de> for Aliases {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AliasesVisitor)
    }
}

struct AliasesVisitor;

impl<'de> Visitor<'de> for AliasesVisitor {
    type Value = Aliases;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of aliases, or an object with a list for each network")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, aliases: A) -> Result<Aliases, A::Error> {
        Deserialize::deserialize(SeqAccessDeserializer::new(aliases)).map(Aliases::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, networks: A) -> Result<Aliases, A::Error> {
        Deserialize::deserialize(MapAccessDeserializer::new(networks)).map(Aliases::Networks)
    }
}
