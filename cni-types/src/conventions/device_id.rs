//! Devices that are allocated to a container.

use std::ops::RangeInclusive;

use crate::name::name;

name! {
    /// A device that is allocated to a container: capability
    /// [`deviceID`](https://github.com/containernetworking/cni/blob/spec-v1.1.0/CONVENTIONS.md#dynamic-plugin-specific-fields-capabilities--runtime-configuration).
    ///
    /// It is a PCI address such as `0000:04:00.5`, or the name of another device in `/sys/bus`, such as `mlx5_core.sf.4` of
    /// the auxiliary bus. It is one component of a path, so it cannot leave its folder.
    ///
    /// ```
    /// use cni_types::DeviceId;
    ///
    /// assert!(DeviceId::try_from("0000:04:00.5")?.is_pci_address());
    /// assert!(!DeviceId::try_from("mlx5_core.sf.4")?.is_pci_address());
    /// assert!(DeviceId::try_from("../../class/net/eth0").is_err());
    /// # Ok::<(), cni_types::InvalidName>(())
    /// ```
    DeviceId, "device id", check
}

impl DeviceId {
    /// Returns whether the id has the form of a PCI address: `domain:bus:device.function` in hexadecimal.
    pub fn is_pci_address(&self) -> bool {
        let is_hex = |part: &str, lengths: RangeInclusive<usize>| {
            lengths.contains(&part.len()) && part.bytes().all(|digit| digit.is_ascii_hexdigit())
        };
        let Some((slot, function)) = self.as_str().split_once('.') else { return false };
        let [domain, bus, device] = slot.split(':').collect::<Vec<_>>()[..] else { return false };
        is_hex(domain, 4..=8)
            && is_hex(bus, 2..=2)
            && is_hex(device, 2..=2)
            && matches!(function.as_bytes(), [b'0'..=b'7'])
    }
}

fn check(value: &str) -> Result<(), &'static str> {
    match value {
        "" => Err("it is empty"),
        "." | ".." => Err("it is . or .."),
        _ if value.len() > 255 => Err("it is longer than 255 bytes"),
        _ if value.contains('/') => Err("it contains a path separator"),
        _ if value.contains(|c: char| c.is_whitespace() || c.is_control()) => {
            Err("it contains white space or control characters")
        }
        _ => Ok(()),
    }
}
