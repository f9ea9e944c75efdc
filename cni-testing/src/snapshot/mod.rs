//! A snapshot of namespaces and folders, to compare with an earlier one.

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

/// What exists in a network namespace and in folders, one readable line for each thing.
///
/// What the kernel changes at its own time is left out: link-local and multicast addresses and their routes, neighbours
/// that the kernel found, the hardware address of a bridge, which follows its ports, and the counters of rules.
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

    /// Records the links, addresses, routes, rules and neighbours of a namespace.
    ///
    /// # Errors
    /// The kernel does not list them.
    pub fn of(net: &Net) -> Result<Self, NetError> {
        network::lines(net).map(Self)
    }

    /// Records everything that plugins change in a namespace: what [`of`](Self::of) records, queueing disciplines,
    /// nftables, the rules of legacy iptables if there are any, and the sysctls of links that differ from those of a new
    /// link.
    ///
    /// # Errors
    /// The namespace cannot be entered, or the kernel does not list something. What the kernel does not support, or does
    /// not show to this user, is left out.
    pub fn of_netns(netns: &Netns) -> io::Result<Self> {
        Self::take(netns, Keys::All)
    }

    /// Like [`of_netns`](Self::of_netns), but with only those sysctls that plugins are known to change: for a caller
    /// that takes thousands of snapshots.
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

    /// Adds a folder and everything below it: names, and the content of files. A missing folder adds nothing.
    ///
    /// # Errors
    /// Something in the folder cannot be read.
    pub fn with_folder(mut self, folder: &Path) -> io::Result<Self> {
        self.walk(folder, folder)?;
        Ok(self)
    }

    /// Adds another snapshot, with the name of its place before each line.
    pub(crate) fn and(mut self, place: &str, other: Self) -> Self {
        self.0.extend(other.0.into_iter().map(|line| format!("{place}: {line}")));
        self
    }

    /// Returns all lines.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Returns the lines that the earlier snapshot does not have.
    pub fn added_since<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a str> {
        self.0.difference(&before.0).map(String::as_str)
    }

    /// Asserts that nothing has changed.
    ///
    /// # Panics
    /// If something has changed, with the difference.
    #[track_caller]
    pub fn assert_same_as(&self, before: &Self) {
        let difference: Vec<_> = self
            .added_since(before)
            .map(|line| format!("+ {line}"))
            .chain(before.added_since(self).map(|line| format!("- {line}")))
            .collect();
        assert!(difference.is_empty(), "the state has changed:\n{}", difference.join("\n"));
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
