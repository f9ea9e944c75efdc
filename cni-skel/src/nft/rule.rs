//! Rules: which packets, and what becomes of them.

use std::net::{IpAddr, SocketAddr};

use cni_types::Protocol;
use ipnet::IpNet;

use super::chain::Chain;
use super::constants::{NFPROTO_IPV4, NFPROTO_IPV6};
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
            fault: None,
        }
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
    pub fn iifname(self, name: &str) -> Self {
        self.named(Field::IifName, name)
    }

    /// Leaves by an interface.
    pub fn oifname(self, name: &str) -> Self {
        self.named(Field::OifName, name)
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
        rule.steps.push(bitwise(&bits.to_ne_bytes(), &[0; 4]));
        rule.steps.push(compare(true, vec![0; 4]));
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
            rule.steps.push(bitwise(&(!mask).to_ne_bytes(), &(mark & mask).to_ne_bytes()));
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

    fn address(self, [v4, v6]: [Field; 2], net: IpNet, differs: bool) -> Self {
        let (field, octets, mask) = match net {
            IpNet::V4(net) => (v4, net.network().octets().to_vec(), net.netmask().octets().to_vec()),
            IpNet::V6(net) => (v6, net.network().octets().to_vec(), net.netmask().octets().to_vec()),
        };
        let prefix = usize::from(net.prefix_len());
        // As `nft` does it: whole bytes are loaded alone, and bits are masked.
        if prefix > 0 && prefix.is_multiple_of(8) {
            let mut rule = self.load(field, Register(0), prefix / 8);
            rule.steps.push(compare(differs, octets[..prefix / 8].to_vec()));
            return rule;
        }
        let mut rule = self.load(field, Register(0), octets.len());
        rule.steps.push(bitwise(&mask, &vec![0; mask.len()]));
        rule.steps.push(compare(differs, octets));
        rule
    }

    fn named(self, field: Field, name: &str) -> Self {
        match Value::ifname(name) {
            Some(value) => self.is(field, value),
            None => self.refuse("no interface can have the name that the rule is about"),
        }
    }

    fn masked(self, field: Field, mark: u32, mask: u32, differs: bool) -> Self {
        if mark & !mask != 0 {
            return self.refuse("a mark has bits that its mask does not have");
        }
        let mut rule = self.load(field, Register(0), 4);
        if mask != u32::MAX {
            rule.steps.push(bitwise(&mask.to_ne_bytes(), &[0; 4]));
        }
        rule.steps.push(compare(differs, mark.to_ne_bytes().to_vec()));
        rule
    }

    fn compared(self, field: Field, value: &Value, differs: bool) -> Self {
        if value.data_type() != field.data_type() {
            return self.refuse("a field is compared with a value of another type");
        }
        let mut rule = self;
        if field == Field::NfProto && !differs {
            match value.bytes() {
                [NFPROTO_IPV4] => return rule.for_network(NFPROTO_IPV4),
                [NFPROTO_IPV6] => return rule.for_network(NFPROTO_IPV6),
                _ => {}
            }
        }
        rule = rule.load(field, Register(0), value.bytes().len());
        rule.steps.push(compare(differs, value.bytes().to_vec()));
        rule.has_transport |= field == Field::L4Proto && !differs;
        rule
    }

    fn looked_up(self, fields: &[Field], set: &Set, to: Option<Register>, inverted: bool) -> Self {
        if !fields.iter().map(|field| field.data_type()).eq(set.key.iter().copied()) {
            return self.refuse("fields are looked up in a set of other types");
        }
        let mut rule = self.in_table(set.family, &set.table);
        rule.has_transport |= !inverted && fields.contains(&Field::L4Proto);
        for field in fields {
            rule = rule.depends(*field);
        }
        let mut place = 0;
        for field in fields {
            let length = field.data_type().length();
            rule.steps.push(field.load(Register(place), length));
            place += u32::try_from(length.div_ceil(4)).unwrap_or(u32::MAX);
        }
        if fields.is_empty() || place > 16 {
            return rule.refuse("a lookup has to have one field and at most 64 bytes");
        }
        rule.then(Expression::Lookup { set: set.name.clone(), from: Register(0), to, inverted })
    }

    fn nat(self, nat: Nat, address: IpAddr, port: Option<u16>) -> Self {
        let network = if address.is_ipv4() { NFPROTO_IPV4 } else { NFPROTO_IPV6 };
        let mut rule = self.for_network(network);
        if port.is_some() && !rule.has_transport {
            rule = rule.refuse("a rule with a port has to be for a protocol");
        }
        rule.steps
            .push(Expression::Immediate { to: Register(0), value: Value::from(address).bytes().to_vec() });
        let port_register = port.map(|port| {
            rule.steps.push(Expression::Immediate { to: Register(4), value: port.to_be_bytes().to_vec() });
            Register(4)
        });
        rule.then(Expression::Nat {
            nat,
            family: network.into(),
            address: Some(Register(0)),
            port: port_register,
        })
    }

    /// What has to be certain before a field can be looked at.
    fn depends(self, field: Field) -> Self {
        match field {
            Field::IpSaddr | Field::IpDaddr => self.for_network(NFPROTO_IPV4),
            Field::Ip6Saddr | Field::Ip6Daddr => self.for_network(NFPROTO_IPV6),
            Field::Sport | Field::Dport if !self.has_transport => {
                self.refuse("a rule with a port has to be for a protocol")
            }
            Field::EtherSaddr if self.family != Family::Bridge => {
                self.refuse("hardware addresses are for tables of family bridge")
            }
            _ => self,
        }
    }

    fn for_network(mut self, network: u8) -> Self {
        match self.network {
            Some(known) if known == network => self,
            Some(_) => self.refuse("a rule is for IPv4 and for IPv6"),
            None if self.family == Family::Bridge => {
                self.refuse("addresses are not for tables of family bridge")
            }
            None => {
                self.network = Some(network);
                self.steps.push(Field::NfProto.load(Register(0), 1));
                self.steps.push(compare(false, Value::nfproto(network).bytes().to_vec()));
                self
            }
        }
    }

    fn load(self, field: Field, to: Register, length: usize) -> Self {
        self.depends(field).then(field.load(to, length))
    }

    fn then(mut self, step: Expression) -> Self {
        self.steps.push(step);
        self
    }

    fn in_table(self, family: Family, table: &str) -> Self {
        if family == self.family && table == self.table {
            self
        } else {
            self.refuse("a rule refers to a chain or set of another table")
        }
    }

    fn refuse(mut self, fault: &'static str) -> Self {
        self.fault.get_or_insert(fault);
        self
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

fn compare(differs: bool, value: Vec<u8>) -> Expression {
    Expression::Cmp { from: Register(0), differs, value }
}

fn bitwise(mask: &[u8], xor: &[u8]) -> Expression {
    Expression::Bitwise { from: Register(0), to: Register(0), mask: mask.to_vec(), xor: xor.to_vec() }
}
