//! Numbers of rtnetlink, from linux/rtnetlink.h and the headers that it includes.

pub(crate) const RTNLGRP_LINK: u32 = 1;
pub(crate) const RTNLGRP_IPV4_IFADDR: u32 = 5;
pub(crate) const RTNLGRP_IPV6_IFADDR: u32 = 9;

pub(crate) const RTM_NEWLINK: u16 = 16;
pub(crate) const RTM_DELLINK: u16 = 17;
pub(crate) const RTM_GETLINK: u16 = 18;
pub(crate) const RTM_SETLINK: u16 = 19;
pub(crate) const RTM_NEWADDR: u16 = 20;
pub(crate) const RTM_DELADDR: u16 = 21;
pub(crate) const RTM_GETADDR: u16 = 22;
pub(crate) const RTM_NEWROUTE: u16 = 24;
pub(crate) const RTM_DELROUTE: u16 = 25;
pub(crate) const RTM_GETROUTE: u16 = 26;
pub(crate) const RTM_NEWNEIGH: u16 = 28;
pub(crate) const RTM_DELNEIGH: u16 = 29;
pub(crate) const RTM_GETNEIGH: u16 = 30;
pub(crate) const RTM_NEWRULE: u16 = 32;
pub(crate) const RTM_GETRULE: u16 = 34;

pub(crate) const AF_UNSPEC: u8 = 0;
pub(crate) const AF_INET: u8 = 2;
pub(crate) const AF_BRIDGE: u8 = 7;
pub(crate) const AF_INET6: u8 = 10;

// Links: struct ifinfomsg, IFLA_*.
pub(crate) const IFINFOMSG: usize = 16;
pub(crate) const IFLA_ADDRESS: u16 = 1;
pub(crate) const IFLA_IFNAME: u16 = 3;
pub(crate) const IFLA_MTU: u16 = 4;
pub(crate) const IFLA_LINK: u16 = 5;
pub(crate) const IFLA_MASTER: u16 = 10;
pub(crate) const IFLA_PROTINFO: u16 = 12;
pub(crate) const IFLA_OPERSTATE: u16 = 16;
pub(crate) const IFLA_LINKINFO: u16 = 18;
pub(crate) const IFLA_IFALIAS: u16 = 20;
pub(crate) const IFLA_AF_SPEC: u16 = 26;
pub(crate) const IFLA_NET_NS_FD: u16 = 28;
pub(crate) const IFLA_EXT_MASK: u16 = 29;
pub(crate) const IFLA_PROMISCUITY: u16 = 30;
pub(crate) const IFLA_CARRIER_CHANGES: u16 = 35;
pub(crate) const IFLA_LINK_NETNSID: u16 = 37;
pub(crate) const IFLA_ALT_IFNAME: u16 = 53;
pub(crate) const RTEXT_FILTER_BRVLAN_COMPRESSED: u32 = 1 << 2;
pub(crate) const RTEXT_FILTER_SKIP_STATS: u32 = 1 << 3;

pub(crate) const IFLA_INFO_KIND: u16 = 1;
pub(crate) const IFLA_INFO_DATA: u16 = 2;
pub(crate) const IFLA_INFO_SLAVE_KIND: u16 = 4;
pub(crate) const IFLA_INFO_SLAVE_DATA: u16 = 5;
pub(crate) const VETH_INFO_PEER: u16 = 1;
pub(crate) const IFLA_BRPORT_STATE: u16 = 1;
/// The hairpin mode.
pub(crate) const IFLA_BRPORT_MODE: u16 = 4;
pub(crate) const IFLA_BRPORT_ISOLATED: u16 = 33;
pub(crate) const IFLA_BR_VLAN_FILTERING: u16 = 7;
pub(crate) const IFLA_BR_VLAN_DEFAULT_PVID: u16 = 39;
pub(crate) const IFLA_BRIDGE_VLAN_INFO: u16 = 2;
pub(crate) const BRIDGE_VLAN_INFO_PVID: u16 = 1 << 1;
pub(crate) const BRIDGE_VLAN_INFO_UNTAGGED: u16 = 1 << 2;
pub(crate) const BRIDGE_VLAN_INFO_RANGE_BEGIN: u16 = 1 << 3;
pub(crate) const BRIDGE_VLAN_INFO_RANGE_END: u16 = 1 << 4;

pub(crate) const IFF_UP: u32 = 1;
pub(crate) const IFF_LOOPBACK: u32 = 1 << 3;
pub(crate) const IFF_RUNNING: u32 = 1 << 6;
pub(crate) const IFF_PROMISC: u32 = 1 << 8;
pub(crate) const IFF_LOWER_UP: u32 = 1 << 16;

/// The longest name of an interface, in bytes. Alternative names may be longer.
pub(crate) const IFNAME_MAX: usize = 15;

// Addresses: struct ifaddrmsg, IFA_*.
pub(crate) const IFADDRMSG: usize = 8;
pub(crate) const IFA_ADDRESS: u16 = 1;
pub(crate) const IFA_LOCAL: u16 = 2;
pub(crate) const IFA_BROADCAST: u16 = 4;
pub(crate) const IFA_FLAGS: u16 = 8;
pub(crate) const IFA_F_NODAD: u32 = 0x02;
pub(crate) const IFA_F_DADFAILED: u32 = 0x08;
pub(crate) const IFA_F_TENTATIVE: u32 = 0x40;
pub(crate) const IFA_F_PERMANENT: u32 = 0x80;

// Routes: struct rtmsg, RTA_*, RTAX_*.
pub(crate) const RTMSG: usize = 12;
pub(crate) const RTNEXTHOP: usize = 8;
pub(crate) const RTA_DST: u16 = 1;
pub(crate) const RTA_OIF: u16 = 4;
pub(crate) const RTA_GATEWAY: u16 = 5;
pub(crate) const RTA_PRIORITY: u16 = 6;
pub(crate) const RTA_PREFSRC: u16 = 7;
pub(crate) const RTA_METRICS: u16 = 8;
pub(crate) const RTA_MULTIPATH: u16 = 9;
pub(crate) const RTA_TABLE: u16 = 15;
pub(crate) const RTA_VIA: u16 = 18;
pub(crate) const RTAX_MTU: u16 = 2;
pub(crate) const RTAX_ADVMSS: u16 = 8;
pub(crate) const RT_TABLE_UNSPEC: u8 = 0;
pub(crate) const RT_TABLE_MAIN: u32 = 254;

// Neighbours: struct ndmsg, NDA_*.
pub(crate) const NDMSG: usize = 12;
pub(crate) const NDA_DST: u16 = 1;
pub(crate) const NDA_LLADDR: u16 = 2;
pub(crate) const NDA_IFINDEX: u16 = 8;

// Rules: struct fib_rule_hdr, FRA_*.
pub(crate) const FIB_RULE_HDR: usize = 12;
pub(crate) const FRA_DST: u16 = 1;
pub(crate) const FRA_SRC: u16 = 2;
pub(crate) const FRA_IIFNAME: u16 = 3;
pub(crate) const FRA_PRIORITY: u16 = 6;
pub(crate) const FRA_FWMARK: u16 = 10;
pub(crate) const FRA_TABLE: u16 = 15;
pub(crate) const FRA_OIFNAME: u16 = 17;

#[cfg(test)]
mod tests {
    use nix::libc;

    #[test]
    fn the_numbers_are_those_that_libc_has() {
        macro_rules! same {
            ($($name:ident)*) => { $(assert_eq!(i128::from(super::$name), i128::from(libc::$name), stringify!($name));)* };
        }
        same! {
            RTNLGRP_LINK RTNLGRP_IPV4_IFADDR RTNLGRP_IPV6_IFADDR RTM_NEWLINK RTM_DELLINK RTM_GETLINK RTM_SETLINK RTM_NEWADDR RTM_DELADDR
            RTM_GETADDR RTM_NEWROUTE RTM_DELROUTE RTM_GETROUTE RTM_NEWNEIGH RTM_DELNEIGH RTM_GETNEIGH
            RTM_NEWRULE RTM_GETRULE AF_UNSPEC AF_INET AF_BRIDGE AF_INET6 RTEXT_FILTER_BRVLAN_COMPRESSED
            RTEXT_FILTER_SKIP_STATS IFF_UP
            IFF_LOOPBACK IFF_RUNNING IFF_PROMISC IFF_LOWER_UP IFA_ADDRESS IFA_LOCAL IFA_BROADCAST
            IFA_FLAGS IFA_F_NODAD IFA_F_DADFAILED IFA_F_TENTATIVE IFA_F_PERMANENT RTA_DST RTA_OIF
            RTA_GATEWAY RTA_PRIORITY RTA_PREFSRC RTA_METRICS RTA_MULTIPATH RTA_TABLE RTA_VIA
            RT_TABLE_UNSPEC RT_TABLE_MAIN NDA_DST NDA_LLADDR NDA_IFINDEX
        }
    }
}
