//! What makes a rule invalid.

use ipnet::IpNet;

use super::family::Family;
use super::rule::{CHAIN_MAX, Is, Match, Spec, Target};

/// The longest comment, in bytes.
const COMMENT_MAX: usize = 255;
/// The largest number of ports in a rule.
const PORTS_MAX: usize = 15;
/// The longest name of an interface, in bytes.
const INTERFACE_MAX: usize = 15;

impl Spec {
    /// Returns what makes the rule invalid, for the kernel as well as for the program.
    pub(super) fn fault(&self, family: Family) -> Option<&'static str> {
        let nets = [&self.source, &self.destination];
        let nets = nets.into_iter().flatten();
        let interfaces = [&self.in_interface, &self.out_interface];
        let interfaces = interfaces.into_iter().flatten();
        self.fault
            .or_else(|| nets.clone().find_map(|net| net_fault(net, family)))
            .or_else(|| interfaces.clone().find_map(|name| interface_fault(&name.value)))
            .or_else(|| self.matches.iter().find_map(|found| self.match_fault(found)))
            .or_else(|| self.target.as_ref().and_then(|target| self.target_fault(target, family)))
    }

    fn match_fault(&self, found: &Match) -> Option<&'static str> {
        let fault = match found {
            Match::Comment(comment)
                if comment.len() > COMMENT_MAX || comment.chars().any(char::is_control) =>
            {
                "a comment is longer than 255 bytes or has control characters"
            }
            Match::Dport(_) | Match::Dports(_) if self.protocol.is_none() => {
                "a rule with a port has no protocol"
            }
            Match::Dports(ports) if ports.is_empty() || ports.len() > PORTS_MAX => {
                "a rule does not have 1 to 15 ports"
            }
            Match::Mark { mark, mask } if mark.value & !mask != 0 => "a mark has bits outside of its mask",
            Match::Words(words) if words.iter().any(|word| word.chars().any(char::is_control)) => {
                "an option of a rule has control characters"
            }
            Match::Unknown => "a rule from a list has a match that cannot be added",
            _ => return None,
        };
        Some(fault)
    }

    fn target_fault(&self, target: &Target, family: Family) -> Option<&'static str> {
        let fault = match target {
            Target::Jump(chain) | Target::Goto(chain) if !is_chain_name(chain) => CHAIN_FAULT,
            Target::Dnat { to, .. } if to.is_ipv4() != (family == Family::Ipv4) => {
                "a rule has an address of the other family"
            }
            Target::Dnat { port: Some(_), .. } if self.protocol.is_none() => {
                "a rule with a port has no protocol"
            }
            Target::Unknown => "a rule from a list has a target that cannot be added",
            _ => return None,
        };
        Some(fault)
    }
}

pub(super) const CHAIN_FAULT: &str =
    "the name of a chain is not 1 to 28 letters, digits and _ - . /, or does not begin with a letter or _";

/// Returns whether a chain can have this name: 1 to 28 letters, digits and `_ - . /`, beginning with a letter or `_`.
///
/// `iptables-legacy` accepts other names too, but nftables does not.
pub fn is_chain_name(name: &str) -> bool {
    let is_of_names = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/');
    (1..=CHAIN_MAX).contains(&name.len())
        && name.bytes().all(is_of_names)
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
}

fn net_fault(net: &Is<IpNet>, family: Family) -> Option<&'static str> {
    if net.value.addr().is_ipv4() != (family == Family::Ipv4) {
        Some("a rule has an address of the other family")
    } else if net.not && net.value.prefix_len() == 0 {
        Some("a rule excludes all addresses")
    } else {
        None
    }
}

fn interface_fault(name: &str) -> Option<&'static str> {
    let is_name = (1..=INTERFACE_MAX).contains(&name.len())
        && name != "+"
        && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/' || c == '!');
    (!is_name).then_some("a rule has an invalid interface name")
}
