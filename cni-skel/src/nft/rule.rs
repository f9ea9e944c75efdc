//! Rules: which packets, and what becomes of them.

use std::net::{IpAddr, SocketAddr};

use cni_types::Protocol;
use ipnet::IpNet;

use super::chain::Chain;
use super::constants::{CT_KEY_STATUS, CT_STATUS_DNAT, NFPROTO_IPV4, NFPROTO_IPV6};
use super::expression::{Expression, Nat, Register, Verdict};
use super::set::Set;
use super::table::Family;
use super::value::{DataType, Field, Value};

/// A rule, to be added or as it is in the kernel.
///
/// The methods say what a packet must be like for the rule to go on, from left to right, and at the end what becomes of
/// it. What a rule in `nft` adds by itself is added here too: that a packet is of IPv4 where an IPv4 address is looked
/// at. What contradicts itself is refused when it is sent.
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
    /// The protocols that the rule is known to be for.
    pub(super) network: Option<u8>,
    pub(super) has_transport: bool,
    /// The protocol that extensions of iptables are told, where there are any.
    pub(super) compat: Option<u32>,
    pub(super) fault: Option<&'static str>,
}

impl Rule {
    /// Starts a rule that is for all packets.
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

    /// A rule as it is in the kernel, or is to be.
    #[cfg(feature = "iptables")]
    pub(crate) fn of_steps(chain: &Chain, protocol: u8, steps: Vec<Expression>) -> Self {
        let is_extension = |step: &Expression| matches!(step, Expression::Match(_) | Expression::Target(_));
        let compat = steps.iter().any(is_extension).then_some(protocol.into());
        Self { steps, compat, ..Self::new(chain) }
    }

    /// What it does, step by step.
    #[cfg(feature = "iptables")]
    pub(crate) fn steps(&self) -> &[Expression] {
        &self.steps
    }

    /// From these addresses.
    pub fn saddr(self, from: impl Into<IpNet>) -> Self {
        self.address([Field::IpSaddr, Field::Ip6Saddr], from.into(), false)
    }

    /// From other addresses than these, of the same family.
    pub fn not_saddr(self, from: impl Into<IpNet>) -> Self {
        self.address([Field::IpSaddr, Field::Ip6Saddr], from.into(), true)
    }

    /// To these addresses.
    pub fn daddr(self, to: impl Into<IpNet>) -> Self {
        self.address([Field::IpDaddr, Field::Ip6Daddr], to.into(), false)
    }

    /// To other addresses than these, of the same family.
    pub fn not_daddr(self, to: impl Into<IpNet>) -> Self {
        self.address([Field::IpDaddr, Field::Ip6Daddr], to.into(), true)
    }

    /// Of a protocol.
    pub fn protocol(self, protocol: Protocol) -> Self {
        self.is(Field::L4Proto, protocol)
    }

    /// To a port of a protocol.
    pub fn dport(self, protocol: Protocol, port: u16) -> Self {
        self.protocol(protocol).is(Field::Dport, Value::port(port))
    }

    /// From a port of a protocol.
    pub fn sport(self, protocol: Protocol, port: u16) -> Self {
        self.protocol(protocol).is(Field::Sport, Value::port(port))
    }

    /// To an address of this machine, whichever it has at that time.
    pub fn to_this_machine(self) -> Self {
        self.is(Field::FibDaddrType, Value::fib_local())
    }

    /// Came in by an interface.
    pub fn iifname(self, name: impl AsRef<str>) -> Self {
        self.named(Field::IifName, name.as_ref())
    }

    /// Leaves by an interface.
    pub fn oifname(self, name: impl AsRef<str>) -> Self {
        self.named(Field::OifName, name.as_ref())
    }

    /// With these bits of the mark as given.
    pub fn mark(self, mark: u32, mask: u32) -> Self {
        self.masked(Field::Mark, mark, mask, false)
    }

    /// With these bits of the flow's mark as given.
    pub fn ct_mark(self, mark: u32, mask: u32) -> Self {
        self.masked(Field::CtMark, mark, mask, false)
    }

    /// Of a flow in one of these states.
    pub fn ct_state(self, states: &[CtState]) -> Self {
        let bits = states.iter().fold(0, |bits, state| bits | state.bit());
        let mut rule = self.load(Field::CtState, Register(0), 4);
        rule.steps.push(Expression::bitwise(&bits.to_ne_bytes(), &[0; 4]));
        rule.steps.push(Expression::compare(true, vec![0; 4]));
        rule
    }

    /// Of a flow whose destination was rewritten.
    pub fn ct_status_dnat(self) -> Self {
        let mut rule = self.then(Expression::Ct { to: Register(0), key: CT_KEY_STATUS });
        rule.steps.push(Expression::bitwise(&CT_STATUS_DNAT.to_ne_bytes(), &[0; 4]));
        rule.steps.push(Expression::compare(true, vec![0; 4]));
        rule
    }

    /// With a field as given.
    pub fn is(self, field: Field, value: impl Into<Value>) -> Self {
        self.compared(field, &value.into(), false)
    }

    /// With a field unlike the given.
    pub fn is_not(self, field: Field, value: impl Into<Value>) -> Self {
        self.compared(field, &value.into(), true)
    }

    /// With fields that, together, are an element of a set.
    pub fn is_in(self, fields: &[Field], set: &Set) -> Self {
        self.looked_up(fields, set, None, false)
    }

    /// With fields that, together, are no element of a set.
    pub fn is_not_in(self, fields: &[Field], set: &Set) -> Self {
        self.looked_up(fields, set, None, true)
    }

    /// Counts the packets that come this far.
    pub fn counter(self) -> Self {
        self.then(Expression::Counter)
    }

    /// Sets some bits of the packet's mark, and goes on.
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

    /// Lets the packet through this chain.
    pub fn accept(self) -> Self {
        self.then(Expression::Verdict(Verdict::Accept))
    }

    /// Throws the packet away.
    pub fn drop(self) -> Self {
        self.then(Expression::Verdict(Verdict::Drop))
    }

    /// Goes on where the chain was jumped to.
    pub fn return_(self) -> Self {
        self.then(Expression::Verdict(Verdict::Return))
    }

    /// Goes through another chain of the table, and comes back.
    pub fn jump(self, chain: &Chain) -> Self {
        let name = chain.name.clone();
        self.in_table(chain.family, &chain.table).then(Expression::Verdict(Verdict::Jump(name)))
    }

    /// Goes through another chain of the table, and does not come back here.
    pub fn goto(self, chain: &Chain) -> Self {
        let name = chain.name.clone();
        self.in_table(chain.family, &chain.table).then(Expression::Verdict(Verdict::Goto(name)))
    }

    /// Gives the flow the address of the interface that it leaves by.
    pub fn masquerade(self) -> Self {
        self.then(Expression::Masquerade)
    }

    /// Gives the flow another source address.
    pub fn snat_to(self, address: IpAddr) -> Self {
        self.nat(Nat::Source, address, None)
    }

    /// Sends the flow to another address.
    pub fn dnat_to(self, address: IpAddr) -> Self {
        self.nat(Nat::Destination, address, None)
    }

    /// Sends the flow to another address and port. The rule has to be for a protocol.
    pub fn dnat_to_port(self, to: SocketAddr) -> Self {
        self.nat(Nat::Destination, to.ip(), Some(to.port()))
    }

    /// Sends the flow to the address and port that a map has for these fields, and goes on where it has none.
    pub fn dnat_by(self, fields: &[Field], map: &Set) -> Self {
        let (network, address_registers) = match map.data[..] {
            [DataType::Ipv4Addr, DataType::InetService] | [DataType::Ipv4Addr] => (NFPROTO_IPV4, 1),
            [DataType::Ipv6Addr, DataType::InetService] | [DataType::Ipv6Addr] => (NFPROTO_IPV6, 4),
            _ => return self.refuse("a map for dnat has to have addresses, or addresses and ports"),
        };
        // What has to be certain comes first: it would be computed where the map's data are.
        let mut rule = self.for_network(network).looked_up(fields, map, Some(Register(0)), false);
        let port = (map.data.len() == 2).then_some(Register(address_registers));
        if port.is_some() && !rule.has_transport {
            rule = rule.refuse("a rule with a port has to be for a protocol");
        }
        rule.then(Expression::Nat {
            nat: Nat::Destination,
            family: network.into(),
            address: Some(Register(0)),
            port,
        })
    }

    /// With a comment, which `nft list ruleset` shows: up to 128 bytes without quotes and control characters.
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    /// Its comment.
    pub fn as_comment(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// The number that the kernel gave it. `None` before that.
    pub fn handle(&self) -> Option<u64> {
        self.handle
    }

    /// What a field has to be as a whole for the rule to go on; of a rule that compares it with a part of a value, a set
    /// or not at all, `None`.
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

    /// The address that the rule rewrites destinations to, where that is always the same one.
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

    /// The name of the chain that the rule goes to, by jump or goto.
    pub fn target(&self) -> Option<&str> {
        self.steps.iter().find_map(|step| match step {
            Expression::Verdict(Verdict::Jump(chain) | Verdict::Goto(chain)) => Some(chain.as_str()),
            _ => None,
        })
    }

    /// The name of its chain.
    pub fn chain(&self) -> &str {
        &self.chain
    }

    /// Whether both do the same to the same packets in the same chain, whatever their comments, handles and counts.
    ///
    /// Only the same steps in the same order count as the same. A rule that `nft` made has them.
    pub fn does_the_same(&self, other: &Self) -> bool {
        (self.family, &self.table, &self.chain, &self.steps)
            == (other.family, &other.table, &other.chain, &other.steps)
    }

    pub(super) fn is_of(&self, chain: &Chain) -> bool {
        (self.family, &self.table, &self.chain) == (chain.family, &chain.table, &chain.name)
    }

    pub(super) fn shown(&self) -> String {
        let about = self.comment.as_deref().map(|comment| format!(" ({comment})")).unwrap_or_default();
        format!("{} {} {}{about}", self.family.as_str(), self.table, self.chain)
    }
}

/// A state of a flow.
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
