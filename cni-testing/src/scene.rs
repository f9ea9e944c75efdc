//! The host and containers around plugins: links for them to work on, and what exists at one moment.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use cni_skel::Netns;
use cni_skel::net::{Net, NetError, Veth};

use crate::{Snapshot, TestNetns};

/// How long the kernel may take to remove links, which it does in the background.
const SETTLING: Duration = Duration::from_millis(1500);

/// Network namespaces, and folders where plugins keep state.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Each with the name that its lines begin with; the host has none.
    places: Vec<(Option<String>, Netns)>,
    folders: BTreeSet<PathBuf>,
}

impl Scene {
    /// The namespace of this thread as the host, and these folders. Folders that do not exist are left out.
    ///
    /// # Errors
    /// The namespace cannot be opened.
    pub fn new<'a>(folders: impl IntoIterator<Item = &'a PathBuf>) -> io::Result<Self> {
        // One folder may have two names, through a symbolic link.
        let folders = folders.into_iter().filter_map(|folder| folder.canonicalize().ok()).collect();
        Ok(Self { places: vec![(None, Netns::own()?)], folders })
    }

    /// Adds a container.
    #[must_use]
    pub fn container(mut self, name: &str, netns: &TestNetns) -> Self {
        self.places.push((Some(name.to_owned()), netns.netns().clone()));
        self
    }

    /// Everything that exists now, one line each. Files are listed by name, without their content.
    ///
    /// # Errors
    /// A namespace cannot be looked at.
    pub fn look(&self) -> io::Result<Snapshot> {
        let mut lines = self.files();
        for (name, netns) in &self.places {
            let found = network(netns).map_err(|why| {
                let name = name.as_deref().unwrap_or("the host");
                io::Error::new(why.kind(), format!("cannot look at the network of {name}: {why}"))
            })?;
            let prefix = name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
            lines.extend(found.map(|line| format!("{prefix}{line}")));
        }
        Ok(Snapshot::from_lines(lines))
    }

    /// Looks until this is so, or the kernel has had enough time.
    ///
    /// # Errors
    /// See [`look`](Self::look).
    pub fn look_until(&self, is_settled: impl Fn(&Snapshot) -> bool) -> io::Result<Snapshot> {
        let until = Instant::now() + SETTLING;
        loop {
            let snapshot = self.look()?;
            if is_settled(&snapshot) || Instant::now() > until {
                return Ok(snapshot);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The files, and the folders without files, one line each.
    pub(crate) fn files(&self) -> BTreeSet<String> {
        let mut lines = BTreeSet::new();
        self.folders.iter().for_each(|folder| add_files(folder, &mut lines));
        lines
    }
}

/// The network of a namespace, without the addresses that the kernel gives to `lo` and leaves there.
pub(crate) fn network(netns: &Netns) -> io::Result<impl Iterator<Item = String>> {
    let is_of_lo = |line: &str| matches!(line, "address 127.0.0.1/8 on lo" | "address ::1/128 on lo");
    let lines: Vec<_> = Snapshot::of_netns(netns)?.lines().map(str::to_owned).collect();
    Ok(lines.into_iter().filter(move |line| !is_of_lo(line)))
}

fn add_files(folder: &Path, lines: &mut BTreeSet<String>) {
    // In a folder that cannot be listed no change can be seen.
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let (path, known) = (entry.path(), lines.len());
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            lines.insert(format!("file {}", path.display()));
            continue;
        }
        add_files(&path, lines);
        if lines.len() == known {
            lines.insert(format!("folder {}", path.display()));
        }
    }
}

/// Sets `lo` of the namespace of this thread up, and returns the namespace's network.
///
/// # Errors
/// The kernel refuses it.
pub fn prepare_host() -> io::Result<Net> {
    let prepared = Net::open().and_then(|net| {
        net.set_up(net.link("lo")?.index)?;
        Ok(net)
    });
    prepared.map_err(|why| io::Error::other(format!("cannot prepare the host: {}", describe(&why))))
}

/// A link of the host for plugins to work on. It is a veth whose peer is alone in a namespace, and ends with this value.
#[derive(Debug)]
pub struct Uplink {
    _netns: TestNetns,
}

impl Uplink {
    /// Makes the link: up as the parent of other links, or down as a device that a container is to get.
    ///
    /// # Errors
    /// The kernel refuses it.
    pub fn add(host: &Net, name: &str, is_up: bool) -> io::Result<Self> {
        let netns = TestNetns::try_new()?;
        let made = (|| {
            let veth = Veth::new(name, "uplink");
            host.add_veth(&if is_up { veth.up() } else { veth }, netns.netns())?;
            let other_end = netns.net()?;
            other_end.set_up(other_end.link("uplink")?.index)
        })();
        let refused = |why| io::Error::other(format!("cannot make link {name}: {}", describe(&why)));
        made.map(|()| Self { _netns: netns }).map_err(refused)
    }
}

/// An error of the kernel with its cause.
pub(crate) fn describe(why: &NetError) -> String {
    let cause = std::error::Error::source(why).map(|cause| format!(": {cause}"));
    format!("{why}{}", cause.unwrap_or_default())
}
