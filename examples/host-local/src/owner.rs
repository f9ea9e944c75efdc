//! Who holds an address: the contents of an address file.

use cni_skel::types::Attachment;

/// The trimmed contents of an address file: `<container id>\r\n<ifname>`, or the bare container id that
/// old versions of the reference wrote. Whatever else it is, it is nobody we know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner(Vec<u8>);

impl Owner {
    /// What stands between the two parts.
    const SEPARATOR: &str = "\r\n";

    /// Reads the contents of a file; white space around them does not count.
    pub(crate) fn parse(contents: &[u8]) -> Self {
        Self(contents.trim_ascii().to_vec())
    }

    /// The contents of the file of an address that this attachment holds.
    pub(crate) fn contents(attachment: &Attachment) -> String {
        format!("{}{}{}", attachment.container_id, Self::SEPARATOR, attachment.ifname)
    }

    /// True for the file that a power cut has left without its contents, or with zeros in their place: it holds its
    /// address for nobody.
    pub(crate) fn is_nobody(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0)
    }

    pub(crate) fn is(&self, attachment: &Attachment) -> bool {
        let (id, ifname) = (attachment.container_id.as_str(), attachment.ifname.as_str());
        self.0
            .strip_prefix(id.as_bytes())
            .and_then(|rest| rest.strip_prefix(Self::SEPARATOR.as_bytes()))
            .is_some_and(|rest| rest == ifname.as_bytes())
    }

    /// True when an old version wrote the file for this container, whatever the interface.
    pub(crate) fn is_legacy(&self, attachment: &Attachment) -> bool {
        self.0 == attachment.container_id.as_str().as_bytes()
    }

    /// The contents, for looking them up among those of many attachments.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use cni_skel::types::{Attachment, ContainerId, IfName};

    use super::Owner;

    fn attachment(id: &str, ifname: &str) -> Attachment {
        Attachment::new(ContainerId::try_from(id).unwrap(), IfName::try_from(ifname).unwrap())
    }

    #[test]
    fn what_is_written_is_read_back() {
        let a = attachment("a", "eth0");
        assert_eq!(Owner::contents(&a), "a\r\neth0");
        let owner = Owner::parse(Owner::contents(&a).as_bytes());
        assert!(owner.is(&a) && !owner.is_legacy(&a) && !owner.is_nobody());
        assert!(!owner.is(&attachment("a", "eth1")) && !owner.is(&attachment("b", "eth0")));
        assert!(!owner.is(&attachment("a", "eth")) && !owner.is(&attachment("a", "eth00")));
    }

    #[test]
    fn an_old_version_wrote_no_interface() {
        let owner = Owner::parse(b"a\n");
        assert!(owner.is_legacy(&attachment("a", "eth7")) && !owner.is(&attachment("a", "eth7")));
        assert!(!owner.is_legacy(&attachment("ab", "eth0")));
    }

    #[test]
    fn an_empty_file_is_held_by_nobody() {
        assert!(Owner::parse(b"").is_nobody() && Owner::parse(b" \r\n").is_nobody());
        assert!(Owner::parse(&[0; 20]).is_nobody());
        assert!(!Owner::parse(b"\0a").is_nobody());
    }
}
