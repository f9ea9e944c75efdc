//! What there is: links, addresses, routes and rules of namespaces, files in folders. One line of text each, so that
//! two moments can be compared and the difference shown.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use cni_skel::net::{Link, Net, NetError};
use ipnet::IpNet;

/// How long the kernel may take to clear up: it takes links away in the background.
const SETTLING: Duration = Duration::from_secs(1);
/// The routing table of addresses that are the machine's own. Each of them is listed as an address already.
const LOCAL_TABLE: u32 = 255;

/// Everything that is looked at.
#[derive(Debug)]
pub(crate) struct Scene {
    /// Networks with what stands before their items: nothing for the host's, the container's id for the others.
    pub(crate) nets: Vec<(String, Net)>,
    pub(crate) folders: Vec<PathBuf>,
}

/// What was there at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Snapshot(pub(crate) BTreeSet<String>);

impl Snapshot {
    pub(crate) fn since(&self, earlier: &Self) -> Vec<String> {
        self.0.difference(&earlier.0).cloned().collect()
    }
}

impl Scene {
    pub(crate) fn look(&self) -> Result<Snapshot, NetError> {
        let mut items = BTreeSet::new();
        for (owner, net) in &self.nets {
            let prefix = if owner.is_empty() { String::new() } else { format!("{owner}: ") };
            items.extend(items_of(net)?.into_iter().map(|item| format!("{prefix}{item}")));
        }
        for folder in &self.folders {
            add_files(folder, &mut items);
        }
        Ok(Snapshot(items))
    }

    /// Looks until this is so, or some time is over.
    pub(crate) fn look_until(&self, settled: impl Fn(&Snapshot) -> bool) -> Result<Snapshot, NetError> {
        let until = Instant::now() + SETTLING;
        loop {
            let snapshot = self.look()?;
            if settled(&snapshot) || Instant::now() > until {
                return Ok(snapshot);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn items_of(net: &Net) -> Result<Vec<String>, NetError> {
    let links = net.links()?;
    let name = |index: u32| links.iter().find(|link| link.index == index).map_or("?", |link| &link.name);
    let mut items: Vec<_> = links.iter().map(|link| item_of_link(link, name)).collect();
    for address in net.addresses(None)? {
        let is_kernels = is_kernels_own(&address.address) || address.address.addr().is_loopback();
        if !is_kernels {
            items.push(format!("address {} on {}", address.address, name(address.link)));
        }
    }
    for route in net.routes(None)? {
        if route.table != LOCAL_TABLE && !is_kernels_own(&route.dst) {
            let link = route.link.map(|index| format!(" on {}", name(index))).unwrap_or_default();
            items.push(format!("route {route}{link}, table {}", route.table));
        }
    }
    for rule in net.rules()? {
        items.push(format!("rule {rule:?}"));
    }
    Ok(items)
}

fn item_of_link<'a>(link: &Link, name: impl Fn(u32) -> &'a str) -> String {
    let kind = link.kind.as_deref().unwrap_or("link");
    let up = if link.flags.is_up() { "up" } else { "down" };
    let master = link.master.map(|index| format!(", in {}", name(index))).unwrap_or_default();
    format!("{kind} {} ({up}, mtu {}{master})", link.name, link.mtu)
}

/// Whether the kernel makes such addresses and routes by itself, when links come and go: link-local and multicast.
fn is_kernels_own(net: &IpNet) -> bool {
    match net {
        IpNet::V4(_) => false,
        IpNet::V6(net) => net.addr().is_unicast_link_local() || net.addr().is_multicast(),
    }
}

/// Files, and folders without any.
fn add_files(folder: &Path, items: &mut BTreeSet<String>) {
    // What cannot be listed has nothing in it that could be seen to change.
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let (path, known) = (entry.path(), items.len());
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder {
            add_files(&path, items);
        }
        if !is_folder {
            items.insert(format!("file {}", path.display()));
        } else if items.len() == known {
            items.insert(format!("folder {}", path.display()));
        }
    }
}
