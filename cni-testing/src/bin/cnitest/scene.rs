//! What there is at a moment: in the namespaces, and which files in the folders of state. One line of text each, so that
//! two moments can be compared and the difference shown.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use cni_skel::Netns;
use cni_testing::Snapshot;

/// How long the kernel may take to clear up: it takes links away in the background.
const SETTLING: Duration = Duration::from_secs(1);

/// Everything that is looked at.
#[derive(Debug)]
pub(crate) struct Scene {
    /// Namespaces with what stands before their items: nothing for the host's, the container's id for the others.
    pub(crate) places: Vec<(String, Netns)>,
    pub(crate) folders: Vec<PathBuf>,
}

/// What was there at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moment(pub(crate) BTreeSet<String>);

impl Moment {
    pub(crate) fn since(&self, earlier: &Self) -> Vec<String> {
        self.0.difference(&earlier.0).cloned().collect()
    }
}

impl Scene {
    pub(crate) fn look(&self) -> io::Result<Moment> {
        let mut items = BTreeSet::new();
        for (owner, netns) in &self.places {
            let prefix = if owner.is_empty() { String::new() } else { format!("{owner}: ") };
            let snapshot = Snapshot::of_netns(netns)?;
            let lines = snapshot.lines().filter(|line| !is_of_lo(line));
            items.extend(lines.map(|line| format!("{prefix}{line}")));
        }
        for folder in &self.folders {
            add_files(folder, &mut items);
        }
        Ok(Moment(items))
    }

    /// Looks until this is so, or some time is over.
    pub(crate) fn look_until(&self, settled: impl Fn(&Moment) -> bool) -> io::Result<Moment> {
        let until = Instant::now() + SETTLING;
        loop {
            let moment = self.look()?;
            if settled(&moment) || Instant::now() > until {
                return Ok(moment);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Whether the kernel itself puts it there when `lo` is up, and leaves it there afterwards.
fn is_of_lo(line: &str) -> bool {
    line == "address 127.0.0.1/8 on lo" || line == "address ::1/128 on lo"
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
