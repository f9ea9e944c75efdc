//! Results of ADD, in one shape for all versions.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::{Dns, Extra, Route};

/// The result of ADD, in the shape of the newest version: an
/// [Add Success](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#add-success) object.
///
/// The version is not a field. [`decode`](Self::decode) and [`encode`](Self::encode) convert from and to the shape of a
/// version, so a result cannot have one version and the shape of another.
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
    /// The interfaces that were created or used: key `interfaces`, added in 0.3.0.
    pub interfaces: Vec<Interface>,
    /// The addresses that were assigned: key `ips`, or keys `ip4` and `ip6` before 0.3.0.
    pub ips: Vec<IpConfig>,
    /// The routes that were created: key `routes`, or keys `ip4.routes` and `ip6.routes` before 0.3.0.
    pub routes: Vec<Route>,
    /// The resolver settings for the container: key `dns`.
    pub dns: Dns,
    /// The unknown keys.
    pub extra: Extra,
}

impl AddResult {
    /// Appends the result of a later plugin of the chain. A plugin that creates interfaces calls this to add its result to
    /// its `prevResult`.
    ///
    /// - Interfaces, addresses and routes are appended. Indices of interfaces are adjusted.
    /// - The resolver settings of `later` replace those of `self`, unless they are empty.
    /// - An unknown key of `later` replaces the same key of `self`.
    ///
    /// ```
    /// use cni_types::{AddResult, Interface, IpConfig, parse_cidr};
    ///
    /// let mut result = AddResult::default();
    /// result.push_interface(Interface::new("eth0"));
    ///
    /// let mut later = AddResult::default();
    /// let net1 = later.push_interface(Interface::new("net1"));
    /// later.ips.push(IpConfig::new(parse_cidr("10.2.0.5/16")?).interface(net1));
    ///
    /// result.append(later);
    /// assert_eq!(result.interfaces[1].name, "net1");
    /// assert_eq!(result.ips[0].interface, Some(1));
    /// # Ok::<(), cni_types::InvalidAddress>(())
    /// ```
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

    /// Adds an interface, and returns its index for [`IpConfig::interface`].
    pub fn push_interface(&mut self, interface: Interface) -> usize {
        self.interfaces.push(interface);
        self.interfaces.len() - 1
    }
}

/// An interface that a plugin created or used: an element of key `interfaces` of an
/// [Add Success](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#add-success) object.
///
/// ```
/// use cni_types::Interface;
///
/// let interface = Interface::new("eth0").mac("0a:58:0a:01:00:02").mtu(1400).sandbox("/run/netns/web-0");
/// assert_eq!(interface.mtu, Some(1400));
/// assert_eq!(interface.pci_id, None);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Interface {
    /// The name: key `name`. It is empty if a decoded interface has none.
    pub name: String,
    /// The hardware address: key `mac`.
    ///
    /// It is text and not a [`MacAddr`](crate::MacAddr), because results of other plugins must pass through unchanged.
    /// `0A-58-0A-01-00-02` keeps its form, and text that is not an address is an error only where a plugin parses it.
    pub mac: Option<String>,
    /// The MTU in bytes: key `mtu`, added in 1.1.0.
    pub mtu: Option<u32>,
    /// The path of the network namespace, as in `CNI_NETNS`: key `sandbox`. `None` for an interface of the host.
    pub sandbox: Option<String>,
    /// The absolute path of a socket file of the interface: key `socketPath`, added in 1.1.0.
    pub socket_path: Option<String>,
    /// The PCI address of the device: key `pciID`, added in 1.1.0.
    pub pci_id: Option<String>,
    /// The unknown keys.
    pub extra: Extra,
}

impl Interface {
    /// Makes an interface with a name and nothing else.
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

    /// Sets the path of the network namespace.
    #[must_use]
    pub fn sandbox(mut self, path: impl Into<String>) -> Self {
        self.sandbox = Some(path.into());
        self
    }
}

/// An address of a container: an element of key `ips` of an
/// [Add Success](https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md#add-success) object.
///
/// ```
/// use cni_types::{IpConfig, parse_cidr};
///
/// let ip = IpConfig::new(parse_cidr("10.1.0.2/16")?).gateway("10.1.0.1".parse()?).interface(0);
/// assert_eq!(ip.address.prefix_len(), 16);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct IpConfig {
    /// The address with the prefix length of its subnet: key `address`.
    pub address: IpNet,
    /// The default gateway of the subnet: key `gateway`.
    pub gateway: Option<IpAddr>,
    /// The index of its interface in [`AddResult::interfaces`]: key `interface`. In a decoded result it can be out of
    /// range.
    pub interface: Option<usize>,
    /// The unknown keys.
    pub extra: Extra,
}

impl IpConfig {
    /// Makes an address without gateway and interface.
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
