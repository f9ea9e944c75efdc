//! The attributes of a check: its level, its needs, and the kinds of plugins that it applies to.

use std::fmt;

/// How binding a check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Level {
    /// The specification requires it, or a runtime cannot work without it.
    Must,
    /// The specification or its conventions recommend it, or it follows from them.
    Should,
    /// Not required. Plugins that do it cause less trouble.
    Manners,
}

impl Level {
    /// All levels, the most binding one first.
    pub const ALL: &'static [Self] = &[Self::Must, Self::Should, Self::Manners];

    /// Returns the word for it.
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

/// What a check needs on the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Needs {
    /// Nothing. It only makes calls that a plugin must refuse, or that change nothing.
    Nothing,
    /// Network and mount namespaces, because the plugin does its work.
    Namespace,
}

impl Needs {
    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Namespace => "namespace",
        }
    }
}

/// The kind of plugin under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// It makes an interface in the container.
    Interface,
    /// It assigns addresses for another plugin.
    Ipam,
    /// It works on what the plugins before it made.
    Chained,
}

impl Kind {
    /// All kinds.
    pub const ALL: &'static [Self] = &[Self::Interface, Self::Ipam, Self::Chained];

    /// Returns the word for it.
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
