//! The expressions of a rule, which the kernel evaluates in order.

/// One of the sixteen registers of four bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Register(pub(crate) u32);

impl Register {
    /// Returns the kernel's number. Registers that begin a group of four have the numbers from when registers had 16 bytes.
    pub(super) fn number(self) -> u32 {
        if self.0.is_multiple_of(4) { self.0 / 4 + 1 } else { self.0 + 8 }
    }

    pub(super) fn from_number(number: u32) -> Option<Self> {
        match number {
            1..=4 => Some(Self((number - 1) * 4)),
            8..=23 => Some(Self(number - 8)),
            _ => None,
        }
    }
}

/// A verdict about a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accept,
    Drop,
    Return,
    Jump(String),
    Goto(String),
}

/// The address that is translated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nat {
    Source,
    Destination,
}

/// A match or target of iptables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Extension {
    pub(crate) name: String,
    pub(crate) revision: u32,
    /// The structure with its options.
    pub(crate) info: Vec<u8>,
}

/// An expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expression {
    Payload {
        to: Register,
        base: u32,
        offset: u32,
        length: u32,
    },
    Meta {
        to: Register,
        key: u32,
    },
    SetMeta {
        from: Register,
        key: u32,
    },
    Ct {
        to: Register,
        key: u32,
    },
    SetCt {
        from: Register,
        key: u32,
    },
    Fib {
        to: Register,
        result: u32,
        flags: u32,
    },
    Cmp {
        from: Register,
        differs: bool,
        value: Vec<u8>,
    },
    Bitwise {
        from: Register,
        to: Register,
        mask: Vec<u8>,
        xor: Vec<u8>,
    },
    Lookup {
        set: String,
        from: Register,
        to: Option<Register>,
        inverted: bool,
    },
    Immediate {
        to: Register,
        value: Vec<u8>,
    },
    Verdict(Verdict),
    Masquerade,
    Nat {
        nat: Nat,
        family: u32,
        address: Option<Register>,
        port: Option<Register>,
    },
    /// A match of iptables.
    Match(Extension),
    /// A target of iptables.
    Target(Extension),
    /// A counter. Its values are not part of the comparison of rules.
    Counter,
    /// An expression that is unknown here or has unknown attributes.
    Other {
        name: String,
        raw: Vec<u8>,
    },
}

impl Expression {
    /// Compares the first register with a value.
    pub(crate) fn compare(differs: bool, value: Vec<u8>) -> Self {
        Self::Cmp { from: Register(0), differs, value }
    }

    /// Applies a mask to the first register, and then an exclusive or.
    pub(crate) fn bitwise(mask: &[u8], xor: &[u8]) -> Self {
        Self::Bitwise { from: Register(0), to: Register(0), mask: mask.to_vec(), xor: xor.to_vec() }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Payload { .. } => "payload",
            Self::Meta { .. } | Self::SetMeta { .. } => "meta",
            Self::Ct { .. } | Self::SetCt { .. } => "ct",
            Self::Fib { .. } => "fib",
            Self::Cmp { .. } => "cmp",
            Self::Bitwise { .. } => "bitwise",
            Self::Lookup { .. } => "lookup",
            Self::Immediate { .. } | Self::Verdict(_) => "immediate",
            Self::Masquerade => "masq",
            Self::Nat { .. } => "nat",
            Self::Match(_) => "match",
            Self::Target(_) => "target",
            Self::Counter => "counter",
            Self::Other { name, .. } => name,
        }
    }
}
