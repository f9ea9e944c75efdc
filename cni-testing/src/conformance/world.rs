//! A host of its own for each check, and what exists on it.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use cni_skel::net::Net;

use super::ending::Ending;
use crate::scene::{Scene, Uplink, network, prepare_host};
use crate::{Snapshot, TestNetns, isolation};

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

/// The prefix of the links that a chained plugin gets to work on. What the plugin did to them ends with them. In a real
/// chain they end when the plugin before it gets its DEL.
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
    scene: Scene,
    _uplinks: Vec<Uplink>,
}

impl World {
    /// Sets `lo` up and makes these links.
    pub(super) fn prepare(links: &[String], folders: &BTreeSet<PathBuf>) -> io::Result<Self> {
        let net = prepare_host()?;
        let uplinks = links.iter().map(|name| Uplink::add(&net, name, true)).collect::<io::Result<_>>()?;
        Ok(Self { net, scene: Scene::new(folders)?, _uplinks: uplinks })
    }

    /// Everything that exists on the host and in these containers, one line each.
    pub(super) fn look(&self, containers: &[&Container]) -> Result<BTreeSet<String>, Ending> {
        self.with(containers).look().map(|snapshot| lines(&snapshot)).map_err(unseen)
    }

    /// The names of the files in the folders of state.
    pub(super) fn files(&self) -> BTreeSet<String> {
        self.scene.files().into_iter().filter(|line| !is_folder(line)).collect()
    }

    /// Looks until everything is as it was, or the kernel has had enough time. Returns the difference.
    pub(super) fn changes_since(
        &self,
        before: &BTreeSet<String>,
        containers: &[&Container],
    ) -> Result<Vec<String>, Ending> {
        let changes = |now: &Snapshot| difference(before, &lines(now));
        // The kernel changes no files in the background.
        let is_settled = |now: &Snapshot| changes(now).iter().all(|line| line.contains(" file /"));
        self.with(containers).look_until(is_settled).map(|now| changes(&now)).map_err(unseen)
    }

    fn with(&self, containers: &[&Container]) -> Scene {
        let host = self.scene.clone();
        containers.iter().fold(host, |scene, container| scene.container(&container.id, &container.netns))
    }
}

/// What exists in a container.
pub(super) fn inside(container: &Container) -> Result<BTreeSet<String>, Ending> {
    network(container.netns.netns()).map(Iterator::collect).map_err(unseen)
}

/// What was added, and what is gone.
pub(super) fn difference(before: &BTreeSet<String>, after: &BTreeSet<String>) -> Vec<String> {
    let added = after.difference(before).map(|line| format!("+ {line}"));
    added.chain(before.difference(after).map(|line| format!("- {line}"))).collect()
}

/// The lines that count: without empty folders, and without the links of [`BASE`] on the host.
fn lines(snapshot: &Snapshot) -> BTreeSet<String> {
    let is_of_base = |line: &str| {
        line.starts_with(&format!("veth {BASE}"))
            || line.contains(&format!(" on {BASE}"))
            || line.contains(&format!("/conf/{BASE}"))
    };
    let lines = snapshot.lines().filter(|line| !is_folder(line) && !is_of_base(line));
    lines.map(str::to_owned).collect()
}

fn is_folder(line: &str) -> bool {
    line.starts_with("folder ")
}

fn unseen(why: io::Error) -> Ending {
    Ending::NotRun(why.to_string())
}
