//! What an interface on the host is called that belongs to an attachment.

use cni_types::{ContainerId, IfName};

use crate::Context;

/// How much of the prefix is taken, and as many hexadecimal digits as fit behind it into an interface's name.
const PREFIX: usize = 4;
const DIGITS: usize = 11;

impl Context {
    /// A name for the host's interface of an attachment: `prefix`, of which the first four characters count, and eleven
    /// hexadecimal digits that follow from network, container id and interface name.
    ///
    /// It is the same in each call about the attachment and in each version of this crate, and another one for every other
    /// attachment. So DEL finds the interface without the container's namespace and without a previous result, and ADD
    /// cannot take the one of another container.
    ///
    /// ```
    /// # use cni_skel::{DelRequest, Errors, NoConfig, Result};
    /// fn name(req: &DelRequest) -> String {
    ///     req.host_ifname("veth", &req.container_id, &req.ifname)
    /// }
    /// ```
    pub fn host_ifname(&self, prefix: &str, container_id: &ContainerId, ifname: &IfName) -> String {
        derived(prefix, &format!("{}:{container_id}:{ifname}", self.network()))
    }
}

/// By the 64 bit FNV-1a hash: a DEL by a later version has to find what an earlier one has made, which std's hashers do not
/// promise.
fn derived(prefix: &str, attachment: &str) -> String {
    let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = format!("{:016x}", attachment.bytes().fold(0xcbf2_9ce4_8422_2325, step));
    let prefix: String = prefix.chars().take(PREFIX).collect();
    format!("{prefix}{}", &hash[hash.len() - DIGITS..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_stays_the_same_and_belongs_to_one_attachment() {
        assert_eq!(derived("veth", "lan:c1:eth0"), "veth35979de7529");
        assert_eq!(derived("prefix", "lan:c1:eth0"), "pref35979de7529");
        assert_ne!(derived("veth", "lan:c1:eth0"), derived("veth", "lan:c1:eth1"));
        // The published value of the hash for no bytes at all.
        assert_eq!(derived("", ""), "ce484222325");
    }
}
