//! Rules: which packets, and what becomes of them.

use std::net::{IpAddr, SocketAddr};

use cni_types::Protocol;
use ipnet::IpNet;

use crate::nft;

/// The longest name of a chain.
pub(super) const CHAIN_MAX: usize = 28;

/// A rule, to be added or as it was listed.
///
/// Addresses, interfaces and the protocol are looked at first, in whichever order they are given; the other matches in
/// the order in which they are given, and two rules are equal only if they have the same ones in the same order, as
/// `iptables -C` has it. Where a rule came from does not count. What contradicts itself is refused when it is sent.
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

/// What a rule says.
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

/// What something has to be, or must not be.
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

/// A match of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Match {
    Comment(String),
    /// Of the rule's protocol.
    Dport(u16),
    Dports(Vec<u16>),
    /// To an address of this machine.
    Local,
    Mark {
        mark: Is<u32>,
        mask: u32,
    },
    /// Words that only the program understands.
    Words(Vec<String>),
    /// What was listed and has no words.
    Unknown,
}

/// What becomes of a packet.
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
    /// What was listed and is not among these.
    Unknown,
}

/// Where a listed rule is.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    Kernel(Box<nft::Rule>),
    /// Chain and words, as `iptables-save` prints them behind `-A`.
    Line(String),
}

/// Rules are equal that say the same, wherever they came from.
impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.spec == other.spec
    }
}

impl Eq for Rule {}

impl Rule {
    /// Starts a rule that is for all packets, and does nothing with them.
    pub fn new() -> Self {
        Self::default()
    }

    /// From these addresses.
    pub fn saddr(self, from: impl Into<IpNet>) -> Self {
        self.with(|spec| spec.source = Some(Is::new(false, from.into().trunc())))
    }

    /// From other addresses than these.
    pub fn not_saddr(self, from: impl Into<IpNet>) -> Self {
        self.with(|spec| spec.source = Some(Is::new(true, from.into().trunc())))
    }

    /// To these addresses.
    pub fn daddr(self, to: impl Into<IpNet>) -> Self {
        self.with(|spec| spec.destination = Some(Is::new(false, to.into().trunc())))
    }

    /// To other addresses than these.
    pub fn not_daddr(self, to: impl Into<IpNet>) -> Self {
        self.with(|spec| spec.destination = Some(Is::new(true, to.into().trunc())))
    }

    /// Came in by an interface; `eth+` is any whose name begins with `eth`.
    pub fn iifname(self, name: impl Into<String>) -> Self {
        self.with(|spec| spec.in_interface = Some(Is::new(false, name.into())))
    }

    /// Leaves by an interface.
    pub fn oifname(self, name: impl Into<String>) -> Self {
        self.with(|spec| spec.out_interface = Some(Is::new(false, name.into())))
    }

    /// Of a protocol.
    pub fn protocol(self, protocol: Protocol) -> Self {
        self.with(|spec| match spec.protocol {
            Some(other) if other != protocol => spec.refuse("a rule has two protocols"),
            _ => spec.protocol = Some(protocol),
        })
    }

    /// To a port of a protocol.
    pub fn dport(self, protocol: Protocol, port: u16) -> Self {
        self.protocol(protocol).matching(Match::Dport(port))
    }

    /// To one of up to 15 ports of a protocol.
    pub fn dports(self, protocol: Protocol, ports: &[u16]) -> Self {
        self.protocol(protocol).matching(Match::Dports(ports.to_vec()))
    }

    /// To an address of this machine, whichever it has at that time.
    pub fn to_this_machine(self) -> Self {
        self.matching(Match::Local)
    }

    /// With these bits of the mark as given.
    pub fn mark(self, mark: u32, mask: u32) -> Self {
        self.matching(Match::Mark { mark: Is::new(false, mark), mask })
    }

    /// With a comment of up to 255 bytes without control characters.
    pub fn comment(self, comment: impl Into<String>) -> Self {
        self.matching(Match::Comment(comment.into()))
    }

    /// Lets the packet through the table.
    pub fn accept(self) -> Self {
        self.to(Target::Accept)
    }

    /// Goes on where the chain was jumped to.
    pub fn return_(self) -> Self {
        self.to(Target::Return)
    }

    /// Goes through another chain, and comes back.
    pub fn jump(self, chain: impl Into<String>) -> Self {
        self.to(Target::Jump(chain.into()))
    }

    /// Gives the flow the address of the interface that it leaves by.
    pub fn masquerade(self) -> Self {
        self.to(Target::Masquerade)
    }

    /// Sends the flow to another address.
    pub fn dnat_to(self, address: IpAddr) -> Self {
        self.to(Target::Dnat { to: address, port: None })
    }

    /// Sends the flow to another address and port. The rule has to be for a protocol.
    pub fn dnat_to_port(self, to: SocketAddr) -> Self {
        self.to(Target::Dnat { to: to.ip(), port: Some(to.port()) })
    }

    /// Sets some bits of the packet's mark, and goes on.
    pub fn set_mark(self, mark: u32, mask: u32) -> Self {
        self.to(Target::Mark { mark, mask })
    }

    /// Its first comment.
    pub fn as_comment(&self) -> Option<&str> {
        self.spec.matches.iter().find_map(|found| match found {
            Match::Comment(comment) => Some(comment.as_str()),
            _ => None,
        })
    }

    /// The addresses that it is for, if it names those rather than others.
    pub fn source(&self) -> Option<IpNet> {
        self.spec.source.as_ref().filter(|source| !source.not).map(|source| source.value)
    }

    /// The addresses to which it is for, if it names those rather than others.
    pub fn destination(&self) -> Option<IpNet> {
        self.spec.destination.as_ref().filter(|destination| !destination.not).map(|to| to.value)
    }

    /// The chain that it jumps or goes to.
    pub fn leads_to(&self) -> Option<&str> {
        match &self.spec.target {
            Some(Target::Jump(chain) | Target::Goto(chain)) => Some(chain),
            _ => None,
        }
    }

    /// Where it sends the flow: the address, and the port if that changes too.
    pub fn dnat(&self) -> Option<(IpAddr, Option<u16>)> {
        match self.spec.target {
            Some(Target::Dnat { to, port }) => Some((to, port)),
            _ => None,
        }
    }

    /// Whether it has [conditions](Self::conditions) that only the program has words for. As it is listed from the kernel
    /// it is not equal to what was added then.
    pub fn has_words(&self) -> bool {
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
