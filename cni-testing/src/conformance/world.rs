//! A host of its own for each check, and what there is on it at a moment.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use cni_skel::Netns;
use cni_skel::net::{Net, NetError, Veth};

use super::check::Ending;
use crate::{Snapshot, TestNetns, isolation};

/// How long the kernel may take to clear up: it takes links away in the background.
const SETTLING: Duration = Duration::from_millis(1500);
/// Calls `step` on a thread of its own, in new namespaces, with empty folders of state.
pub(super) fn isolated<T: Send>(
    folders: &BTreeSet<PathBuf>,
    step: impl FnOnce() -> T + Send,
) -> io::Result<T> {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            isolation::enter_in_thread()?;
            isolation::cover(folders)?;
            Ok(step())
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// How the links are called that a chained plugin gets to work on. What it did to them goes with them, and in a real chain
/// they go when the plugin before it gets its DEL.
pub(super) const BASE: &str = "conform";

/// A container that a check attaches.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) id: String,
    pub(super) ifname: String,
    pub(super) netns: Arc<TestNetns>,
}

/// The network and the folders around the plugin, which is in the namespace of this thread.
#[derive(Debug)]
pub(super) struct World {
    pub(super) net: Net,
    netns: Netns,
    folders: BTreeSet<PathBuf>,
    _uplinks: Vec<TestNetns>,
}

impl World {
    /// Sets `lo` up and makes these links, which lead nowhere.
    pub(super) fn prepare(links: &[String], folders: &BTreeSet<PathBuf>) -> Result<Self, String> {
        let text = |why: NetError| format!("the host namespace cannot be prepared: {}", told(&why));
        let net = Net::open().map_err(text)?;
        net.link("lo").and_then(|lo| net.set_up(lo.index)).map_err(text)?;
        let netns = Netns::own().map_err(|why| format!("the host namespace cannot be opened: {why}"))?;
        let mut uplinks = Vec::new();
        for name in links {
            let nowhere = TestNetns::try_new().map_err(|why| why.to_string())?;
            net.add_veth(&Veth::new(name, "uplink").up(), nowhere.netns()).map_err(text)?;
            let other = nowhere.net().map_err(text)?;
            other.link("uplink").and_then(|end| other.set_up(end.index)).map_err(text)?;
            uplinks.push(nowhere);
        }
        let folders = folders.iter().filter_map(|folder| folder.canonicalize().ok()).collect();
        Ok(Self { net, netns, folders, _uplinks: uplinks })
    }

    /// All that there is on the host and in these containers, a line each.
    pub(super) fn look(&self, containers: &[&Container]) -> Result<BTreeSet<String>, Ending> {
        let mut lines = network(&self.netns, "the host")?;
        self.folders.iter().for_each(|folder| files(folder, &mut lines));
        let of_base = [format!(" on {BASE}"), format!("/conf/{BASE}")];
        lines.retain(|line| {
            !line.starts_with(&format!("veth {BASE}")) && !of_base.iter().any(|part| line.contains(part))
        });
        for container in containers {
            lines.extend(inside(container)?.into_iter().map(|line| format!("{}: {line}", container.id)));
        }
        Ok(lines)
    }

    /// The names of the files in the folders of state.
    pub(super) fn files(&self) -> BTreeSet<String> {
        let mut lines = BTreeSet::new();
        self.folders.iter().for_each(|folder| files(folder, &mut lines));
        lines
    }

    /// Looks until all is as it was, or some time is over; tells the difference.
    pub(super) fn changes_since(
        &self,
        before: &BTreeSet<String>,
        containers: &[&Container],
    ) -> Result<Vec<String>, Ending> {
        let until = Instant::now() + SETTLING;
        loop {
            let changes = difference(before, &self.look(containers)?);
            // Files do not settle.
            let is_final = changes.iter().all(|line| line.contains(" file /"));
            if is_final || Instant::now() > until {
                return Ok(changes);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// What is inside a container.
pub(super) fn inside(container: &Container) -> Result<BTreeSet<String>, Ending> {
    network(container.netns.netns(), "the container")
}

/// What was added, and what is gone.
pub(super) fn difference(before: &BTreeSet<String>, after: &BTreeSet<String>) -> Vec<String> {
    let added = after.difference(before).map(|line| format!("+ {line}"));
    added.chain(before.difference(after).map(|line| format!("- {line}"))).collect()
}

pub(super) fn told(why: &NetError) -> String {
    let cause = std::error::Error::source(why).map(|cause| format!(": {cause}"));
    format!("{why}{}", cause.unwrap_or_default())
}

fn network(netns: &Netns, whose: &str) -> Result<BTreeSet<String>, Ending> {
    let snapshot = Snapshot::of_netns(netns)
        .map_err(|why| Ending::NotRun(format!("{whose} cannot be looked at: {why}")))?;
    // The kernel puts its own addresses on lo, and leaves them there.
    let is_of_lo = |line: &&str| matches!(*line, "address 127.0.0.1/8 on lo" | "address ::1/128 on lo");
    Ok(snapshot.lines().filter(|line| !is_of_lo(line)).map(str::to_owned).collect())
}

fn files(folder: &Path, lines: &mut BTreeSet<String>) {
    // What cannot be listed has nothing in it that could be seen to change.
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            files(&path, lines);
        } else {
            lines.insert(format!("file {}", path.display()));
        }
    }
}
