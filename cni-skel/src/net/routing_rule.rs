//! Routing rules. They can be listed, not changed.

use ipnet::IpNet;

use super::constants::{
    AF_INET, AF_INET6, FIB_RULE_HDR, FRA_DST, FRA_FWMARK, FRA_IIFNAME, FRA_OIFNAME, FRA_PRIORITY, FRA_SRC,
    FRA_TABLE, RTM_GETRULE, RTM_NEWRULE,
};
use super::error::NetError;
use super::handle::{Net, Task};
use super::numbers::RuleAction;
use super::wire::{ip, net, unspecified};
use crate::netlink::{Attributes, Message, Request};

/// A rule that chooses the routing table of a packet, as `ip rule` shows it.
///
/// It is not a packet filter rule: those are `nft::Rule` and `iptables::Rule`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoutingRule {
    /// Whether it applies to IPv6.
    pub is_ipv6: bool,
    /// Its priority. The rule with the lowest number is first.
    pub priority: u32,
    /// The routing table that it chooses.
    pub table: u32,
    /// What it does.
    pub action: RuleAction,
    /// The source addresses that it matches.
    pub src: IpNet,
    /// The destination addresses that it matches.
    pub dst: IpNet,
    /// The input interface that it matches.
    pub iif: Option<String>,
    /// The output interface that it matches.
    pub oif: Option<String>,
    /// The packet mark that it matches.
    pub mark: Option<u32>,
}

impl Net {
    /// Lists the routing rules of IPv4 and IPv6.
    ///
    /// # Errors
    ///
    /// The kernel refuses, or the list changes each time it is read.
    pub fn routing_rules(&self) -> Result<Vec<RoutingRule>, NetError> {
        let task = Task::new("list routing rules");
        let mut rules = Vec::new();
        for family in [AF_INET, AF_INET6] {
            let mut header = [0; FIB_RULE_HDR];
            header[0] = family;
            let mut request = Request::dump(RTM_GETRULE);
            request.fixed(&header);
            let answer = match self.ask(&task, request) {
                // A kernel may lack routing rules or IPv6.
                Err(e) if e.is_unsupported() => continue,
                answer => answer?,
            };
            rules.extend(answer.messages().filter(|m| m.payload.first() == Some(&family)).filter_map(decode));
        }
        Ok(rules)
    }
}

pub(super) fn decode(message: Message<'_>) -> Option<RoutingRule> {
    if message.kind != RTM_NEWRULE {
        return None;
    }
    let [family, dst_prefix, src_prefix, _, table, _, _, action, ..] =
        *message.payload.first_chunk::<FIB_RULE_HDR>()?;
    let any = IpNet::new(unspecified(family)?, 0).ok()?;
    let mut rule = RoutingRule {
        is_ipv6: family == AF_INET6,
        priority: 0,
        table: table.into(),
        action: action.into(),
        src: any,
        dst: any,
        iif: None,
        oif: None,
        mark: None,
    };
    for attribute in Attributes::after(FIB_RULE_HDR, message.payload) {
        match attribute.kind {
            FRA_DST => rule.dst = net(family, ip(attribute.payload), dst_prefix)?,
            FRA_SRC => rule.src = net(family, ip(attribute.payload), src_prefix)?,
            FRA_IIFNAME => rule.iif = Some(attribute.text().into_owned()),
            FRA_OIFNAME => rule.oif = Some(attribute.text().into_owned()),
            FRA_PRIORITY => rule.priority = attribute.u32()?,
            FRA_FWMARK => rule.mark = attribute.u32(),
            FRA_TABLE => rule.table = attribute.u32()?,
            _ => {}
        }
    }
    Some(rule)
}
