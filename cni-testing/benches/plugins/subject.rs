//! The subjects that are measured.

use std::fmt;

/// The origin of a program, and how it is linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// The reference plugins.
    Go,
    Ours(Linking),
    Floor(Linking),
}

/// The ways of linking our programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Linking {
    /// Cargo's default target, dynamically linked.
    Default,
    /// The default target, statically linked.
    Static,
    /// The musl target, statically linked.
    Musl,
}

impl Linking {
    pub(crate) const ALL: [Self; 3] = [Self::Default, Self::Static, Self::Musl];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Static => "static",
            Self::Musl => "musl",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|linking| linking.as_str() == name)
    }
}

impl Subject {
    pub(crate) fn linking(self) -> Option<Linking> {
        match self {
            Self::Go => None,
            Self::Ours(linking) | Self::Floor(linking) => Some(linking),
        }
    }

    /// Returns the floor that the subject is compared with.
    pub(crate) fn floor(self) -> Option<Self> {
        match self {
            Self::Ours(linking) => Some(Self::Floor(linking)),
            Self::Go | Self::Floor(_) => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Go => f.write_str("Go"),
            Self::Ours(linking) => write!(f, "ours, {}", linking.as_str()),
            Self::Floor(linking) => write!(f, "floor, {}", linking.as_str()),
        }
    }
}
