//! Numbers of rtnetlink that have names: the index of a link, and the values that routes, addresses, neighbours and
//! routing rules carry. A value without a constant here is kept as it is.

use std::fmt;
use std::num::NonZeroU32;

/// The index of a link: its number in its network namespace, never 0.
///
/// The kernel keeps the index when the link is renamed. Two links in different namespaces may have the same one.
///
/// ```
/// use cni_skel::net::LinkIndex;
///
/// let index = LinkIndex::new(7).expect("not 0");
/// assert_eq!((index.get(), index.to_string().as_str()), (7, "7"));
/// assert_eq!(LinkIndex::new(0), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkIndex(NonZeroU32);

impl LinkIndex {
    /// Creates an index. Returns `None` for 0, which is not the index of any link.
    pub const fn new(index: u32) -> Option<Self> {
        match NonZeroU32::new(index) {
            Some(index) => Some(Self(index)),
            None => None,
        }
    }

    /// Returns the number.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl From<LinkIndex> for u32 {
    fn from(index: LinkIndex) -> Self {
        index.get()
    }
}

impl fmt::Display for LinkIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! number {
    (
        $(#[$doc:meta])*
        $name:ident($inner:ty) { $($(#[$constant_doc:meta])* $constant:ident = $value:literal,)* }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($inner);

        impl $name {
            $($(#[$constant_doc])* pub const $constant: Self = Self($value);)*
        }

        impl From<$inner> for $name {
            fn from(number: $inner) -> Self {
                Self(number)
            }
        }

        impl From<$name> for $inner {
            fn from(number: $name) -> Self {
                number.0
            }
        }
    };
}

number! {
    /// How far an [`Address`](super::Address) is valid, or how far the destination of a [`Route`](super::Route) is away:
    /// the kernel's `RT_SCOPE_*`. A higher number is nearer.
    Scope(u8) {
        /// Everywhere. `ip` shows it as `global`.
        UNIVERSE = 0,
        /// Within the site.
        SITE = 200,
        /// On the link.
        LINK = 253,
        /// On this host.
        HOST = 254,
        /// Nowhere. In a route to delete, any scope.
        NOWHERE = 255,
    }
}

number! {
    /// What a [`Route`](super::Route) does with packets: the kernel's `RTN_*`.
    RouteType(u8) {
        /// Sends them on. This is the ordinary route.
        UNICAST = 1,
        /// Delivers them to this host.
        LOCAL = 2,
        /// Delivers them to this host as broadcasts.
        BROADCAST = 3,
        /// Delivers them to this host as anycast packets.
        ANYCAST = 4,
        /// Sends them on as multicast packets.
        MULTICAST = 5,
        /// Drops them silently.
        BLACKHOLE = 6,
        /// Drops them and reports that the host is unreachable.
        UNREACHABLE = 7,
        /// Drops them and reports that communication is prohibited.
        PROHIBIT = 8,
        /// Continues with the next routing rule.
        THROW = 9,
    }
}

number! {
    /// The origin of a [`Route`](super::Route): the kernel's `RTPROT_*`. Routing daemons have numbers of their own.
    RouteProtocol(u8) {
        /// An ICMP redirect.
        REDIRECT = 1,
        /// The kernel, for example because of an address.
        KERNEL = 2,
        /// A program that does not say more, such as `ip route add`.
        BOOT = 3,
        /// An administrator.
        STATIC = 4,
        /// A router advertisement.
        RA = 9,
        /// A DHCP client.
        DHCP = 16,
    }
}

number! {
    /// The state of a [`Neighbour`](super::Neighbour): the kernel's `NUD_*`.
    NeighbourState(u16) {
        /// Its hardware address is being looked up.
        INCOMPLETE = 0x01,
        /// It answered lately.
        REACHABLE = 0x02,
        /// It has not answered lately, and is asked again when it is used.
        STALE = 0x04,
        /// It was used while stale, and is asked soon.
        DELAY = 0x08,
        /// It is being asked again.
        PROBE = 0x10,
        /// It did not answer.
        FAILED = 0x20,
        /// It needs no lookup.
        NOARP = 0x40,
        /// It was added by a program and does not expire.
        PERMANENT = 0x80,
    }
}

number! {
    /// What a [`RoutingRule`](super::RoutingRule) does: the kernel's `FR_ACT_*`.
    RuleAction(u8) {
        /// Looks into the rule's table.
        LOOKUP = 1,
        /// Continues with another rule.
        GOTO = 2,
        /// Does nothing.
        NOP = 3,
        /// Drops the packet silently.
        BLACKHOLE = 6,
        /// Drops the packet and reports that the network is unreachable.
        UNREACHABLE = 7,
        /// Drops the packet and reports that communication is prohibited.
        PROHIBIT = 8,
    }
}

number! {
    /// The spanning tree state of a [`BridgePort`](super::BridgePort): the kernel's `BR_STATE_*`.
    PortState(u8) {
        /// The port is down.
        DISABLED = 0,
        /// It takes part in the spanning tree protocol only.
        LISTENING = 1,
        /// It learns hardware addresses and does not forward yet.
        LEARNING = 2,
        /// It forwards packets.
        FORWARDING = 3,
        /// It is blocked to avoid a loop.
        BLOCKING = 4,
    }
}

impl Default for PortState {
    fn default() -> Self {
        Self::DISABLED
    }
}

#[cfg(test)]
mod tests {
    use nix::libc;

    use super::{NeighbourState, RouteProtocol, RouteType, Scope};

    #[test]
    fn the_numbers_are_those_that_libc_has() {
        macro_rules! same {
            ($($ours:expr => $theirs:ident)*) => { $(assert_eq!(i128::from($ours.0), i128::from(libc::$theirs));)* };
        }
        same! {
            Scope::UNIVERSE => RT_SCOPE_UNIVERSE Scope::SITE => RT_SCOPE_SITE Scope::LINK => RT_SCOPE_LINK
            Scope::HOST => RT_SCOPE_HOST Scope::NOWHERE => RT_SCOPE_NOWHERE
            RouteType::UNICAST => RTN_UNICAST RouteType::LOCAL => RTN_LOCAL RouteType::BROADCAST => RTN_BROADCAST
            RouteType::ANYCAST => RTN_ANYCAST RouteType::MULTICAST => RTN_MULTICAST RouteType::BLACKHOLE => RTN_BLACKHOLE
            RouteType::UNREACHABLE => RTN_UNREACHABLE RouteType::PROHIBIT => RTN_PROHIBIT RouteType::THROW => RTN_THROW
            RouteProtocol::REDIRECT => RTPROT_REDIRECT RouteProtocol::KERNEL => RTPROT_KERNEL
            RouteProtocol::BOOT => RTPROT_BOOT RouteProtocol::STATIC => RTPROT_STATIC
            NeighbourState::INCOMPLETE => NUD_INCOMPLETE NeighbourState::REACHABLE => NUD_REACHABLE
            NeighbourState::STALE => NUD_STALE NeighbourState::DELAY => NUD_DELAY NeighbourState::PROBE => NUD_PROBE
            NeighbourState::FAILED => NUD_FAILED NeighbourState::NOARP => NUD_NOARP
            NeighbourState::PERMANENT => NUD_PERMANENT
        }
    }
}
