//! What an administrator writes, and what a runtime adds to it.

use cni_skel::types::{Dns, IfName};
use cni_skel::{Context, Error, Result};
use serde::Deserialize;

use crate::gateway;
use crate::vlan::{PortVlans, TrunkEntry};

/// The plugin's configuration. Each key and its meaning is the reference plugin's.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Config {
    /// The bridge: key `bridge`.
    #[serde(default = "cni0")]
    pub bridge: IfName,
    /// Whether the bridge has the gateway's address: key `isGateway`.
    #[serde(default)]
    pub is_gateway: bool,
    /// Whether it is also the default gateway: key `isDefaultGateway`.
    #[serde(default)]
    pub is_default_gateway: bool,
    /// Whether another address on the bridge makes room for the gateway's: key `forceAddress`.
    #[serde(default)]
    pub force_address: bool,
    /// The largest packet in bytes, 0 for what the kernel takes: key `mtu`.
    #[serde(default)]
    pub mtu: u32,
    /// Whether a container's packets may come back to it: key `hairpinMode`.
    #[serde(default)]
    pub hairpin_mode: bool,
    /// Whether the bridge is promiscuous: key `promiscMode`.
    #[serde(default)]
    pub promisc_mode: bool,
    /// Whether containers cannot reach each other: key `portIsolation`.
    #[serde(default)]
    pub port_isolation: bool,
    /// Whether the container's interface stays down, for who sets it up later: key `disableContainerInterface`.
    #[serde(default)]
    pub disable_container_interface: bool,
    /// Resolver settings, which count more than the IPAM plugin's: key `dns`.
    #[serde(default)]
    pub dns: Dns,
    /// Whether what containers send to the world outside has the host's address: key `ipMasq`.
    #[serde(default)]
    pub ip_masq: bool,
    /// With what: key `ipMasqBackend`.
    #[serde(default)]
    ip_masq_backend: Option<String>,
    /// The VLAN of what the container sends and gets without a tag, 0 for none: key `vlan`.
    #[serde(default)]
    pub vlan: u32,
    #[serde(default)]
    pub(crate) vlan_trunk: Vec<TrunkEntry>,
    /// Whether a port with VLANs stays in the one that new ports are in: key `preserveDefaultVlan`.
    #[serde(default)]
    pub preserve_default_vlan: bool,
    /// Whether what the container sends must have its own hardware address: key `macspoofchk`.
    #[serde(default)]
    pub macspoofchk: bool,
    /// Whether the container's kernel looks for duplicates of its IPv6 addresses: key `enabledad`.
    #[serde(default)]
    pub enabledad: bool,
}

/// What masquerades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Iptables,
    Nftables,
}

impl Backend {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Iptables => Self::Nftables,
            Self::Nftables => Self::Iptables,
        }
    }
}

impl Config {
    /// What is to masquerade, if the configuration says so.
    pub(crate) fn masquerades_with(&self) -> Option<Backend> {
        match self.ip_masq_backend.as_deref() {
            Some("iptables") => Some(Backend::Iptables),
            Some("nftables") => Some(Backend::Nftables),
            _ => None,
        }
    }

    /// Whether the bridge has the gateway's address.
    pub(crate) fn is_gateway(&self) -> bool {
        self.is_gateway || self.is_default_gateway
    }

    /// The largest packet, where one is asked for.
    pub(crate) fn mtu(&self) -> Option<u32> {
        (self.mtu != 0).then_some(self.mtu)
    }

    /// Looks for what will not do. Not part of decoding, because DEL must clean up whatever is configured by now.
    ///
    /// # Errors
    /// Code 7 for what contradicts itself.
    pub(crate) fn validate(&self, context: &Context) -> Result<()> {
        if let Some(other) = self.ip_masq_backend.as_deref().filter(|name| self.ip_masq && !name.is_empty())
            && self.masquerades_with().is_none()
        {
            let msg = format!("ipMasqBackend: {other:?} is neither \"nftables\" nor \"iptables\"");
            return Err(Error::invalid_config(msg));
        }
        if self.promisc_mode && self.hairpin_mode {
            return Err(Error::invalid_config("promiscMode: true and hairpinMode: true exclude each other"));
        }
        PortVlans::of(self)?;
        gateway::name_of(self)?;
        let ipam = context.plugin_config().ipam_type()?;
        if let Some(ipam) = ipam.filter(|_| self.disable_container_interface) {
            let msg = format!("disableContainerInterface: true and ipam.type: {ipam} exclude each other");
            return Err(Error::invalid_config(msg));
        }
        Ok(())
    }
}

fn cni0() -> IfName {
    IfName::try_from("cni0").expect("four letters are an interface name")
}
