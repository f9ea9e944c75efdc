//! The state of the world, to be compared with the state before.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use cni_skel::Netns;
use cni_skel::net::{Net, NetError};

use sysctls::Keys;

mod filters;
mod network;
#[cfg(target_os = "linux")]
mod qdiscs;
mod sysctls;

/// What is in a network namespace and in folders, a line each, so that a person can read a difference.
///
/// What the kernel does on its own time is left out: link-local and multicast addresses and their routes, neighbours that
/// it found, the hardware address of a bridge, which follows its ports, and what rules have counted.
///
/// ```
/// # use cni_testing::{Snapshot, TestNetns};
/// # fn test() -> Result<(), Box<dyn std::error::Error>> {
/// let host = TestNetns::new();
/// let before = Snapshot::of_netns(host.netns())?;
/// // .. call a plugin ..
/// let after = Snapshot::of_netns(host.netns())?;
/// after.assert_same_as(&before);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot(BTreeSet<String>);

impl Snapshot {
    pub(crate) fn from_lines(lines: BTreeSet<String>) -> Self {
        Self(lines)
    }

    /// Takes down the links, addresses, routes, rules and neighbours of a namespace.
    ///
    /// # Errors
    /// When the kernel does not tell them.
    pub fn of(net: &Net) -> Result<Self, NetError> {
        network::lines(net).map(Self)
    }

    /// Takes down all that plugins change in a namespace: what [`of`](Self::of) does, and queueing disciplines, nftables,
    /// the rules of iptables' older variant where there are any, and sysctls of links that are not those of every link.
    ///
    /// # Errors
    /// When the namespace cannot be entered, or the kernel does not tell them. What the kernel does not have, or does not
    /// show to this user, is left out: it was not there before either.
    pub fn of_netns(netns: &Netns) -> io::Result<Self> {
        Self::take(netns, Keys::All)
    }

    /// As [`of_netns`](Self::of_netns), but of the sysctls only those that plugins are known to change: for whoever looks
    /// thousands of times.
    pub(crate) fn of_netns_in_haste(netns: &Netns) -> io::Result<Self> {
        Self::take(netns, Keys::Known)
    }

    fn take(netns: &Netns, keys: Keys) -> io::Result<Self> {
        netns.run(|| {
            let net = Net::open().map_err(io::Error::other)?;
            let mut lines = network::lines(&net).map_err(io::Error::other)?;
            let links = net.links().map_err(io::Error::other)?;
            #[cfg(target_os = "linux")]
            lines.extend(qdiscs::lines(&links)?);
            lines.extend(filters::lines()?);
            lines.extend(sysctls::lines(&links, keys));
            Ok(Self(lines))
        })?
    }

    /// Adds a folder with all that is below it: names, and the content of files. A folder that is not there has nothing.
    ///
    /// # Errors
    /// When something in it cannot be read.
    pub fn with_folder(mut self, folder: &Path) -> io::Result<Self> {
        self.walk(folder, folder)?;
        Ok(self)
    }

    /// Adds what is in another place, with the place's name before each line.
    pub(crate) fn and(mut self, place: &str, other: Self) -> Self {
        self.0.extend(other.0.into_iter().map(|line| format!("{place}: {line}")));
        self
    }

    /// All that is here.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// What is here and was not there before.
    pub fn added_since<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a str> {
        self.0.difference(&before.0).map(String::as_str)
    }

    /// Asserts that nothing has changed.
    ///
    /// # Panics
    /// When something has, with the difference.
    #[track_caller]
    pub fn assert_same_as(&self, before: &Self) {
        let difference: Vec<_> = self
            .added_since(before)
            .map(|line| format!("+ {line}"))
            .chain(before.added_since(self).map(|line| format!("- {line}")))
            .collect();
        assert!(difference.is_empty(), "the state is not as it was before:\n{}", difference.join("\n"));
    }

    fn walk(&mut self, root: &Path, folder: &Path) -> io::Result<()> {
        let entries = match fs::read_dir(folder) {
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            if path.is_dir() {
                self.0.insert(format!("folder {name}"));
                self.walk(root, &path)?;
            } else {
                let content = fs::read(&path)?;
                self.0.insert(format!("file {name}: {:?}", String::from_utf8_lossy(&content)));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
