//! What a runtime asks for by convention, and which place counts where there is more than one. Nowhere else is that
//! decided.

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

/// What the runtime asks for by [convention](https://github.com/containernetworking/cni/blob/spec-v1.1.0/CONVENTIONS.md).
///
/// Each is decoded when it is asked for. Absent, `null` and empty all mean that nothing is asked for. Of several places
/// only those are looked at that can still count.
impl Context {
    /// Ports of the host that lead into the container: key `runtimeConfig.portMappings`.
    ///
    /// # Errors
    /// Code 6 or 7, naming the path, when it is there but does not decode.
    pub fn port_mappings(&self) -> Result<Vec<PortMapping>> {
        Ok(self.runtime_config("portMappings")?.unwrap_or_default())
    }

    /// Sets of ranges, each of which is to give one address: key `runtimeConfig.ipRanges`.
    ///
    /// # Errors
    /// Code 6 or 7, naming the path, when it is there but does not decode.
    pub fn ip_ranges(&self) -> Result<Vec<Vec<IpRange>>> {
        Ok(self.runtime_config("ipRanges")?.unwrap_or_default())
    }

    /// How fast the container may send and receive: key `runtimeConfig.bandwidth`. None when nothing is limited.
    ///
    /// # Errors
    /// Code 6 or 7, naming the path, when it is there but does not decode.
    pub fn bandwidth(&self) -> Result<Option<Bandwidth>> {
        let bandwidth: Option<Bandwidth> = self.runtime_config("bandwidth")?;
        Ok(bandwidth.filter(|bandwidth| !bandwidth.is_unlimited()))
    }

    /// Resolver settings: key `runtimeConfig.dns`. None when they say nothing.
    ///
    /// # Errors
    /// Code 6 or 7, naming the path, when it is there but does not decode.
    pub fn runtime_dns(&self) -> Result<Option<RuntimeDns>> {
        let dns: Option<RuntimeDns> = self.runtime_config("dns")?;
        Ok(dns.filter(|dns| !dns.is_empty()))
    }

    /// The hardware address that the container's interface is to have, of whatever kind: key `runtimeConfig.mac`, else
    /// `args.cni.mac`, else `MAC` in `CNI_ARGS`.
    ///
    /// # Errors
    /// Code 6 or 7, naming the path, when the value that counts is no hardware address; 4 when it is the one in
    /// `CNI_ARGS`.
    pub fn mac(&self) -> Result<Option<MacAddr>> {
        Ok(self.placed_mac()?.map(|(_, mac)| mac))
    }

    /// The hardware address that the container's interface is to have, for an interface of Ethernet: as
    /// [`mac`](Self::mac), and it has six bytes, is no group address and is not zero.
    ///
    /// # Errors
    /// As [`mac`](Self::mac).
    pub fn ethernet_mac(&self) -> Result<Option<MacAddr>> {
        match self.placed_mac()? {
            Some((place, mac)) if !mac.is_ethernet_unicast() => {
                Err(place.refusal(format!("{mac} is no hardware address of an Ethernet interface")))
            }
            placed => Ok(placed.map(|(_, mac)| mac)),
        }
    }

    /// The addresses that an IPAM plugin is asked for, from where they count most: key `runtimeConfig.ips`, else
    /// `args.cni.ips`, else `IP` in `CNI_ARGS`.
    ///
    /// CONVENTIONS.md wants a plugin that understands `args.cni.ips` to ignore `IP` in `CNI_ARGS`. An IPAM plugin that
    /// gives what all places ask for takes [`all_requested_ips`](Self::all_requested_ips).
    ///
    /// # Errors
    /// Code 6 or 7, naming the path, when what counts is no list of addresses; 4 when it is the one in `CNI_ARGS`.
    pub fn requested_ips(&self) -> Result<Vec<RequestedIp>> {
        let ips = self.requested("ips")?;
        if ips.is_empty() { Ok(self.args()?.ips()?) } else { Ok(ips) }
    }

    /// A list that the runtime asks for in the configuration, from where it counts most: key `runtimeConfig.<key>`, else
    /// `args.cni.<key>`. For a plugin that wants the elements of [`requested_ips`](Self::requested_ips) to be of a type of
    /// its own, or does something else with `CNI_ARGS`.
    ///
    /// # Errors
    /// Code 6 or 7, naming the path, when what counts does not decode.
    pub fn requested<T: DeserializeOwned>(&self, key: &str) -> Result<Vec<T>> {
        let list: Vec<T> = self.runtime_config(key)?.unwrap_or_default();
        if list.is_empty() { Ok(self.args_cni(key)?.unwrap_or_default()) } else { Ok(list) }
    }

    /// The addresses that an IPAM plugin is asked for in any place: those of `IP` in `CNI_ARGS`, of `args.cni.ips`, and of
    /// `runtimeConfig.ips`, in this order, as the reference's host-local adds them up. An address may be there twice.
    ///
    /// # Errors
    /// Code 6 or 7, naming the path, when one in the configuration is no list of addresses; 4 when the one in
    /// `CNI_ARGS` is none.
    pub fn all_requested_ips(&self) -> Result<Vec<RequestedIp>> {
        let mut ips = self.args()?.ips()?;
        ips.extend(self.args_cni::<Vec<RequestedIp>>("ips")?.unwrap_or_default());
        ips.extend(self.runtime_config::<Vec<RequestedIp>>("ips")?.unwrap_or_default());
        Ok(ips)
    }

    /// The identifier that an Infiniband interface is to have: key `runtimeConfig.infinibandGUID`.
    ///
    /// # Errors
    /// Code 6 or 7, naming the path, when it is there but does not decode.
    pub fn infiniband_guid(&self) -> Result<Option<InfinibandGuid>> {
        self.capability_text("infinibandGUID")
    }

    /// The device that the runtime has set aside: key `runtimeConfig.deviceID`.
    ///
    /// # Errors
    /// Code 6 or 7, naming the path, when it is there but does not decode.
    pub fn device_id(&self) -> Result<Option<DeviceId>> {
        self.capability_text("deviceID")
    }

    /// The control group of the pod: key `runtimeConfig.cgroupPath`.
    ///
    /// # Errors
    /// Code 6 or 7, naming the path, when it is there but does not decode.
    pub fn cgroup_path(&self) -> Result<Option<CgroupPath>> {
        self.capability_text("cgroupPath")
    }

    /// Other names of the container on this network: key `runtimeConfig.aliases`, a list as CONVENTIONS.md has it, or as
    /// Podman sends it an object with a list for each network.
    ///
    /// # Errors
    /// Code 6 or 7, naming the path, when it is there but does not decode.
    pub fn aliases(&self) -> Result<Vec<Alias>> {
        Ok(match self.runtime_config("aliases")? {
            None => Vec::new(),
            Some(Aliases::List(aliases)) => aliases,
            Some(Aliases::Networks(mut networks)) => {
                networks.remove(self.network().as_str()).flatten().unwrap_or_default()
            }
        })
    }

    /// The container's labels: key `args.cni.labels`.
    ///
    /// # Errors
    /// Code 6 or 7, naming the path, when it is there but does not decode.
    pub fn labels(&self) -> Result<Vec<Label>> {
        Ok(self.args_cni("labels")?.unwrap_or_default())
    }

    /// The Kubernetes pod that the container belongs to: keys `K8S_POD_*` in `CNI_ARGS`.
    ///
    /// # Errors
    /// Code 4, naming key and value, when a value is not what a [`Pod`] has.
    pub fn pod(&self) -> Result<Pod> {
        Ok(self.args()?.pod()?)
    }

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

/// Where a value comes from, for an error that is found after it was decoded.
enum Place {
    Config(&'static str),
    Variable(&'static str),
}

impl Place {
    fn refusal(&self, why: String) -> Error {
        match self {
            Self::Config(path) => Error::invalid_config(format!("{path}: {why}")),
            Self::Variable(key) => {
                Error::new(ErrorCode::INVALID_ENVIRONMENT, format!("invalid CNI_ARGS: {key}: {why}"))
            }
        }
    }
}

/// A value written as text. `""` is none: runtimes written in Go send it for a field that is not set.
struct Text<T>(Option<T>);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "" => Ok(Self(None)),
            text => text.parse().map(|value| Self(Some(value))).map_err(D::Error::custom),
        }
    }
}

/// Not an untagged enum, which would lose the path of what is wrong.
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
        f.write_str("a list of aliases, or one for each network")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, aliases: A) -> Result<Aliases, A::Error> {
        Deserialize::deserialize(SeqAccessDeserializer::new(aliases)).map(Aliases::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, networks: A) -> Result<Aliases, A::Error> {
        Deserialize::deserialize(MapAccessDeserializer::new(networks)).map(Aliases::Networks)
    }
}
