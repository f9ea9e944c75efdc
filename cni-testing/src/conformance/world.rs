//! A host of its own for each check, and what there is on it at a moment.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use cni_skel::net::{Net, NetError, Veth};

use super::check::Ending;
use crate::{Snapshot, TestNetns, isolation};

/// How long the kernel may take to clear up: it takes links away in the background.
const SETTLING: Duration = Duration::from_millis(1500);
/// Programs whose lists of the network are taken too, where they are installed.
const PROGRAMS: [&[&str]; 4] =
    [&["nft", "-s", "list", "ruleset"], &["iptables-save"], &["ip6tables-save"], &["tc", "qdisc", "show"]];
/// Sysctls of all of the host, and of those interfaces that a plugin might touch.
const SYSCTLS: [&str; 4] = [
    "net/ipv4/ip_forward",
    "net/ipv6/conf/all/forwarding",
    "net/ipv4/conf/all/rp_filter",
    "net/ipv4/conf/all/route_localnet",
];

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
    folders: BTreeSet<PathBuf>,
    _uplinks: Vec<TestNetns>,
}

impl World {
    /// Sets `lo` up and makes these links, which lead nowhere.
    pub(super) fn prepare(links: &[String], folders: &BTreeSet<PathBuf>) -> Result<Self, String> {
        let text = |why: NetError| format!("the host namespace cannot be prepared: {}", told(&why));
        let net = Net::open().map_err(text)?;
        net.link("lo").and_then(|lo| net.set_up(lo.index)).map_err(text)?;
        let mut uplinks = Vec::new();
        for name in links {
            let netns = TestNetns::try_new().map_err(|why| why.to_string())?;
            net.add_veth(&Veth::new(name, "uplink").up(), netns.netns()).map_err(text)?;
            let other = netns.net().map_err(text)?;
            other.link("uplink").and_then(|end| other.set_up(end.index)).map_err(text)?;
            uplinks.push(netns);
        }
        let folders = folders.iter().filter_map(|folder| folder.canonicalize().ok()).collect();
        Ok(Self { net, folders, _uplinks: uplinks })
    }

    /// All that there is on the host and in these containers, a line each.
    pub(super) fn look(&self, containers: &[&Container]) -> Result<BTreeSet<String>, Ending> {
        let mut lines = network(&self.net)?;
        lines.extend(PROGRAMS.iter().flat_map(|program| listed_by(program)));
        for name in SYSCTLS {
            if let Ok(value) = fs::read_to_string(Path::new("/proc/sys").join(name)) {
                lines.insert(format!("sysctl {name} = {}", value.trim()));
            }
        }
        self.folders.iter().for_each(|folder| files(folder, &mut lines));
        lines.retain(|line| {
            !line.contains(&format!("dev {BASE}")) && !line.starts_with(&format!("veth {BASE}"))
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
    let broken = |why: io::Error| Ending::NotRun(format!("the container cannot be looked at: {why}"));
    let net = container.netns.net().map_err(|why| Ending::NotRun(told(&why)))?;
    let mut lines = network(&net)?;
    let listed = container.netns.run(|| [listed_by(PROGRAMS[0]), listed_by(PROGRAMS[3])]).map_err(broken)?;
    lines.extend(listed.into_iter().flatten());
    Ok(lines)
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

fn network(net: &Net) -> Result<BTreeSet<String>, Ending> {
    let snapshot = Snapshot::of(net).map_err(|why| Ending::NotRun(told(&why)))?;
    // The kernel puts its own addresses on lo, and leaves them there.
    let is_of_lo = |line: &&str| matches!(*line, "address 127.0.0.1/8 on lo" | "address ::1/128 on lo");
    Ok(snapshot.lines().filter(|line| !is_of_lo(line)).map(str::to_owned).collect())
}

fn listed_by(program: &[&str]) -> Vec<String> {
    let folders = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];
    let found = folders.iter().map(|folder| Path::new(folder).join(program[0])).find(|path| path.is_file());
    let Some(path) = found else { return Vec::new() };
    let mut command = Command::new(path);
    command.args(&program[1..]).stdin(Stdio::null()).stderr(Stdio::null());
    // What cannot be listed here, by this user or this kernel, is not there before nor after.
    let Ok(output) = command.output() else { return Vec::new() };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let lines =
        lines.filter(|line| !matches!(*line, "{" | "}" | "COMMIT") && !line.starts_with("qdisc noqueue"));
    // A chain is shown with its counters.
    lines.map(|line| format!("{}: {}", program[0], line.split(" [").next().unwrap_or(line))).collect()
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
