//! The result of ADD, in one shape for all versions.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::{Dns, Extra, Route};

/// The result of ADD: an
/// [Add Success](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#add-success) object, in the newest
/// shape.
///
/// Its version is not part of it. [`decode`](Self::decode) and [`encode`](Self::encode) are the only doors to the
/// shapes of the wire, so a result cannot be printed in a shape that its version does not have.
///
/// ```
/// use cni_types::{AddResult, Interface, IpConfig, SpecVersion, parse_cidr};
///
/// let mut result = AddResult::default();
/// let inside = result.push_interface(Interface::new("eth0").sandbox("/run/netns/c1"));
/// result.ips.push(IpConfig::new(parse_cidr("10.1.0.2/16")?).interface(inside));
///
/// let old = result.encode(SpecVersion::V0_2_0)?;
/// assert!(old.contains(r#""ip4""#));
/// assert_eq!(result.losses(SpecVersion::V0_2_0)[0].to_string(), "interfaces");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct AddResult {
    /// The interfaces that were made or used: key `interfaces`, since 0.3.0.
    pub interfaces: Vec<Interface>,
    /// The addresses that were given: key `ips`; `ip4` and `ip6` before 0.3.0.
    pub ips: Vec<IpConfig>,
    /// The routes that were made: key `routes`.
    pub routes: Vec<Route>,
    /// What the container's resolver should use: key `dns`.
    pub dns: Dns,
    /// Keys that this crate does not know.
    pub extra: Extra,
}

impl AddResult {
    /// Adds what a plugin made behind what the plugins before it had made: interfaces, addresses with their indices
    /// moved, and routes. Of resolver settings, and of a key that nobody knows, those of `later` count where it has any.
    ///
    /// A plugin that makes things of its own and was given a `prevResult` answers so.
    pub fn append(&mut self, later: Self) {
        let before = self.interfaces.len();
        self.interfaces.extend(later.interfaces);
        self.ips.extend(later.ips.into_iter().map(|ip| {
            let interface = ip.interface.map(|index| index.saturating_add(before));
            IpConfig { interface, ..ip }
        }));
        self.routes.extend(later.routes);
        if !later.dns.is_empty() {
            self.dns = later.dns;
        }
        self.extra.append(&later.extra);
    }

    /// Adds an interface and gives back its index, for [`IpConfig::interface`].
    pub fn push_interface(&mut self, interface: Interface) -> usize {
        self.interfaces.push(interface);
        self.interfaces.len() - 1
    }
}

/// An interface that a plugin made or used: an element of key `interfaces` of an
/// [Add Success](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#add-success) object.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Interface {
    /// Its name: key `name`.
    pub name: String,
    /// The hardware address: key `mac`.
    ///
    /// It is text and not a [`MacAddr`](crate::MacAddr), because a result that came from elsewhere has to pass through
    /// unchanged: `0A-58-0A-01-00-02` stays as it is, and text that is not an address fails only a plugin that parses
    /// it.
    pub mac: Option<String>,
    /// Its MTU in bytes: key `mtu`, since 1.1.0.
    pub mtu: Option<u32>,
    /// The path of the namespace that it is in, as in `CNI_NETNS`; none on the host: key `sandbox`.
    pub sandbox: Option<String>,
    /// The absolute path of a socket file of this interface: key `socketPath`, since 1.1.0.
    pub socket_path: Option<String>,
    /// Its PCI device: key `pciID`, since 1.1.0.
    pub pci_id: Option<String>,
    /// Keys that this crate does not know.
    pub extra: Extra,
}

impl Interface {
    /// Names an interface.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Sets the hardware address. A [`MacAddr`](crate::MacAddr) converts.
    ///
    /// ```
    /// use cni_types::{Interface, MacAddr};
    ///
    /// let mac: MacAddr = "0A:58:0a:01:00:02".parse()?;
    /// let interface = Interface::new("eth0").mac(&mac);
    /// assert_eq!(interface.mac.as_deref(), Some("0a:58:0a:01:00:02"));
    /// # Ok::<(), cni_types::InvalidMac>(())
    /// ```
    #[must_use]
    pub fn mac(mut self, mac: impl Into<String>) -> Self {
        self.mac = Some(mac.into());
        self
    }

    /// Sets the MTU in bytes.
    #[must_use]
    pub fn mtu(mut self, mtu: u32) -> Self {
        self.mtu = Some(mtu);
        self
    }

    /// Sets the path of the namespace that it is in.
    #[must_use]
    pub fn sandbox(mut self, path: impl Into<String>) -> Self {
        self.sandbox = Some(path.into());
        self
    }
}

/// An address that a container got: an element of key `ips` of an
/// [Add Success](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#add-success) object.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct IpConfig {
    /// The address with the prefix of its subnet: key `address`.
    pub address: IpNet,
    /// The default gateway of that subnet: key `gateway`.
    pub gateway: Option<IpAddr>,
    /// The index of its interface in [`AddResult::interfaces`]: key `interface`. Of a result that came from elsewhere
    /// it can be out of range.
    pub interface: Option<usize>,
    /// Keys that this crate does not know.
    pub extra: Extra,
}

impl IpConfig {
    /// Names an address.
    pub fn new(address: IpNet) -> Self {
        Self { address, gateway: None, interface: None, extra: Extra::default() }
    }

    /// Sets the gateway.
    #[must_use]
    pub fn gateway(mut self, gateway: IpAddr) -> Self {
        self.gateway = Some(gateway);
        self
    }

    /// Sets the index of its interface.
    #[must_use]
    pub fn interface(mut self, index: usize) -> Self {
        self.interface = Some(index);
        self
    }
}
