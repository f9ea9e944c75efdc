//! Rules: the packets that they match, and what happens to these.

use std::net::{IpAddr, SocketAddr};

use cni_types::Protocol;
use ipnet::IpNet;

use crate::nft;

/// The longest name of a chain, in bytes.
pub(super) const CHAIN_MAX: usize = 28;

/// A rule of iptables: to add, or from a list.
///
/// Rules of nftables are [`nft::Rule`]. Rules that choose a routing table are
/// [`net::RoutingRule`](crate::net::RoutingRule).
///
/// Addresses, interfaces and the protocol come first, whatever the order of the calls. Two rules are equal if they have the
/// same other matches in the same order, as for `iptables -C`, whether they come from a list or not. Sending a rule that
/// contradicts itself fails.
///
/// ```
/// use cni_skel::iptables::Rule;
///
/// let address: std::net::IpAddr = [10, 1, 0, 7].into();
/// let rule = Rule::new().saddr(address).comment("a container").jump("EXAMPLE");
/// assert_eq!(rule.to_string(), r#"-s 10.1.0.7/32 -m comment --comment "a container" -j EXAMPLE"#);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Rule {
    pub(super) spec: Spec,
    pub(super) origin: Option<Origin>,
}

/// The contents of a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Spec {
    pub(super) in_interface: Option<Is<String>>,
    pub(super) out_interface: Option<Is<String>>,
    pub(super) protocol: Option<Protocol>,
    pub(super) source: Option<Is<IpNet>>,
    pub(super) destination: Option<Is<IpNet>>,
    pub(super) matches: Vec<Match>,
    pub(super) target: Option<Target>,
    pub(super) fault: Option<&'static str>,
}

/// A value that is required, or excluded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Is<T> {
    pub(super) not: bool,
    pub(super) value: T,
}

impl<T> Is<T> {
    pub(super) fn new(not: bool, value: T) -> Self {
        Self { not, value }
    }
}

/// A match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Match {
    Comment(String),
    /// The destination port, of the rule's protocol.
    Dport(u16),
    Dports(Vec<u16>),
    /// To an address of this host.
    Local,
    Mark {
        mark: Is<u32>,
        mask: u32,
    },
    /// Options that only the program knows.
    Words(Vec<String>),
    /// A match from a list that cannot be expressed as options.
    Unknown,
}

/// What happens to a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Accept,
    Return,
    Jump(String),
    Goto(String),
    Masquerade,
    Dnat {
        to: IpAddr,
        port: Option<u16>,
    },
    /// `--set-xmark`: clears the bits of the mask, then flips those of the mark.
    Mark {
        mark: u32,
        mask: u32,
    },
    /// Another target, from a list.
    Unknown,
}

/// Where a rule from a list is.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    Kernel(Box<nft::Rule>),
    /// The line of `iptables-save` without `-A`.
    Line(String),
}

/// Compares what the rules contain, not where they come from.
impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.spec == other.spec
    }
}

impl Eq for Rule {}

impl Rule {
    /// Starts a rule that matches all packets and has no target.
    pub fn new() -> Self {
        Self::default()
    }

    /// Matches source addresses.
    pub fn saddr(self, from: impl Into<IpNet>) -> Self {
        self.with(|spec| spec.source = Some(Is::new(false, from.into().trunc())))
    }

    /// Matches all source addresses but these.
    pub fn not_saddr(self, from: impl Into<IpNet>) -> Self {
        self.with(|spec| spec.source = Some(Is::new(true, from.into().trunc())))
    }

    /// Matches destination addresses.
    pub fn daddr(self, to: impl Into<IpNet>) -> Self {
        self.with(|spec| spec.destination = Some(Is::new(false, to.into().trunc())))
    }

    /// Matches all destination addresses but these.
    pub fn not_daddr(self, to: impl Into<IpNet>) -> Self {
        self.with(|spec| spec.destination = Some(Is::new(true, to.into().trunc())))
    }

    /// Matches an input interface. `eth+` matches all whose name begins with `eth`.
    pub fn iifname(self, name: impl Into<String>) -> Self {
        self.with(|spec| spec.in_interface = Some(Is::new(false, name.into())))
    }

    /// Matches an output interface, as [`iifname`](Self::iifname) does.
    pub fn oifname(self, name: impl Into<String>) -> Self {
        self.with(|spec| spec.out_interface = Some(Is::new(false, name.into())))
    }

    /// Matches a protocol.
    pub fn protocol(self, protocol: Protocol) -> Self {
        self.with(|spec| match spec.protocol {
            Some(other) if other != protocol => spec.refuse("a rule has two protocols"),
            _ => spec.protocol = Some(protocol),
        })
    }

    /// Matches a protocol and a destination port.
    pub fn dport(self, protocol: Protocol, port: u16) -> Self {
        self.protocol(protocol).matching(Match::Dport(port))
    }

    /// Matches a protocol and one of up to 15 destination ports.
    pub fn dports(self, protocol: Protocol, ports: &[u16]) -> Self {
        self.protocol(protocol).matching(Match::Dports(ports.to_vec()))
    }

    /// Matches packets to an address that this host has when they arrive.
    pub fn to_this_machine(self) -> Self {
        self.matching(Match::Local)
    }

    /// Matches the bits of the packet's mark that are in `mask`.
    pub fn mark(self, mark: u32, mask: u32) -> Self {
        self.matching(Match::Mark { mark: Is::new(false, mark), mask })
    }

    /// Adds a comment of up to 255 bytes without control characters.
    pub fn comment(self, comment: impl Into<String>) -> Self {
        self.matching(Match::Comment(comment.into()))
    }

    /// Accepts the packet.
    pub fn accept(self) -> Self {
        self.to(Target::Accept)
    }

    /// Returns to the chain that jumped here.
    pub fn return_(self) -> Self {
        self.to(Target::Return)
    }

    /// Jumps to another chain. The packet returns from there.
    pub fn jump(self, chain: impl Into<String>) -> Self {
        self.to(Target::Jump(chain.into()))
    }

    /// Translates the source address of the flow to that of the output interface.
    pub fn masquerade(self) -> Self {
        self.to(Target::Masquerade)
    }

    /// Translates the destination address of the flow.
    pub fn dnat_to(self, address: IpAddr) -> Self {
        self.to(Target::Dnat { to: address, port: None })
    }

    /// Translates the destination address and port of the flow. The rule needs a protocol.
    pub fn dnat_to_port(self, to: SocketAddr) -> Self {
        self.to(Target::Dnat { to: to.ip(), port: Some(to.port()) })
    }

    /// Sets the bits of the packet's mark that are in `mask`, and continues with the next rule.
    pub fn set_mark(self, mark: u32, mask: u32) -> Self {
        self.to(Target::Mark { mark, mask })
    }

    /// Returns the first comment.
    pub fn as_comment(&self) -> Option<&str> {
        self.spec.matches.iter().find_map(|found| match found {
            Match::Comment(comment) => Some(comment.as_str()),
            _ => None,
        })
    }

    /// Returns the source addresses that it matches. `None` if it matches all, or all but some.
    pub fn source(&self) -> Option<IpNet> {
        self.spec.source.as_ref().filter(|source| !source.not).map(|source| source.value)
    }

    /// Returns the destination addresses that it matches. `None` if it matches all, or all but some.
    pub fn destination(&self) -> Option<IpNet> {
        self.spec.destination.as_ref().filter(|destination| !destination.not).map(|to| to.value)
    }

    /// Returns the name of the chain that the rule jumps or goes to.
    pub fn jump_target(&self) -> Option<&str> {
        match &self.spec.target {
            Some(Target::Jump(chain) | Target::Goto(chain)) => Some(chain),
            _ => None,
        }
    }

    /// Returns the address that the rule translates destinations to, and the port if it translates that too.
    pub fn dnat(&self) -> Option<(IpAddr, Option<u16>)> {
        match self.spec.target {
            Some(Target::Dnat { to, port }) => Some((to, port)),
            _ => None,
        }
    }

    /// Returns whether the rule has [conditions](Self::conditions) that only the program knows. Listed from the kernel, such a
    /// rule is not equal to the one that was added.
    pub fn needs_program(&self) -> bool {
        self.spec.matches.iter().any(|found| matches!(found, Match::Words(_)))
    }

    fn with(mut self, change: impl FnOnce(&mut Spec)) -> Self {
        change(&mut self.spec);
        self
    }

    fn matching(self, matching: Match) -> Self {
        self.with(|spec| spec.matches.push(matching))
    }

    fn to(self, target: Target) -> Self {
        self.with(|spec| match spec.target {
            Some(_) => spec.refuse("a rule has two targets"),
            None => spec.target = Some(target),
        })
    }
}

impl Spec {
    pub(super) fn refuse(&mut self, fault: &'static str) {
        self.fault.get_or_insert(fault);
    }
}
