//! The network configuration.

use cni_skel::types::{Dns, IfName};
use cni_skel::{Context, Error, Result};
use serde::Deserialize;

use crate::gateway;
use crate::vlan::{PortVlans, TrunkEntry};

/// The plugin's own keys of the network configuration. Names and meanings are those of the reference plugin.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Config {
    /// The name of the bridge: key `bridge`.
    #[serde(default = "cni0")]
    pub bridge: IfName,
    /// Whether the bridge gets the gateway's address: key `isGateway`.
    #[serde(default)]
    pub is_gateway: bool,
    /// Whether the container gets default routes through the gateway too: key `isDefaultGateway`.
    #[serde(default)]
    pub is_default_gateway: bool,
    /// Whether an address of the bridge that conflicts with the gateway's is removed: key `forceAddress`.
    #[serde(default)]
    pub force_address: bool,
    /// The MTU in bytes, 0 for the kernel's default: key `mtu`.
    #[serde(default)]
    pub mtu: u32,
    /// Whether the bridge can send a packet back through the port it came from: key `hairpinMode`.
    #[serde(default)]
    pub hairpin_mode: bool,
    /// Whether the bridge is in promiscuous mode: key `promiscMode`.
    #[serde(default)]
    pub promisc_mode: bool,
    /// Whether containers are isolated from each other: key `portIsolation`.
    #[serde(default)]
    pub port_isolation: bool,
    /// Whether the container's interface stays down: key `disableContainerInterface`.
    #[serde(default)]
    pub disable_container_interface: bool,
    /// The resolver settings of the result, which replace the IPAM plugin's: key `dns`.
    #[serde(default)]
    pub dns: Dns,
    /// Whether packets that leave the network get the host's address as their source: key `ipMasq`.
    #[serde(default)]
    pub ip_masq: bool,
    /// The program that masquerades: key `ipMasqBackend`.
    #[serde(default)]
    ip_masq_backend: Option<String>,
    /// The VLAN of the container's untagged packets, 0 for none: key `vlan`.
    #[serde(default)]
    pub vlan: u32,
    #[serde(default)]
    pub(crate) vlan_trunk: Vec<TrunkEntry>,
    /// Whether a port with VLANs stays in the bridge's default VLAN: key `preserveDefaultVlan`.
    #[serde(default)]
    pub preserve_default_vlan: bool,
    /// Whether packets of the container with another source hardware address are dropped: key `macspoofchk`.
    #[serde(default)]
    pub macspoofchk: bool,
    /// Whether ADD waits for duplicate address detection of IPv6 addresses: key `enabledad`.
    #[serde(default)]
    pub enabledad: bool,
}

/// The packet filter that masquerades.
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
    /// Returns the backend that the configuration names.
    pub(crate) fn masquerade_backend(&self) -> Option<Backend> {
        match self.ip_masq_backend.as_deref() {
            Some("iptables") => Some(Backend::Iptables),
            Some("nftables") => Some(Backend::Nftables),
            _ => None,
        }
    }

    /// Whether the bridge gets the gateway's address.
    pub(crate) fn is_gateway(&self) -> bool {
        self.is_gateway || self.is_default_gateway
    }

    /// Returns the MTU, if one is configured.
    pub(crate) fn mtu(&self) -> Option<u32> {
        (self.mtu != 0).then_some(self.mtu)
    }

    /// Refuses values that are invalid or exclude each other. This is not part of decoding, because DEL must work with any
    /// configuration.
    ///
    /// # Errors
    /// Code 7, naming the key.
    pub(crate) fn validate(&self, context: &Context) -> Result<()> {
        if let Some(other) = self.ip_masq_backend.as_deref().filter(|name| self.ip_masq && !name.is_empty())
            && self.masquerade_backend().is_none()
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
    IfName::try_from("cni0").expect("cni0 is a valid interface name")
}
