//! Rules: the packets that they match, and what happens to these.

use std::net::{IpAddr, SocketAddr};

use cni_types::Protocol;
use ipnet::IpNet;

use super::chain::Chain;
use super::constants::{CT_KEY_STATUS, CT_STATUS_DNAT, NFPROTO_IPV4, NFPROTO_IPV6};
use super::expression::{Expression, Nat, Register, Verdict};
use super::set::Set;
use super::table::Family;
use super::value::{DataType, Field, Value};

/// A rule of nftables: to add, or as the kernel lists it.
///
/// Rules of iptables are `iptables::Rule`. Rules that choose a routing table are
/// [`net::RoutingRule`](crate::net::RoutingRule).
///
/// Each method adds a condition or a statement. The kernel evaluates them in order, and stops at the first condition that the
/// packet does not fulfil. As in `nft`, a condition on an IPv4 address adds the condition that the packet is IPv4. Sending a
/// rule that contradicts itself fails.
///
/// ```
/// use cni_skel::nft::{Chain, Family, Rule, Table};
///
/// let table = Table::new(Family::Inet, "example");
/// let chain = Chain::new(&table, "leaving");
/// let rule = Rule::new(&chain)
///     .saddr("10.1.0.7".parse::<std::net::IpAddr>().expect("a literal"))
///     .not_daddr("10.1.0.0/16".parse::<ipnet::IpNet>().expect("a literal"))
///     .masquerade()
///     .comment("a container");
/// assert!(rule.does_the_same(&rule.clone().comment("another")));
/// ```
#[derive(Debug, Clone)]
pub struct Rule {
    pub(super) family: Family,
    pub(super) table: String,
    pub(super) chain: String,
    pub(super) handle: Option<u64>,
    pub(super) comment: Option<String>,
    pub(super) steps: Vec<Expression>,
    /// The network protocol that the rule is for, if it is for one.
    pub(super) network: Option<u8>,
    pub(super) has_transport: bool,
    /// The protocol that extensions of iptables see, if the rule has any.
    pub(super) compat: Option<u32>,
    pub(super) fault: Option<&'static str>,
}

impl Rule {
    /// Starts a rule that matches all packets.
    pub fn new(chain: &Chain) -> Self {
        let network = match chain.family {
            Family::Ip => Some(NFPROTO_IPV4),
            Family::Ip6 => Some(NFPROTO_IPV6),
            Family::Inet | Family::Bridge => None,
        };
        Self {
            family: chain.family,
            table: chain.table.clone(),
            chain: chain.name.clone(),
            handle: None,
            comment: None,
            steps: Vec::new(),
            network,
            has_transport: false,
            compat: None,
            fault: None,
        }
    }

    /// Creates a rule with these expressions.
    #[cfg(feature = "iptables")]
    pub(crate) fn of_steps(chain: &Chain, protocol: u8, steps: Vec<Expression>) -> Self {
        let is_extension = |step: &Expression| matches!(step, Expression::Match(_) | Expression::Target(_));
        let compat = steps.iter().any(is_extension).then_some(protocol.into());
        Self { steps, compat, ..Self::new(chain) }
    }

    /// Returns its expressions.
    #[cfg(feature = "iptables")]
    pub(crate) fn steps(&self) -> &[Expression] {
        &self.steps
    }

    /// Matches source addresses.
    pub fn saddr(self, from: impl Into<IpNet>) -> Self {
        self.address([Field::IpSaddr, Field::Ip6Saddr], from.into(), false)
    }

    /// Matches all source addresses of the family but these.
    pub fn not_saddr(self, from: impl Into<IpNet>) -> Self {
        self.address([Field::IpSaddr, Field::Ip6Saddr], from.into(), true)
    }

    /// Matches destination addresses.
    pub fn daddr(self, to: impl Into<IpNet>) -> Self {
        self.address([Field::IpDaddr, Field::Ip6Daddr], to.into(), false)
    }

    /// Matches all destination addresses of the family but these.
    pub fn not_daddr(self, to: impl Into<IpNet>) -> Self {
        self.address([Field::IpDaddr, Field::Ip6Daddr], to.into(), true)
    }

    /// Matches a protocol.
    pub fn protocol(self, protocol: Protocol) -> Self {
        self.is(Field::L4Proto, protocol)
    }

    /// Matches a protocol and a destination port.
    pub fn dport(self, protocol: Protocol, port: u16) -> Self {
        self.protocol(protocol).is(Field::Dport, Value::port(port))
    }

    /// Matches a protocol and a source port.
    pub fn sport(self, protocol: Protocol, port: u16) -> Self {
        self.protocol(protocol).is(Field::Sport, Value::port(port))
    }

    /// Matches packets to an address that this host has when they arrive.
    pub fn to_this_machine(self) -> Self {
        self.is(Field::FibDaddrType, Value::fib_local())
    }

    /// Matches an input interface.
    pub fn iifname(self, name: impl AsRef<str>) -> Self {
        self.named(Field::IifName, name.as_ref())
    }

    /// Matches an output interface.
    pub fn oifname(self, name: impl AsRef<str>) -> Self {
        self.named(Field::OifName, name.as_ref())
    }

    /// Matches the bits of the packet's mark that are in `mask`.
    pub fn mark(self, mark: u32, mask: u32) -> Self {
        self.masked(Field::Mark, mark, mask, false)
    }

    /// Matches the bits of the flow's mark that are in `mask`.
    pub fn ct_mark(self, mark: u32, mask: u32) -> Self {
        self.masked(Field::CtMark, mark, mask, false)
    }

    /// Matches flows in one of these states.
    pub fn ct_state(self, states: &[CtState]) -> Self {
        let bits = states.iter().fold(0, |bits, state| bits | state.bit());
        let mut rule = self.load(Field::CtState, Register(0), 4);
        rule.steps.push(Expression::bitwise(&bits.to_ne_bytes(), &[0; 4]));
        rule.steps.push(Expression::compare(true, vec![0; 4]));
        rule
    }

    /// Matches flows whose destination was translated.
    pub fn ct_status_dnat(self) -> Self {
        let mut rule = self.then(Expression::Ct { to: Register(0), key: CT_KEY_STATUS });
        rule.steps.push(Expression::bitwise(&CT_STATUS_DNAT.to_ne_bytes(), &[0; 4]));
        rule.steps.push(Expression::compare(true, vec![0; 4]));
        rule
    }

    /// Matches a field that is equal to a value.
    pub fn is(self, field: Field, value: impl Into<Value>) -> Self {
        self.compared(field, &value.into(), false)
    }

    /// Matches a field that is not equal to a value.
    pub fn is_not(self, field: Field, value: impl Into<Value>) -> Self {
        self.compared(field, &value.into(), true)
    }

    /// Matches fields that together are an element of a set.
    pub fn is_in(self, fields: &[Field], set: &Set) -> Self {
        self.looked_up(fields, set, None, false)
    }

    /// Matches fields that together are not an element of a set.
    pub fn is_not_in(self, fields: &[Field], set: &Set) -> Self {
        self.looked_up(fields, set, None, true)
    }

    /// Counts the packets that match so far.
    pub fn counter(self) -> Self {
        self.then(Expression::Counter)
    }

    /// Sets the bits of the packet's mark that are in `mask`.
    pub fn set_mark(self, mark: u32, mask: u32) -> Self {
        let mut rule = self;
        if mask == u32::MAX {
            rule.steps.push(Expression::Immediate { to: Register(0), value: mark.to_ne_bytes().to_vec() });
        } else {
            rule = rule.load(Field::Mark, Register(0), 4);
            rule.steps.push(Expression::bitwise(&(!mask).to_ne_bytes(), &(mark & mask).to_ne_bytes()));
        }
        rule.then(Expression::SetMeta { from: Register(0), key: 3 })
    }

    /// Accepts the packet.
    pub fn accept(self) -> Self {
        self.then(Expression::Verdict(Verdict::Accept))
    }

    /// Drops the packet.
    pub fn drop(self) -> Self {
        self.then(Expression::Verdict(Verdict::Drop))
    }

    /// Returns to the chain that jumped here.
    pub fn return_(self) -> Self {
        self.then(Expression::Verdict(Verdict::Return))
    }

    /// Jumps to another chain of the table. The packet returns from there.
    pub fn jump(self, chain: &Chain) -> Self {
        let name = chain.name.clone();
        self.in_table(chain.family, &chain.table).then(Expression::Verdict(Verdict::Jump(name)))
    }

    /// Goes to another chain of the table. The packet does not return from there.
    pub fn goto(self, chain: &Chain) -> Self {
        let name = chain.name.clone();
        self.in_table(chain.family, &chain.table).then(Expression::Verdict(Verdict::Goto(name)))
    }

    /// Translates the source address of the flow to that of the output interface.
    pub fn masquerade(self) -> Self {
        self.then(Expression::Masquerade)
    }

    /// Translates the source address of the flow.
    pub fn snat_to(self, address: IpAddr) -> Self {
        self.nat(Nat::Source, address, None)
    }

    /// Translates the destination address of the flow.
    pub fn dnat_to(self, address: IpAddr) -> Self {
        self.nat(Nat::Destination, address, None)
    }

    /// Translates the destination address and port of the flow. The rule needs a protocol.
    pub fn dnat_to_port(self, to: SocketAddr) -> Self {
        self.nat(Nat::Destination, to.ip(), Some(to.port()))
    }

    /// Translates the destination of the flow to what a map has for these fields. If it has nothing, the packet does not match.
    pub fn dnat_by(self, fields: &[Field], map: &Set) -> Self {
        let (network, address_registers) = match map.data[..] {
            [DataType::Ipv4Addr, DataType::InetService] | [DataType::Ipv4Addr] => (NFPROTO_IPV4, 1),
            [DataType::Ipv6Addr, DataType::InetService] | [DataType::Ipv6Addr] => (NFPROTO_IPV6, 4),
            _ => return self.refuse("a map for dnat has other data than addresses, or addresses and ports"),
        };
        // Conditions come first, because they would use the register of the map's data.
        let mut rule = self.for_network(network).looked_up(fields, map, Some(Register(0)), false);
        let port = (map.data.len() == 2).then_some(Register(address_registers));
        if port.is_some() && !rule.has_transport {
            rule = rule.refuse("a rule with a port has no protocol");
        }
        rule.then(Expression::Nat {
            nat: Nat::Destination,
            family: network.into(),
            address: Some(Register(0)),
            port,
        })
    }

    /// Sets the comment, which `nft list ruleset` shows: up to 128 bytes without quotes and control characters.
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    /// Returns the comment.
    pub fn as_comment(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// Returns the handle, by which the kernel identifies the rule. `None` unless the rule was listed.
    pub fn handle(&self) -> Option<u64> {
        self.handle
    }

    /// Returns the value that the rule requires of a field. `None` if it does not compare the field, or only with a prefix or
    /// a set.
    pub fn required(&self, field: Field) -> Option<Value> {
        let length = field.data_type().length();
        self.steps.windows(2).find_map(|steps| match steps {
            [load, Expression::Cmp { from: Register(0), differs: false, value }]
                if *load == field.load(Register(0), length) && value.len() == length =>
            {
                Value::read(field.data_type(), value)
            }
            _ => None,
        })
    }

    /// Returns the address that the rule translates destinations to, if it is a single one.
    pub fn dnat_address(&self) -> Option<IpAddr> {
        let at = self.steps.iter().position(|step| {
            matches!(step, Expression::Nat { nat: Nat::Destination, address: Some(_), .. })
        })?;
        let (before, Expression::Nat { family, address: Some(register), .. }) =
            (&self.steps[..at], &self.steps[at])
        else {
            return None;
        };
        let value = before.iter().rev().find_map(|step| match step {
            Expression::Immediate { to, value } if to == register => Some(value),
            _ => None,
        })?;
        let kind = match u8::try_from(*family) {
            Ok(NFPROTO_IPV4) => DataType::Ipv4Addr,
            Ok(NFPROTO_IPV6) => DataType::Ipv6Addr,
            _ => return None,
        };
        Value::read(kind, value)?.as_ip()
    }

    /// Returns the name of the chain that the rule jumps or goes to.
    pub fn jump_target(&self) -> Option<&str> {
        self.steps.iter().find_map(|step| match step {
            Expression::Verdict(Verdict::Jump(chain) | Verdict::Goto(chain)) => Some(chain.as_str()),
            _ => None,
        })
    }

    /// Returns the name of its chain.
    pub fn chain(&self) -> &str {
        &self.chain
    }

    /// Returns whether both rules have the same chain and the same expressions in the same order. Comments, handles and
    /// counters may differ.
    ///
    /// A rule that `nft` added has the same expressions as one that is built here.
    pub fn does_the_same(&self, other: &Self) -> bool {
        (self.family, &self.table, &self.chain, &self.steps)
            == (other.family, &other.table, &other.chain, &other.steps)
    }

    pub(super) fn is_of(&self, chain: &Chain) -> bool {
        (self.family, &self.table, &self.chain) == (chain.family, &chain.table, &chain.name)
    }

    pub(super) fn describe(&self) -> String {
        let about = self.comment.as_deref().map(|comment| format!(" ({comment})")).unwrap_or_default();
        format!("{} {} {}{about}", self.family.as_str(), self.table, self.chain)
    }
}

/// The state of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CtState {
    /// `invalid`.
    Invalid,
    /// `established`.
    Established,
    /// `related`.
    Related,
    /// `new`.
    New,
}

impl CtState {
    fn bit(self) -> u32 {
        match self {
            Self::Invalid => 1,
            Self::Established => 2,
            Self::Related => 4,
            Self::New => 8,
        }
    }
}
