//! What a report sorts checks by: how binding they are, what they need, and which plugins they are about.

use std::fmt;

/// How binding it is what a check asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Level {
    /// The specification demands it, or a runtime cannot work without it.
    Must,
    /// The specification or its conventions recommend it, or it follows from them.
    Should,
    /// Nobody demands it; plugins that do it cause less trouble.
    Manners,
}

impl Level {
    /// All levels, the most binding one first.
    pub const ALL: &'static [Self] = &[Self::Must, Self::Should, Self::Manners];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Should => "should",
            Self::Manners => "manners",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a check needs of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Needs {
    /// Nothing: only calls that a plugin has to refuse, or that change nothing.
    Nothing,
    /// Network and mount namespaces of its own: the plugin does its work.
    Namespace,
}

impl Needs {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Namespace => "namespace",
        }
    }
}

/// What sort of plugin is under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// It makes an interface in the container.
    Interface,
    /// It assigns addresses, for another plugin to use.
    Ipam,
    /// It works on what the plugins before it made.
    Chained,
}

impl Kind {
    /// All kinds.
    pub const ALL: &'static [Self] = &[Self::Interface, Self::Ipam, Self::Chained];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Interface => "interface",
            Self::Ipam => "ipam",
            Self::Chained => "chained",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
