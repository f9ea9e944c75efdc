//! The attachment that a mapping belongs to: a network, a container and an interface.

use cni_skel::nft::{DataType, Element, Value};
use cni_skel::types::{Attachment, ContainerId, IfName, NetworkName};
use sha2::{Digest, Sha512};

/// The longest comment that `nft` takes, in bytes.
const MAX_COMMENT: usize = 128;

/// The longest name of an interface.
const KEY_DIGITS: usize = 15;

/// An attachment, and its names in the kernel.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) network: NetworkName,
    pub(crate) container_id: ContainerId,
    pub(crate) ifname: IfName,
    /// The prefix of the attachment's comments: a hash of the network, and a hash of container ID and interface.
    pub(crate) id: String,
}

impl Owner {
    pub(crate) fn new(network: &NetworkName, container_id: &ContainerId, ifname: &IfName) -> Self {
        let id =
            format!("{}-{}", hash(network.as_str()), of_container(ifname.as_str(), container_id.as_str()));
        Self { network: network.clone(), container_id: container_id.clone(), ifname: ifname.clone(), id }
    }

    pub(crate) fn of(network: &NetworkName, attachment: &Attachment) -> Self {
        Self::new(network, &attachment.container_id, &attachment.ifname)
    }

    /// Returns the comment of an element. The prefix identifies the attachment, the rest is for people.
    pub(crate) fn comment(&self) -> String {
        let Self { network, container_id, ifname, id } = self;
        let text = format!("{id}, if: {ifname}, net: {network}, id: {container_id}");
        cut(text.chars().filter(|c| *c != '"' && !c.is_control()).collect())
    }

    /// Returns the comment of a rule: the container ID, by which the reference plugin finds its rules.
    pub(crate) fn rule_comment(&self) -> String {
        cut(self.container_id.as_str().to_owned())
    }

    /// Returns the attachment's key in a map. It has the length of an interface name, because `nft` shows such a key as text.
    pub(crate) fn key(&self) -> Value {
        Value::ifname(digits(&self.id, KEY_DIGITS)).expect("15 digits are a name")
    }

    /// Returns whether an element belongs to this attachment.
    pub(crate) fn has(&self, element: &Element) -> bool {
        element.comment.as_deref().is_some_and(|comment| comment.starts_with(&self.id))
    }
}

/// The type of [`Owner::key`].
pub(crate) const KEY: DataType = DataType::IfName;

/// Returns a key for the attachment of an element. It is made of the comment, in which long names are cut.
pub(crate) fn key_of(element_comment: &str) -> Option<Value> {
    let id = element_comment.split(", ").next()?;
    Value::ifname(digits(id, KEY_DIGITS))
}

/// Returns the prefix of the comments of a network.
pub(crate) fn of_network(network: &NetworkName) -> String {
    format!("{}-", hash(network.as_str()))
}

/// Returns whether a rule with this comment belongs to the attachment of an element. The container ID may be cut in the
/// element's comment, and is not in the rule's.
pub(crate) fn is_of(element_comment: &str, rule_comment: &str) -> bool {
    let Some((id, rest)) = element_comment.split_once(", if: ") else { return false };
    let Some((_, of_container_there)) = id.split_once('-') else { return false };
    let ifname = rest.split(", ").next().unwrap_or_default();
    of_container(ifname, rule_comment) == of_container_there
}

fn of_container(ifname: &str, container_id: &str) -> String {
    hash(&format!("{ifname}:{container_id}"))
}

fn hash(text: &str) -> String {
    digits(text, 16)
}

/// The first hexadecimal digits of the SHA-512 hash.
pub(crate) fn digits(text: &str, count: usize) -> String {
    let mut digits: String = Sha512::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    digits.truncate(count);
    digits
}

fn cut(mut text: String) -> String {
    while text.len() > MAX_COMMENT {
        text.pop();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(network: &str, id: &str, ifname: &str) -> Owner {
        let network = NetworkName::try_from(network).expect("a literal");
        let id = ContainerId::try_from(id).expect("a literal");
        Owner::new(&network, &id, &IfName::try_from(ifname).expect("a literal"))
    }

    #[test]
    fn a_rule_is_told_by_the_comment_of_its_element_however_long_the_names_are() {
        let id = "0123456789abcdef".repeat(5);
        let one = owner(&"n".repeat(200), &id, "eth0");
        let comment = one.comment();
        assert_eq!(comment.len(), 128);
        assert!(is_of(&comment, &one.rule_comment()));
        assert!(!is_of(&comment, "0123456789abcdef"));
        assert!(!is_of(&owner("n", &id, "eth1").comment(), "c2"));
        assert!(!is_of("", &id) && !is_of("a, if: b", &id));
    }

    #[test]
    fn network_container_and_interface_all_tell_attachments_apart() {
        let all = [("a", "c", "eth0"), ("b", "c", "eth0"), ("a", "d", "eth0"), ("a", "c", "eth1")];
        let owners = all.map(|(network, id, ifname)| owner(network, id, ifname));
        for (i, one) in owners.iter().enumerate() {
            for other in &owners[i + 1..] {
                assert!(one.id != other.id && one.key() != other.key() && one.comment() != other.comment());
            }
        }
    }
}
