//! The steps of a rule, as the kernel carries them out.

/// One of the sixteen places of four bytes that a rule computes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Register(pub(crate) u32);

impl Register {
    /// The kernel numbers every fourth place in its old way, and the others in the new one.
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

/// What becomes of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accept,
    Drop,
    Return,
    Jump(String),
    Goto(String),
}

/// Which end of a flow is rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nat {
    Source,
    Destination,
}

/// A step that is an extension of iptables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Extension {
    pub(crate) name: String,
    pub(crate) revision: u32,
    /// The structure that the extension has for its options.
    pub(crate) info: Vec<u8>,
}

/// A step.
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
    /// What it has counted does not tell rules apart.
    Counter,
    /// A step that is not among ours, or that does more than ours: name and raw attributes.
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

    /// Masks the first register, and then flips the bits of `xor`.
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
