//! The name of an attachment's interface on the host.

use cni_types::{Attachment, ContainerId, IfName, NetworkName};

use crate::{AddRequest, CheckRequest, DelRequest, Error, GcRequest, Result};

/// The number of hexadecimal digits in the name. They leave four of the fifteen bytes of an interface's name to the prefix.
const DIGITS: usize = 11;

macro_rules! host_ifname {
    ($($request:ident)*) => {$(
        impl<C> $request<C> {
            /// Derives a name for the host's interface of this attachment: `prefix`, and eleven hexadecimal digits that
            /// depend on network, container id and interface name.
            ///
            /// The name is the same in each call about the attachment and in each version of this crate, and differs from
            /// that of every other attachment. So DEL finds the interface without the container's namespace and without a
            /// previous result.
            ///
            /// # Errors
            /// Code 7 if the prefix is longer than four bytes or contains a character that an interface's name cannot have.
            pub fn host_ifname(&self, prefix: &str) -> Result<IfName> {
                derived(prefix, self.network(), &self.container_id, &self.ifname)
            }
        }
    )*};
}

host_ifname!(AddRequest DelRequest CheckRequest);

impl<C> GcRequest<C> {
    /// Derives the name that [`AddRequest::host_ifname`] gives for one of the network's attachments.
    ///
    /// # Errors
    /// Code 7 if the prefix is longer than four bytes or contains a character that an interface's name cannot have.
    pub fn host_ifname(&self, prefix: &str, attachment: &Attachment) -> Result<IfName> {
        derived(prefix, self.network(), &attachment.container_id, &attachment.ifname)
    }
}

/// Uses the 64-bit FNV-1a hash, because a later version must find what an earlier one made. The hashers of std may change.
fn derived(
    prefix: &str,
    network: &NetworkName,
    container_id: &ContainerId,
    ifname: &IfName,
) -> Result<IfName> {
    let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let attachment = format!("{network}:{container_id}:{ifname}");
    let hash = format!("{:016x}", attachment.bytes().fold(0xcbf2_9ce4_8422_2325, step));
    let name = format!("{prefix}{}", &hash[hash.len() - DIGITS..]);
    IfName::try_from(name.as_str()).map_err(|cause| {
        Error::invalid_config(format!("prefix {prefix:?} of a host interface is invalid")).with_source(cause)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(prefix: &str, ifname: &str) -> Result<IfName> {
        let network = NetworkName::try_from("lan").unwrap();
        let container_id = ContainerId::try_from("c1").unwrap();
        derived(prefix, &network, &container_id, &IfName::try_from(ifname).unwrap())
    }

    #[test]
    fn a_name_fits_stays_the_same_and_belongs_to_one_attachment() {
        assert_eq!(name("veth", "eth0").unwrap().as_str(), "veth35979de7529");
        assert_eq!(name("v", "eth0").unwrap().as_str(), "v35979de7529");
        assert_ne!(name("veth", "eth0").unwrap(), name("veth", "eth1").unwrap());
    }

    #[test]
    fn a_prefix_that_is_too_long_or_not_a_name_is_refused() {
        for prefix in ["vethx", "a/b", "a b"] {
            let error = name(prefix, "eth0").unwrap_err();
            assert_eq!(error.code(), cni_types::ErrorCode::INVALID_NETWORK_CONFIG, "{prefix}");
            assert!(error.msg().contains(prefix), "{error}");
        }
    }
}
