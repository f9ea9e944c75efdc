//! Constants of rtnetlink, from linux/rtnetlink.h and the headers that it includes. Error numbers are those of the
//! system.

pub(super) use nix::libc::{
    EACCES, EADDRNOTAVAIL, EBUSY, EEXIST, EHOSTUNREACH, EINVAL, ENETDOWN, ENETUNREACH, ENODEV, ENOENT,
    EOPNOTSUPP, ERANGE, ESRCH,
};

pub(super) const AF_BRIDGE: i32 = 7;
pub(super) const AF_INET: i32 = 2;
pub(super) const AF_INET6: i32 = 10;

pub(super) const ARPHRD_LOOPBACK: u16 = 772;
pub(super) const ARPHRD_ETHER: u16 = 1;

pub(super) const RTM_DELADDR: u16 = 21;
pub(super) const RTM_DELLINK: u16 = 17;
pub(super) const RTM_DELNEIGH: u16 = 29;
pub(super) const RTM_DELROUTE: u16 = 25;
pub(super) const RTM_GETADDR: u16 = 22;
pub(super) const RTM_GETLINK: u16 = 18;
pub(super) const RTM_GETNEIGH: u16 = 30;
pub(super) const RTM_GETROUTE: u16 = 26;
pub(super) const RTM_GETRULE: u16 = 34;
pub(super) const RTM_NEWADDR: u16 = 20;
pub(super) const RTM_NEWLINK: u16 = 16;
pub(super) const RTM_NEWNEIGH: u16 = 28;
pub(super) const RTM_NEWROUTE: u16 = 24;
pub(super) const RTM_NEWRULE: u16 = 32;
pub(super) const RTM_SETLINK: u16 = 19;

pub(super) const NLM_F_DUMP: i32 = 768;
pub(super) const NLM_F_EXCL: i32 = 512;
pub(super) const NLM_F_MULTI: i32 = 2;
pub(super) const NLMSG_DONE: i32 = 3;
pub(super) const NLMSG_ERROR: i32 = 2;

pub(super) const IFF_BROADCAST: i32 = 2;
pub(super) const IFF_LOOPBACK: i32 = 8;
pub(super) const IFF_LOWER_UP: i32 = 65536;
pub(super) const IFF_MULTICAST: i32 = 4096;
pub(super) const IFF_PROMISC: i32 = 256;
pub(super) const IFF_RUNNING: i32 = 64;
pub(super) const IFF_UP: i32 = 1;

pub(super) const IFA_ADDRESS: u16 = 1;
pub(super) const IFA_BROADCAST: u16 = 4;
pub(super) const IFA_F_PERMANENT: u32 = 128;
pub(super) const IFA_F_SECONDARY: u32 = 1;
pub(super) const IFA_FLAGS: u16 = 8;
pub(super) const IFA_LOCAL: u16 = 2;

pub(super) const NDA_DST: u16 = 1;
pub(super) const NDA_LLADDR: u16 = 2;

pub(super) const RT_SCOPE_HOST: u8 = 254;
pub(super) const RT_SCOPE_LINK: u8 = 253;
pub(super) const RT_SCOPE_NOWHERE: u8 = 255;
pub(super) const RT_TABLE_LOCAL: u8 = 255;
pub(super) const RT_TABLE_MAIN: u8 = 254;
pub(super) const RTN_BROADCAST: u8 = 3;
pub(super) const RTN_LOCAL: u8 = 2;
pub(super) const RTN_UNICAST: u8 = 1;
pub(super) const RTPROT_KERNEL: u8 = 2;

pub(super) const RTA_DST: u16 = 1;
pub(super) const RTA_GATEWAY: u16 = 5;
pub(super) const RTA_METRICS: u16 = 8;
pub(super) const RTA_OIF: u16 = 4;
pub(super) const RTA_PREFSRC: u16 = 7;
pub(super) const RTA_PRIORITY: u16 = 6;
pub(super) const RTA_TABLE: u16 = 15;
pub(super) const RTA_VIA: u16 = 18;

pub(super) const NLM_F_CAPPED: u16 = 0x100;
pub(super) const NLM_F_ACK_TLVS: u16 = 0x200;
pub(super) const NLMSGERR_ATTR_MSG: u16 = 1;
pub(super) const NLMSGERR_ATTR_OFFS: u16 = 2;

pub(super) const IFLA_ADDRESS: u16 = 1;
pub(super) const IFLA_IFNAME: u16 = 3;
pub(super) const IFLA_MTU: u16 = 4;
pub(super) const IFLA_LINK: u16 = 5;
pub(super) const IFLA_MASTER: u16 = 10;
pub(super) const IFLA_PROTINFO: u16 = 12;
pub(super) const IFLA_OPERSTATE: u16 = 16;
pub(super) const IFLA_LINKINFO: u16 = 18;
pub(super) const IFLA_IFALIAS: u16 = 20;
pub(super) const IFLA_NET_NS_FD: u16 = 28;
pub(super) const IFLA_PROMISCUITY: u16 = 30;
pub(super) const IFLA_CARRIER_CHANGES: u16 = 35;
pub(super) const IFLA_LINK_NETNSID: u16 = 37;
pub(super) const IFLA_ALT_IFNAME: u16 = 53;
pub(super) const IFLA_INFO_KIND: u16 = 1;
pub(super) const IFLA_INFO_DATA: u16 = 2;
pub(super) const IFLA_INFO_SLAVE_KIND: u16 = 4;
pub(super) const IFLA_INFO_SLAVE_DATA: u16 = 5;
pub(super) const IFLA_BR_VLAN_FILTERING: u16 = 7;
pub(super) const VETH_INFO_PEER: u16 = 1;
pub(super) const IFLA_BRPORT_STATE: u16 = 1;
pub(super) const IFLA_BRPORT_MODE: u16 = 4;
pub(super) const IFLA_BRPORT_ISOLATED: u16 = 33;

pub(super) const RTAX_MTU: u16 = 2;
pub(super) const RTAX_ADVMSS: u16 = 8;

pub(super) const FRA_PRIORITY: u16 = 6;
pub(super) const FRA_TABLE: u16 = 15;

/// `struct ifinfomsg`.
pub(super) const LINK_HEADER: usize = 16;
/// `struct ifaddrmsg`.
pub(super) const ADDRESS_HEADER: usize = 8;
/// `struct rtmsg`.
pub(super) const ROUTE_HEADER: usize = 12;
/// `struct ndmsg`.
pub(super) const NEIGHBOUR_HEADER: usize = 12;

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use nix::libc;

    #[test]
    fn the_numbers_are_those_that_libc_has() {
        macro_rules! same {
            ($($name:ident)*) => { $(assert_eq!(super::$name, libc::$name, stringify!($name));)* };
        }
        same!(AF_BRIDGE AF_INET AF_INET6 ARPHRD_ETHER ARPHRD_LOOPBACK IFA_ADDRESS IFA_BROADCAST IFA_FLAGS IFA_F_PERMANENT IFA_F_SECONDARY IFA_LOCAL IFF_BROADCAST IFF_LOOPBACK IFF_LOWER_UP IFF_MULTICAST IFF_PROMISC IFF_RUNNING IFF_UP NDA_DST NDA_LLADDR NLMSG_DONE NLMSG_ERROR NLM_F_DUMP NLM_F_EXCL NLM_F_MULTI RTA_DST RTA_GATEWAY RTA_METRICS RTA_OIF RTA_PREFSRC RTA_PRIORITY RTA_TABLE RTA_VIA RTM_DELADDR RTM_DELLINK RTM_DELNEIGH RTM_DELROUTE RTM_GETADDR RTM_GETLINK RTM_GETNEIGH RTM_GETROUTE RTM_GETRULE RTM_NEWADDR RTM_NEWLINK RTM_NEWNEIGH RTM_NEWROUTE RTM_NEWRULE RTM_SETLINK RTN_BROADCAST RTN_LOCAL RTN_UNICAST RTPROT_KERNEL RT_SCOPE_HOST RT_SCOPE_LINK RT_SCOPE_NOWHERE RT_TABLE_LOCAL RT_TABLE_MAIN);
    }
}
