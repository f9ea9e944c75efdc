//! Numbers of the message and attribute headers, from linux/netlink.h.

/// Length of `struct nlmsghdr`.
pub(crate) const HEADER: usize = 16;
/// Offset of the flags in `struct nlmsghdr`.
#[cfg(feature = "nft")]
pub(crate) const FLAGS_AT: usize = 6;
/// Offset of the port in `struct nlmsghdr`.
pub(crate) const PORT_AT: usize = 12;
/// Length of `struct nlattr`.
pub(crate) const ATTRIBUTE_HEADER: usize = 4;

pub(crate) const NLMSG_NOOP: u16 = 1;
pub(crate) const NLMSG_ERROR: u16 = 2;
pub(crate) const NLMSG_DONE: u16 = 3;
pub(crate) const NLMSG_OVERRUN: u16 = 4;

pub(crate) const NLM_F_REQUEST: u16 = 0x01;
pub(crate) const NLM_F_ACK: u16 = 0x04;
pub(crate) const NLM_F_DUMP_INTR: u16 = 0x10;
pub(crate) const NLM_F_DUMP: u16 = 0x300;
pub(crate) const NLM_F_EXCL: u16 = 0x200;
pub(crate) const NLM_F_CREATE: u16 = 0x400;
/// In an answer: it repeats only the header of the request.
pub(crate) const NLM_F_CAPPED: u16 = 0x100;
/// In an answer: attributes follow.
pub(crate) const NLM_F_ACK_TLVS: u16 = 0x200;

pub(crate) const NLMSGERR_ATTR_MSG: u16 = 1;
pub(crate) const NLMSGERR_ATTR_OFFS: u16 = 2;

pub(crate) const NLA_F_NESTED: u16 = 0x8000;
/// Removes the two flag bits from an attribute's type.
pub(crate) const NLA_TYPE_MASK: u16 = 0x3fff;

/// Rounds up to the alignment of messages and attributes.
pub(crate) const fn align(length: usize) -> usize {
    length.saturating_add(3) & !3
}

#[cfg(test)]
mod tests {
    use nix::libc;

    #[test]
    fn the_numbers_are_those_that_libc_has() {
        macro_rules! same {
            ($($name:ident)*) => { $(assert_eq!(i128::from(super::$name), i128::from(libc::$name), stringify!($name));)* };
        }
        same! {
            NLMSG_NOOP NLMSG_ERROR NLMSG_DONE NLMSG_OVERRUN NLM_F_REQUEST NLM_F_ACK NLM_F_DUMP_INTR
            NLM_F_DUMP NLM_F_EXCL NLM_F_CREATE NLM_F_CAPPED NLM_F_ACK_TLVS NLA_F_NESTED
        }
    }
}
