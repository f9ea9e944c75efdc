//! Numbers of nf_tables, nfnetlink and conntrack, from the headers in linux/netfilter.

// nfnetlink: the high byte of a message's type is the subsystem.
pub(crate) const SUBSYS_CONNTRACK: u16 = 1 << 8;
pub(crate) const SUBSYS_NFTABLES: u16 = 10 << 8;
/// The subsystem of a batch, in its header.
pub(crate) const NFTABLES: u8 = 10;
/// Length of `struct nfgenmsg`.
pub(crate) const NFGENMSG: usize = 4;
pub(crate) const BATCH_BEGIN: u16 = 16;
pub(crate) const BATCH_END: u16 = 17;
pub(crate) const BATCH_GENID: u16 = 1;

pub(crate) const NLM_F_APPEND: u16 = 0x800;

pub(crate) const NEWTABLE: u16 = SUBSYS_NFTABLES;
pub(crate) const GETTABLE: u16 = SUBSYS_NFTABLES | 1;
pub(crate) const DELTABLE: u16 = SUBSYS_NFTABLES | 2;
pub(crate) const NEWCHAIN: u16 = SUBSYS_NFTABLES | 3;
pub(crate) const GETCHAIN: u16 = SUBSYS_NFTABLES | 4;
pub(crate) const DELCHAIN: u16 = SUBSYS_NFTABLES | 5;
pub(crate) const NEWRULE: u16 = SUBSYS_NFTABLES | 6;
pub(crate) const GETRULE: u16 = SUBSYS_NFTABLES | 7;
pub(crate) const DELRULE: u16 = SUBSYS_NFTABLES | 8;
pub(crate) const NEWSET: u16 = SUBSYS_NFTABLES | 9;
pub(crate) const GETSET: u16 = SUBSYS_NFTABLES | 10;
pub(crate) const DELSET: u16 = SUBSYS_NFTABLES | 11;
pub(crate) const NEWSETELEM: u16 = SUBSYS_NFTABLES | 12;
pub(crate) const GETSETELEM: u16 = SUBSYS_NFTABLES | 13;
pub(crate) const DELSETELEM: u16 = SUBSYS_NFTABLES | 14;
pub(crate) const NEWGEN: u16 = SUBSYS_NFTABLES | 15;
pub(crate) const GETGEN: u16 = SUBSYS_NFTABLES | 16;

pub(crate) const LIST_ELEM: u16 = 1;
pub(crate) const GEN_ID: u16 = 1;

pub(crate) const TABLE_NAME: u16 = 1;
pub(crate) const TABLE_USERDATA: u16 = 6;

pub(crate) const CHAIN_TABLE: u16 = 1;
pub(crate) const CHAIN_NAME: u16 = 3;
pub(crate) const CHAIN_HOOK: u16 = 4;
pub(crate) const CHAIN_POLICY: u16 = 5;
#[cfg(feature = "iptables")]
pub(crate) const CHAIN_USE: u16 = 6;
pub(crate) const CHAIN_TYPE: u16 = 7;
pub(crate) const CHAIN_USERDATA: u16 = 12;
pub(crate) const HOOK_HOOKNUM: u16 = 1;
pub(crate) const HOOK_PRIORITY: u16 = 2;

pub(crate) const RULE_TABLE: u16 = 1;
pub(crate) const RULE_CHAIN: u16 = 2;
pub(crate) const RULE_HANDLE: u16 = 3;
pub(crate) const RULE_EXPRESSIONS: u16 = 4;
pub(crate) const RULE_COMPAT: u16 = 5;
pub(crate) const RULE_USERDATA: u16 = 7;

/// The protocol of the rule, which an extension of iptables may require.
pub(crate) const COMPAT_PROTOCOL: u16 = 1;
pub(crate) const COMPAT_FLAGS: u16 = 2;

pub(crate) const SET_TABLE: u16 = 1;
pub(crate) const SET_NAME: u16 = 2;
pub(crate) const SET_FLAGS: u16 = 3;
pub(crate) const SET_KEY_TYPE: u16 = 4;
pub(crate) const SET_KEY_LEN: u16 = 5;
pub(crate) const SET_DATA_TYPE: u16 = 6;
pub(crate) const SET_DATA_LEN: u16 = 7;
pub(crate) const SET_ID: u16 = 10;
pub(crate) const SET_USERDATA: u16 = 13;
pub(crate) const SET_F_ANONYMOUS: u32 = 0x1;
pub(crate) const SET_F_INTERVAL: u32 = 0x4;
pub(crate) const SET_F_MAP: u32 = 0x8;
pub(crate) const SET_F_OBJECT: u32 = 0x40;

pub(crate) const ELEM_KEY: u16 = 1;
pub(crate) const ELEM_DATA: u16 = 2;
pub(crate) const ELEM_USERDATA: u16 = 6;
pub(crate) const ELEM_LIST_TABLE: u16 = 1;
pub(crate) const ELEM_LIST_SET: u16 = 2;
pub(crate) const ELEM_LIST_ELEMENTS: u16 = 3;

pub(crate) const DATA_VALUE: u16 = 1;
pub(crate) const DATA_VERDICT: u16 = 2;
pub(crate) const VERDICT_CODE: u16 = 1;
pub(crate) const VERDICT_CHAIN: u16 = 2;

pub(crate) const EXPR_NAME: u16 = 1;
pub(crate) const EXPR_DATA: u16 = 2;

pub(crate) const IMMEDIATE_DREG: u16 = 1;
pub(crate) const IMMEDIATE_DATA: u16 = 2;

pub(crate) const BITWISE_SREG: u16 = 1;
pub(crate) const BITWISE_DREG: u16 = 2;
pub(crate) const BITWISE_LEN: u16 = 3;
pub(crate) const BITWISE_MASK: u16 = 4;
pub(crate) const BITWISE_XOR: u16 = 5;
pub(crate) const BITWISE_OP: u16 = 6;

pub(crate) const CMP_SREG: u16 = 1;
pub(crate) const CMP_OP: u16 = 2;
pub(crate) const CMP_DATA: u16 = 3;

pub(crate) const LOOKUP_SET: u16 = 1;
pub(crate) const LOOKUP_SREG: u16 = 2;
pub(crate) const LOOKUP_DREG: u16 = 3;
pub(crate) const LOOKUP_FLAGS: u16 = 5;

/// In `meta` and `ct`.
pub(crate) const KEYED_DREG: u16 = 1;
pub(crate) const KEYED_KEY: u16 = 2;
pub(crate) const META_SREG: u16 = 3;
pub(crate) const CT_SREG: u16 = 4;
pub(crate) const CT_DIRECTION: u16 = 3;

/// Key of `ct status`.
pub(crate) const CT_KEY_STATUS: u32 = 2;
pub(crate) const CT_STATUS_DNAT: u32 = 1 << 5;

pub(crate) const PAYLOAD_DREG: u16 = 1;
pub(crate) const PAYLOAD_BASE: u16 = 2;
pub(crate) const PAYLOAD_OFFSET: u16 = 3;
pub(crate) const PAYLOAD_LEN: u16 = 4;
pub(crate) const PAYLOAD_SREG: u16 = 5;

pub(crate) const FIB_DREG: u16 = 1;
pub(crate) const FIB_RESULT: u16 = 2;
pub(crate) const FIB_FLAGS: u16 = 3;

pub(crate) const COUNTER_BYTES: u16 = 1;
pub(crate) const COUNTER_PACKETS: u16 = 2;

pub(crate) const NAT_TYPE: u16 = 1;
pub(crate) const NAT_FAMILY: u16 = 2;
pub(crate) const NAT_REG_ADDR_MIN: u16 = 3;
pub(crate) const NAT_REG_ADDR_MAX: u16 = 4;
pub(crate) const NAT_REG_PROTO_MIN: u16 = 5;
pub(crate) const NAT_REG_PROTO_MAX: u16 = 6;
pub(crate) const NAT_FLAGS: u16 = 7;
/// Flags that only repeat which registers are set.
pub(crate) const NAT_F_IMPLIED: u32 = 0x1 | 0x2;
pub(crate) const MASQ_FLAGS: u16 = 1;

/// In `match` and `target`.
pub(crate) const XT_NAME: u16 = 1;
pub(crate) const XT_REVISION: u16 = 2;
pub(crate) const XT_INFO: u16 = 3;
/// The subsystem that tells whether the kernel has an extension of iptables.
#[cfg(feature = "iptables")]
pub(crate) mod compat {
    pub(crate) const GET: u16 = 11 << 8;
    pub(crate) const NAME: u16 = 1;
    pub(crate) const REVISION: u16 = 2;
    pub(crate) const TYPE: u16 = 3;
}

pub(crate) const NFPROTO_IPV4: u8 = 2;
pub(crate) const NFPROTO_IPV6: u8 = 10;

// Conntrack.
pub(crate) const CT_GET: u16 = SUBSYS_CONNTRACK | 1;
pub(crate) const CT_NEW: u16 = SUBSYS_CONNTRACK;
pub(crate) const CT_DELETE: u16 = SUBSYS_CONNTRACK | 2;
pub(crate) const CTA_TUPLE_ORIG: u16 = 1;
pub(crate) const CTA_TUPLE_REPLY: u16 = 2;
pub(crate) const CTA_MARK: u16 = 8;
pub(crate) const CTA_ID: u16 = 12;
pub(crate) const CTA_ZONE: u16 = 18;
pub(crate) const CTA_FILTER: u16 = 25;
pub(crate) const CTA_FILTER_ORIG_FLAGS: u16 = 1;
pub(crate) const CTA_FILTER_REPLY_FLAGS: u16 = 2;
pub(crate) const CTA_TUPLE_IP: u16 = 1;
pub(crate) const CTA_TUPLE_PROTO: u16 = 2;
pub(crate) const CTA_IP_V4_SRC: u16 = 1;
pub(crate) const CTA_IP_V4_DST: u16 = 2;
pub(crate) const CTA_IP_V6_SRC: u16 = 3;
pub(crate) const CTA_IP_V6_DST: u16 = 4;
pub(crate) const CTA_PROTO_NUM: u16 = 1;
pub(crate) const CTA_PROTO_SRC_PORT: u16 = 2;
pub(crate) const CTA_PROTO_DST_PORT: u16 = 3;
pub(crate) const FILTER_IP_SRC: u32 = 1;
pub(crate) const FILTER_IP_DST: u32 = 1 << 1;
pub(crate) const FILTER_PROTO_NUM: u32 = 1 << 3;
pub(crate) const FILTER_SRC_PORT: u32 = 1 << 4;
pub(crate) const FILTER_DST_PORT: u32 = 1 << 5;
