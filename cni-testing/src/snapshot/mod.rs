//! The state of the world, to be compared with the state before.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use cni_skel::net::{Link, Net, NetError};

/// The kernel's table of the addresses' own routes, which come and go with them.
const TABLE_LOCAL: u32 = 255;
/// The kernel's state of a neighbour that somebody entered by hand.
const NUD_PERMANENT: u16 = 0x80;

/// What is in a network namespace and in folders, a line each, so that a person can read a difference.
///
/// What the kernel does on its own time is left out: link-local and multicast addresses and their routes, neighbours that
/// it found, and the hardware address of a bridge, which follows its ports.
///
/// ```
/// # use cni_testing::{Snapshot, TestNetns};
/// # fn test() -> Result<(), Box<dyn std::error::Error>> {
/// let host = TestNetns::new();
/// let before = Snapshot::of(&host.net()?)?;
/// // .. call a plugin ..
/// let after = Snapshot::of(&host.net()?)?;
/// after.assert_same_as(&before);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot(BTreeSet<String>);

impl Snapshot {
    /// Takes down the links, addresses, routes, rules and neighbours of a namespace.
    ///
    /// # Errors
    /// When the kernel does not tell them.
    pub fn of(net: &Net) -> Result<Self, NetError> {
        let links = net.links()?;
        let find = |index: Option<u32>| links.iter().find(|link| Some(link.index) == index);
        let name = |index: Option<u32>| find(index).map_or("-", |link| &link.name);
        let master = |link: &Link| link.master.map(|index| name(Some(index)));
        let mut lines: BTreeSet<_> = links.iter().map(|link| describe(link, master(link))).collect();
        for address in
            net.addresses(None)?.into_iter().filter(|address| !is_the_kernels(address.address.addr()))
        {
            lines.insert(format!("address {} on {}", address.address, name(Some(address.link))));
        }
        for route in net.routes(None)? {
            if route.table != TABLE_LOCAL && !is_the_kernels(route.dst.addr()) {
                lines.insert(format!("route {route} on {} in table {}", name(route.link), route.table));
            }
        }
        for rule in net.rules()? {
            lines.insert(format!("rule {rule:?}"));
        }
        for neighbour in
            net.neighbours(None)?.into_iter().filter(|neighbour| neighbour.state & NUD_PERMANENT != 0)
        {
            if !is_the_kernels(neighbour.address) {
                lines.insert(format!("neighbour {} on {}", neighbour.address, name(Some(neighbour.link))));
            }
        }
        Ok(Self(lines))
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

fn describe(link: &Link, master: Option<&str>) -> String {
    let kind = link.kind.as_deref().unwrap_or("link");
    let state = if link.flags.is_up() { "up" } else { "down" };
    let mac = link.mac.as_ref().filter(|_| kind != "bridge").map(|mac| format!(", mac {mac}"));
    let master = master.map(|name| format!(", in {name}"));
    let alias = link.alias.as_ref().map(|alias| format!(", alias {alias:?}"));
    let more: String = [mac, master, alias].into_iter().flatten().collect();
    format!("{kind} {} ({state}, mtu {}{more})", link.name, link.mtu)
}

fn is_the_kernels(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_multicast(),
        IpAddr::V6(address) => address.is_multicast() || address.is_unicast_link_local(),
    }
}
