//! The name and the alias of the host's end. Both are derived from the attachment alone, so that DEL finds the link without
//! the namespace and without a previous result, and GC knows its attachment.

use cni_skel::net::Link;
use cni_skel::types::{Attachment, ContainerId, IfName, NetworkName};

/// The longest alias that the kernel keeps, in bytes.
const MAX_ALIAS: usize = 255;
/// The number of hexadecimal digits that fit after `veth` in an interface name.
const DIGITS: usize = 11;

/// The host's end of an attachment.
pub(crate) struct HostEnd {
    /// The name of the link.
    pub(crate) name: String,
    /// `cni:<network>:<container id>:<interface name>`. No part can contain a colon. `None` if it is too long for the kernel;
    /// GC does not find the link then.
    pub(crate) alias: Option<String>,
}

impl HostEnd {
    pub(crate) fn of(network: &NetworkName, container_id: &ContainerId, ifname: &IfName) -> Self {
        let attachment = format!("{network}:{container_id}:{ifname}");
        let name = veth(&attachment);
        let alias = Some(format!("cni:{attachment}")).filter(|alias| alias.len() <= MAX_ALIAS);
        Self { name, alias }
    }

    /// Whether a link is this end. The alias is set after the link is made, so the link of an ADD that was killed in between
    /// has none.
    pub(crate) fn is(&self, link: &Link) -> bool {
        let has_alias = link.alias.is_none() || link.alias == self.alias;
        link.kind.as_deref() == Some("veth") && link.name == self.name && has_alias
    }
}

/// Returns the attachment to `network` whose host's end this link is.
pub(crate) fn attachment_of(link: &Link, network: &NetworkName) -> Option<Attachment> {
    owner_of(link).filter(|(owner, _)| owner == network).map(|(_, attachment)| attachment)
}

/// Whether a link is the host's end of an attachment to any network.
pub(crate) fn is_host_end(link: &Link) -> bool {
    owner_of(link).is_some()
}

fn owner_of(link: &Link) -> Option<(NetworkName, Attachment)> {
    let mut parts = link.alias.as_deref()?.strip_prefix("cni:")?.split(':');
    let network = parts.next()?.parse().ok()?;
    let attachment = Attachment::new(parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    // An administrator can set an alias of the same form, so the name must match too.
    let end = HostEnd::of(&network, &attachment.container_id, &attachment.ifname);
    end.is(link).then_some((network, attachment))
}

/// Returns the name of the port that connects a gateway interface to the bridge. The interface's name has no colon, unlike
/// the text that stands for an attachment, so the two cannot be the same.
pub(crate) fn port_of_gateway(gateway: &str) -> String {
    veth(gateway)
}

fn veth(of: &str) -> String {
    let hash = format!("{:016x}", fnv1a(of.as_bytes()));
    format!("veth{}", &hash[hash.len() - DIGITS..])
}

/// Returns the 64-bit FNV-1a hash. It must never change, because a later version must find what an earlier one made. The
/// hashers of std do not promise that.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(network: &str, container_id: &str, ifname: &str) -> HostEnd {
        HostEnd::of(&network.parse().unwrap(), &container_id.parse().unwrap(), &ifname.parse().unwrap())
    }

    #[test]
    fn the_hash_is_that_of_the_published_test_vectors() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn the_name_depends_on_all_three_and_fits() {
        let names =
            [end("a", "c", "eth0"), end("b", "c", "eth0"), end("a", "d", "eth0"), end("a", "c", "eth1")];
        let mut names: Vec<_> = names.into_iter().map(|end| end.name).collect();
        assert!(names.iter().all(|name| name.parse::<IfName>().is_ok() && name.len() == 15));
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 4);
    }

    #[test]
    fn an_alias_that_is_too_long_is_left_out() {
        assert_eq!(end("a", "c", "eth0").alias.as_deref(), Some("cni:a:c:eth0"));
        assert_eq!(end("a", &"c".repeat(250), "eth0").alias, None);
    }
}
